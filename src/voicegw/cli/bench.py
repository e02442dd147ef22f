"""``voicegw bench``: what the server does under load."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicegw.cli import measuring
from voicegw.cli.common import KeyOption, Refused, credentials
from voicegw.cli.measuring import (
    ConcurrencyOption,
    ControlOption,
    JsonOption,
    PidOption,
    RequestsOption,
    ServerOption,
    WarmupOption,
)

if TYPE_CHECKING:
    from voicegw.bench.load import Load
    from voicegw.bench.uploads import UploadLoad
    from voicegw.bench.watch import Watch

bench_app = typer.Typer(help="Measure a running server.", no_args_is_help=True)
_URL: Final = "http://127.0.0.1:8000"
_NUMBERS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@bench_app.callback()
def bench() -> None:
    """Measure a running server."""


@bench_app.command()
def speech(
    *,
    url: ServerOption = _URL,
    concurrency: ConcurrencyOption = 8,
    requests: RequestsOption = 100,
    model: Annotated[str, typer.Option(help="Model or alias.")] = "tone",
    voice: Annotated[str | None, typer.Option(help="Voice.")] = None,
    form: Annotated[str, typer.Option("--format", help="mp3, opus, aac, flac, wav or pcm.")] = "mp3",
    text: Annotated[str | None, typer.Option(help="What every request says.")] = None,
    words: Annotated[int, typer.Option(min=1, help="Without --text: so many words; tone gives each 0.5 s.")] = 4,
    pace: Annotated[
        float, typer.Option("--stream-pace", min=0, help="Seconds of audio a client reads per second; 0: all it gets.")
    ] = 0.0,
    warmup: WarmupOption = 2,
    pid: PidOption = None,
    control: ControlOption = False,
    as_json: JsonOption = False,
    api_key: KeyOption = None,
) -> None:
    """Send many speech requests; tell when audio begins, whether it keeps up, and what it costs the server."""
    from voicegw.audio.format import by_name
    from voicegw.bench.load import Load

    known = by_name(form)
    if known is None:
        raise Refused(f"there is no format {form!r}", status=2)
    target = measuring.target_of(url)
    spoken = text or " ".join(itertools.islice(itertools.cycle(_NUMBERS), words))
    fields = {"model": model, "input": spoken, "response_format": form, **({"voice": voice} if voice else {})}
    load = Load(target, fields, known, requests, concurrency, pace, credentials(api_key))
    report = asyncio.run(_speech(load, warmup, measuring.watched(target.port, pid)))
    if control and report["speech"]["ok"]:
        told = report["speech"]
        with measuring.bare(told["pieces_per_answer"], told["bytes_per_answer"]) as (bare, watch):
            report["control"] = asyncio.run(_speech(replace(load, target=bare), 2, watch))
    _print(report, as_json=as_json)
    if not report["speech"]["ok"]:
        raise typer.Exit(1)


@bench_app.command()
def transcribe(
    *,
    url: ServerOption = _URL,
    concurrency: ConcurrencyOption = 1,
    requests: RequestsOption = 50,
    model: Annotated[str, typer.Option(help="Model or alias.")] = "whisper-1",
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="What every request sends.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=780, help="Without --file: a WAV of a tone, so long.")] = 10.0,
    form: Annotated[str, typer.Option("--format", help="json, text, srt, vtt or verbose_json.")] = "json",
    language: Annotated[str | None, typer.Option(help="Such as es; else it is found out.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Ask for events.")] = False,
    warmup: WarmupOption = 2,
    pid: PidOption = None,
    control: ControlOption = False,
    as_json: JsonOption = False,
    api_key: KeyOption = None,
) -> None:
    """Send many uploads; tell when the answer begins and ends, and what it costs the server."""
    from voicegw.bench.uploads import UploadLoad, tone

    target = measuring.target_of(url)
    audio = file.read_bytes() if file else tone(seconds)
    fields = {"model": model, "response_format": form, **({"language": language} if language else {})}
    fields |= {"stream": "true"} if stream else {}
    load = UploadLoad(target, audio, fields, requests, concurrency, credentials(api_key))
    report = asyncio.run(_transcription(load, warmup, measuring.watched(target.port, pid)))
    if control and report["transcription"]["ok"]:
        told = report["transcription"]
        with measuring.bare(told["pieces_per_answer"], told["bytes_per_answer"]) as (bare, watch):
            report["control"] = asyncio.run(_transcription(replace(load, target=bare), 2, watch))
    _print(report, as_json=as_json)
    if not report["transcription"]["ok"]:
        raise typer.Exit(1)


async def _speech(load: Load, warmup: int, watch: Watch | None) -> dict[str, Any]:
    from voicegw.bench.load import run

    if warmup:
        await run(replace(load, requests=warmup, pace=0.0))
    found = await measuring.measured("speech", partial(run, load), load.requests, watch)
    return {"concurrency": load.concurrency, "format": load.format.name, **found}


async def _transcription(load: UploadLoad, warmup: int, watch: Watch | None) -> dict[str, Any]:
    from voicegw.bench.uploads import run

    if warmup:
        await run(replace(load, requests=warmup))
    found = await measuring.measured("transcription", partial(run, load), load.requests, watch)
    return {
        "concurrency": load.concurrency,
        "format": load.fields["response_format"],
        "upload_bytes": len(load.audio),
        **found,
    }


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    typer.echo(json.dumps(measuring.plain(report), indent=2) if as_json else _told(report))


def _told(report: dict[str, Any]) -> str:
    measured = report.get("speech") or report["transcription"]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in measured["outcomes"].items())
    lines = [
        f"{measured['requests']} {report['format']} requests, {report['concurrency']} at a time: {outcomes}",
        f"rate         {measured['requests_per_s']:.1f} requests/s in {measured['wall_s']:.2f} s",
        measuring.HEAD,
        *(_of_speech(measured) if "speech" in report else _of_transcription(measured)),
        *measuring.told_cost(report["server"]),
        f"load average {' '.join(map(str, report['load_average']))}",
    ]
    if "control" in report:
        lines += ["", "a bare uvicorn with the same bytes:", _told(report["control"])]
    return "\n".join(lines)


def _of_speech(measured: dict[str, Any]) -> list[str]:
    return [
        measuring.row("first audio", measured["ttfa_ms"]),
        measuring.row("  gateway", measured["gateway_ms"]),
        measuring.row("whole", measured["total_ms"]),
        measuring.row("RTF", measured["rtf"]),
        f"underruns    {measured['underruns']} in {measured['requests_with_underruns']} requests",
        f"silence      {measured['stalled_s']:.2f} s of {measured['audio_s']:.1f} s of audio",
    ]


def _of_transcription(measured: dict[str, Any]) -> list[str]:
    return [measuring.row("first text", measured["first_ms"]), measuring.row("whole", measured["total_ms"])]
