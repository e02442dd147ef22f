"""``voicegw transcribe``: what is said in sound files, by a server or by a model in this program's own worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

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
    settings_from,
    told_by,
)
from voicegw.cli.files import opened

if TYPE_CHECKING:
    from voicegw.api.openai.submitted import Submission
    from voicegw.services.transcription import TranscriptionService
    from voicegw.settings import Limits, Settings

_SUFFIXES: Final = {"text": "txt", "srt": "srt", "vtt": "vtt"}
_CHUNK: Final = 256 * 1024

Bar: TypeAlias = Callable[[float], None]
"""Called with how much of all files is done, counted in files."""

Answers: TypeAlias = AsyncGenerator[tuple[Path, bytes | str], None]
"""For each file what is said in it, in the form that was asked for; text where it cannot be told, which says why."""


@dataclass(frozen=True, slots=True)
class _Order:
    files: Sequence[Path]
    fields: dict[str, Any]
    asked: Submission


def transcribe(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Sound files of any format.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; a folder for several. Else standard output.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="text, json, srt, vtt, verbose_json.")] = "text",
    model: Annotated[str | None, typer.Option(help="Model or alias.")] = None,
    language: Annotated[str | None, typer.Option(help="Such as es; else it is found out.")] = None,
    translate: Annotated[bool, typer.Option("--translate", help="Write it in English.")] = False,
    prompt: Annotated[str | None, typer.Option(help="What was said before, or how it is written.")] = None,
    words: Annotated[bool, typer.Option("--words", help="With verbose_json: when each word is heard, too.")] = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Write what is said in sound files: by a server with --url, else without one."""
    from voicegw.api.openai.submitted import parse

    given = {"model": model, "language": language, "prompt": prompt, "response_format": form}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if words:
        fields["timestamp_granularities[]"] = ["word", "segment"]
    settings = None if url else settings_from(config).settings
    fields["model"] = model or (settings.defaults.transcription if settings else None) or "whisper-1"
    order = _Order(files, fields, parse(fields, "translate" if translate else "transcribe"))
    targets = _targets(order, output)
    with _progress(order) as bar:
        answers = _embedded(order, settings, bar) if settings else _served(order, str(url), api_key, bar)
        failed = asyncio.run(_write(order, answers, targets))
    if failed:
        raise Refused(*failed)


def _targets(order: _Order, output: Path | None) -> dict[Path, Path | None]:
    """Give where each answer goes; None is standard output."""
    if output is None:
        return dict.fromkeys(order.files)
    if len(order.files) == 1 and not output.is_dir():
        return {order.files[0]: output}
    suffix = _SUFFIXES.get(order.asked.format, "json")
    found: dict[Path, Path | None] = {file: output / f"{file.stem}.{suffix}" for file in order.files}
    if len(set(found.values())) < len(order.files):
        raise Refused("two of these files have the same name, and would be written to one", status=2)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{output}: {error.strerror or error}") from None
    return found


async def _embedded(order: _Order, settings: Settings, bar: Bar) -> Answers:
    """Transcribe in a worker of our own."""
    from voicegw.audio.decode import Decoder
    from voicegw.errors import NotFound
    from voicegw.services.transcription import TranscriptionPolicy, TranscriptionService

    name = order.asked.request.model
    target = settings.all_aliases().get(name, name)
    specs = [alone(model.spec(), load=True) for model in settings.models if model.id == target]
    if not specs:
        why = settings.without_model().get(name) or f"there are: {', '.join(model.id for model in settings.models)}"
        raise NotFound(f"there is no model {name!r}; {why}")
    largest = max(file.stat().st_size for file in order.files)
    limits = _for_uploads_of(largest, settings.limits)
    policy = TranscriptionPolicy(
        prompt_chars=limits.input_chars,
        decoded_s=limits.decoded_s,
        slot_s=limits.load_s,  # loading counts here, for nothing was loaded before
    )
    decoder = Decoder(limits.decode_spec(), limits.decode_engine(), limits.decoded_s, log_requests=False)
    async with embedded(settings, specs) as router, decoder:
        service = TranscriptionService(router, decoder, policy)
        for number, file in enumerate(order.files):
            yield file, await _heard(order.asked, service, file, partial(_beyond, bar, number))
            bar(number + 1)


