"""``voicegw bench``: what the server does under load."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicegw.cli.common import KeyOption, Refused, credentials

if TYPE_CHECKING:
    from voicegw.bench.load import Load
    from voicegw.bench.measure import Summary, Take
    from voicegw.bench.watch import Cost, Watch

bench_app = typer.Typer(help="Measure a running server.", no_args_is_help=True)
_NUMBERS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@bench_app.callback()
def bench() -> None:
    """Measure a running server."""


@bench_app.command()
def speech(
    *,
    url: Annotated[
        str, typer.Option(envvar="VOICEGW_URL", help="The server; its own latency needs the same machine.")
    ] = "http://127.0.0.1:8000",
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Requests at a time.")] = 8,
    requests: Annotated[int, typer.Option("--requests", "-n", min=1, help="Requests in all.")] = 100,
    model: Annotated[str, typer.Option(help="Model or alias.")] = "tone",
    voice: Annotated[str | None, typer.Option(help="Voice.")] = None,
    form: Annotated[str, typer.Option("--format", help="mp3, opus, aac, flac, wav or pcm.")] = "mp3",
    text: Annotated[str | None, typer.Option(help="What every request says.")] = None,
    words: Annotated[int, typer.Option(min=1, help="Without --text: so many words; tone gives each 0.5 s.")] = 4,
    pace: Annotated[
        float, typer.Option("--stream-pace", min=0, help="Seconds of audio a client reads per second; 0: all it gets.")
    ] = 0.0,
    warmup: Annotated[int, typer.Option(min=0, help="Requests before the measurement.")] = 2,
    pid: Annotated[int | None, typer.Option(help="The server's process; else found by its port.")] = None,
    control: Annotated[bool, typer.Option("--control", help="Measure a bare uvicorn with the same bytes too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    api_key: KeyOption = None,
) -> None:
    """Send many speech requests; tell when audio begins, whether it keeps up, and what it costs the server."""
    from voicegw.audio.format import by_name
    from voicegw.bench.client import Target
    from voicegw.bench.load import Load

    known = by_name(form)
    if known is None:
        raise Refused(f"there is no format {form!r}", status=2)
    try:
        target = Target.of(url)
    except ValueError as error:
        raise Refused(str(error), status=2) from None
    spoken = text or " ".join(itertools.islice(itertools.cycle(_NUMBERS), words))
    fields = {"model": model, "input": spoken, "response_format": form, **({"voice": voice} if voice else {})}
    load = Load(target, fields, known, requests, concurrency, pace, credentials(api_key))
    report = asyncio.run(_measure(load, warmup, _watch(target.port, pid)))
    if control and report["speech"]["ok"]:
        report["control"] = _control(load, report["speech"])
    typer.echo(json.dumps(_plain(report), indent=2) if as_json else _told(report))
    if not report["speech"]["ok"]:
        raise typer.Exit(1)


async def _measure(load: Load, warmup: int, watch: Watch | None) -> dict[str, Any]:
    from voicegw.bench.load import run

    if warmup:
        await run(replace(load, requests=warmup, pace=0.0))
    before = watch.read() if watch else None
    with _progress(load.requests) as told:
        summary = await run(load, told)
    after = watch.read() if watch else None
    return {
        "concurrency": load.concurrency,
        "format": load.format.name,
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "speech": asdict(summary),
        "server": _cost(before, after, summary) if before and after else None,
    }


def _watch(port: int, pid: int | None) -> Watch | None:
    """Watch the server's process where it can be found; a missing figure is better than no measurement."""
    from voicegw.bench.watch import CannotWatch, Watch, listener

    try:
        return Watch(pid or listener(port))
    except CannotWatch as error:
        typer.echo(f"voicegw: without the server's processor time: {error}", err=True)
        return None


def _cost(before: Cost, after: Cost, summary: Summary) -> dict[str, Any]:
    each = 1000 / max(1, summary.requests)
    return {
        "gateway_cpu_ms_per_request": (after.gateway_cpu_s - before.gateway_cpu_s) * each,
        "workers_cpu_ms_per_request": (after.workers_cpu_s - before.workers_cpu_s) * each,
        "gateway_rss_mb": after.gateway_rss / 1e6,
        "tree_rss_mb": after.tree_rss / 1e6,
        "processes": after.processes,
    }


def _control(load: Load, measured: dict[str, Any]) -> dict[str, Any]:
    """Measure the bare server with what the measured one sent on average."""
    from voicegw.bench.client import Target
    from voicegw.bench.control import serving
    from voicegw.bench.watch import CannotWatch, Watch

    pieces = max(1, round(measured["pieces_per_answer"]))
    with serving(pieces, round(measured["bytes_per_answer"] / pieces)) as (url, pid):
        watch = None
        with suppress(CannotWatch):
            watch = Watch(pid)
        return asyncio.run(_measure(replace(load, target=Target.of(url)), 2, watch))


@contextmanager
def _progress(total: int) -> Generator[Callable[[Take], None], None, None]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("requests", total=total)
        yield lambda _: progress.advance(bar)


def _plain(value: Any) -> Any:
    """Give what JSON can hold: nan, which means that nothing was measured, becomes null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - only nan differs from itself


def _told(report: dict[str, Any]) -> str:
    measured = report["speech"]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in measured["outcomes"].items())
    lines = [
        f"{measured['requests']} {report['format']} requests, {report['concurrency']} at a time: {outcomes}",
        f"rate         {measured['requests_per_s']:.1f} requests/s in {measured['wall_s']:.2f} s",
        f"{'ms':12} {'p50':>8} {'p95':>9} {'p99':>9}",
        _row("first audio", measured["ttfa_ms"]),
        _row("  gateway", measured["gateway_ms"]),
        _row("whole", measured["total_ms"]),
        _row("RTF", measured["rtf"]),
        f"underruns    {measured['underruns']} in {measured['requests_with_underruns']} requests",
        f"silence      {measured['stalled_s']:.2f} s of {measured['audio_s']:.1f} s of audio",
    ]
    if cost := report["server"]:
        gateway, workers = cost["gateway_cpu_ms_per_request"], cost["workers_cpu_ms_per_request"]
        lines += [
            f"CPU/request  {gateway:.2f} ms gateway, {workers:.2f} ms below it",
            f"memory       {cost['gateway_rss_mb']:.0f} MB gateway, {cost['tree_rss_mb']:.0f} MB with all below it",
        ]
    lines.append(f"load average {' '.join(map(str, report['load_average']))}")
    if "control" in report:
        lines += ["", "a bare uvicorn with the same bytes:", _told(report["control"])]
    return "\n".join(lines)


def _row(title: str, spread: dict[str, float]) -> str:
    return f"{title:12} {spread['p50']:8.2f} {spread['p95']:9.2f} {spread['p99']:9.2f}"
