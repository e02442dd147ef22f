"""``voicegw say``: text into a sound file, by a server or by a model in this program's own worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from voicegw.cli.common import (
    ConfigOption,
    KeyOption,
    Refused,
    UrlOption,
    alone,
    credentials,
    embedded,
    endpoint,
    lexicon_from,
    settings_from,
    told_by,
)
from voicegw.cli.files import opened

if TYPE_CHECKING:
    from voicegw.audio.format import AudioFormat
    from voicegw.services.speech import SpeechRequest, SpeechService

_WAV_HEAD = 44


@dataclass(frozen=True, slots=True)
class _Order:
    text: str
    model: str | None
    voice: str | None
    language: str | None
    speed: float
    format: AudioFormat


def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; - is standard output, as is a pipe without this.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model or alias.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice; the model's default without this.")] = None,
    language: Annotated[str | None, typer.Option(help="Such as es or pt-BR.")] = None,
    speed: Annotated[float, typer.Option(min=0.25, max=4.0, help="1 is the usual speed.")] = 1.0,
    form: Annotated[
        str | None, typer.Option("--format", help="mp3, opus, aac, flac, wav or pcm; else by the file's suffix.")
    ] = None,
    url: UrlOption = None,
    api_key: KeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Say something into a file: by a server with --url, else without one."""
    path = _target(output)
    spoken = sys.stdin.read() if text == "-" else text
    order = _Order(spoken, model, voice, language, speed, _format(form, path))
    parts = _served(order, url, api_key) if url else _embedded(order, config)
    asyncio.run(_write(parts, path, order.format))


def _target(output: Path | None) -> Path | None:
    """Give the file to write, or None for standard output."""
    if output is None and sys.stdout.isatty():
        raise Refused("a terminal cannot play sound; name a file with -o, such as -o hello.mp3", status=2)
    return None if output is None or str(output) == "-" else output


def _format(name: str | None, path: Path | None) -> AudioFormat:
    from voicegw.audio.format import DEFAULT, FORMATS, by_name, by_suffix

    names = ", ".join(each.name for each in FORMATS)
    if name is not None:
        found = by_name(name.lower())
        if found is None:
            raise Refused(f"there is no format {name!r}; there are: {names}", status=2)
        return found
    suffix = path.suffix if path else ""
    found = by_suffix(suffix) if suffix else DEFAULT
    if found is None:
        raise Refused(f"no format has the suffix {suffix!r}; name one of {names} with --format", status=2)
    return found


async def _embedded(order: _Order, config: Path | None) -> AsyncGenerator[bytes, None]:
    """Speak in a worker of our own."""
    from voicegw.errors import NotFound
    from voicegw.services.speech import SpeechPolicy, SpeechRequest, SpeechService

    settings = settings_from(config).settings
    name = order.model or settings.defaults.speech
    target = settings.all_aliases().get(name, name)
    specs = [alone(model.spec(), load=True) for model in settings.models if model.id == target]
    if not specs:
        raise NotFound(f"there is no model {name!r}; there are: {', '.join(model.id for model in settings.models)}")
    policy = SpeechPolicy(
        language=settings.defaults.language,
        voice_aliases=settings.voice_aliases,
        input_chars=settings.limits.input_chars,
        first_audio_s=settings.limits.load_s,  # loading counts here, for nothing was loaded before
    )
    request = SpeechRequest(target, order.text, order.voice, order.format, order.speed, order.language)
    lexicon = lexicon_from(settings)
    async with (
        embedded(settings, specs) as router,
        _speech(SpeechService(router, policy, lexicon=lexicon), request) as parts,
    ):
        async for part in parts:
            yield part


@asynccontextmanager
async def _speech(service: SpeechService, request: SpeechRequest) -> AsyncGenerator[AsyncGenerator[bytes, None], None]:
    async with aclosing(await service.start(request)) as speech, aclosing(speech.body()) as parts:
        for warning in speech.warnings:
            typer.echo(f"voicegw: {warning}", err=True)
        yield parts


async def _served(order: _Order, url: str, api_key: str | None) -> AsyncGenerator[bytes, None]:
    """Have a server speak, and give what it sends as it comes."""
    import httpx

    fields = {
        "model": order.model or "tts-1",
        "input": order.text,
        "voice": order.voice,
        "language": order.language,
        "speed": order.speed,
        "response_format": order.format.name,
    }
    body = {name: value for name, value in fields.items() if value is not None}
    try:
        async with (
            httpx.AsyncClient(timeout=httpx.Timeout(600, connect=10), trust_env=False) as client,
            client.stream("POST", endpoint(url, "audio/speech"), json=body, headers=credentials(api_key)) as answer,
        ):
            if answer.is_error:
                raise Refused(told_by(answer.status_code, await answer.aread()))
            if warning := answer.headers.get("x-voicegw-warning"):
                typer.echo(f"voicegw: {warning}", err=True)
            async for part in answer.aiter_bytes():
                yield part
    except (httpx.RemoteProtocolError, httpx.ReadError):  # the second where the connection was reset
        raise Refused("the server broke off in the middle of the speech") from None
    except httpx.TransportError as error:
        raise Refused(f"no answer from {url}: {error}") from None


async def _write(parts: AsyncGenerator[bytes, None], path: Path | None, form: AudioFormat) -> None:
    async with aclosing(parts):
        with opened(path) as file, _progress(path) as told:
            written = 0
            async for part in parts:
                file.write(part)
                if path is None:
                    file.flush()
                written += len(part)
                told(written)
            if form.name == "wav" and path is not None and file.seekable():
                _true_sizes(file, written)


def _true_sizes(file: BinaryIO, written: int) -> None:
    """Put the length into a WAV header that was written before it was known."""
    from voicegw.audio.encode import wav_header

    file.seek(0)
    file.write(wav_header((written - _WAV_HEAD) // 2))


@contextmanager
def _progress(path: Path | None) -> Generator[Callable[[int], None], None, None]:
    """Show on a terminal how much has come."""
    if path is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{path.name}: waiting for the first audio") as status:
        yield lambda size: status.update(f"{path.name}: {size / 1024:.0f} KiB")