def _for_uploads_of(size: int, limits: Limits) -> Limits:
    """Let an upload of so many bytes be decoded: a file of one's own may be large."""
    from voicegw.settings_values import DECODER_BYTES

    taken = max(limits.upload_bytes, size)
    memory = max(limits.decode_memory_bytes, 2 * taken + DECODER_BYTES)
    return limits.model_copy(update={"upload_bytes": taken, "decode_memory_bytes": memory, "decode_workers": 1})


def _beyond(bar: Bar, done: int, share: float) -> None:
    bar(done + share)


async def _heard(asked: Submission, service: TranscriptionService, file: Path, share: Bar) -> bytes | str:
    """Transcribe one file; give why not where it cannot be."""
    from voicegw.api.openai.rendered import render
    from voicegw.api.openai.transcripts import Transcript
    from voicegw.errors import InvalidRequest
    from voicegw.services.transcribing import Heard

    transcription = await service.start(asked.request, _read(file))
    transcript = Transcript()
    try:
        async with aclosing(transcription.events()) as events:
            async for event in events:
                transcript.take(event)
                if isinstance(event, Heard):
                    share(min(1.0, event.segment.end_s / max(transcription.decoded_s, 0.001)))
    except InvalidRequest as error:
        if error.param != "file":
            raise
        return error.message
    return render(asked, transcript, transcription.language)[0]


async def _read(file: Path) -> AsyncGenerator[bytes, None]:
    with file.open("rb") as opened_file:
        while piece := opened_file.read(_CHUNK):
            yield piece


async def _served(order: _Order, url: str, api_key: str | None, bar: Bar) -> Answers:
    """Have a server transcribe."""
    import httpx

    path = "audio/translations" if order.asked.request.task == "translate" else "audio/transcriptions"
    async with httpx.AsyncClient(timeout=httpx.Timeout(None, connect=10), trust_env=False) as client:
        for number, file in enumerate(order.files):
            with file.open("rb") as sent:
                try:
                    answer = await client.post(
                        endpoint(url, path),
                        data=order.fields,
                        files={"file": (file.name, sent)},
                        headers=credentials(api_key),
                    )
                except httpx.TransportError as error:
                    raise Refused(f"no answer from {url}: {error}") from None
            yield file, told_by(answer.status_code, answer.content) if answer.is_error else answer.content
            bar(number + 1)


async def _write(order: _Order, answers: Answers, targets: dict[Path, Path | None]) -> list[str]:
    """Write the answers; give a line for each that there is not."""
    failed = []
    async with aclosing(answers):
        async for file, answer in answers:
            if isinstance(answer, str):
                failed.append(f"{file}: {answer}")
                continue
            with opened(targets[file]) as written:
                written.writelines(_lines(order, file, answer, named=targets[file] is None and len(targets) > 1))
                written.flush()
    return failed


def _lines(order: _Order, file: Path, answer: bytes, *, named: bool) -> Iterator[bytes]:
    """Give what is written of an answer: JSON in a line of its own, other forms below the file's name if need be."""
    if order.asked.format.endswith("json"):
        yield answer + b"\n"
        return
    if named:
        yield f"== {file} ==\n".encode()
    yield answer


@contextmanager
def _progress(order: _Order) -> Generator[Bar, None, None]:
    """Show on a terminal how much is done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        count = len(order.files)
        bar = progress.add_task(order.files[0].name if count == 1 else f"{count} files", total=count)
        yield lambda done: progress.update(bar, completed=done)
