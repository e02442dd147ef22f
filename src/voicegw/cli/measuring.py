"""What the measurements of ``voicegw bench`` share: the server's cost, a bar of progress, reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicegw.cli.common import Refused

if TYPE_CHECKING:
    from voicegw.bench.client import Target
    from voicegw.bench.watch import Cost, Watch

ServerOption = Annotated[
    str, typer.Option("--url", envvar="VOICEGW_URL", help="The server; its own latency needs the same machine.")
]
ConcurrencyOption = Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Requests at a time.")]
RequestsOption = Annotated[int, typer.Option("--requests", "-n", min=1, help="Requests in all.")]
WarmupOption = Annotated[int, typer.Option(min=0, help="Requests before the measurement.")]
PidOption = Annotated[int | None, typer.Option(help="The server's process; else found by its port.")]
ControlOption = Annotated[bool, typer.Option("--control", help="Measure a bare uvicorn with the same bytes too.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def target_of(url: str) -> Target:
    """Read a server's address."""
    from voicegw.bench.client import Target

    try:
        return Target.of(url)
    except ValueError as error:
        raise Refused(str(error), status=2) from None


async def measured(
    name: str, run: Callable[[Callable[[Any], None]], Awaitable[Any]], requests: int, watch: Watch | None
) -> dict[str, Any]:
    """Run a load and report: its summary under ``name``, what the server spent on it, how busy the machine was.

    Args:
        name: Of what is measured.
        run: Sends the load, and tells what it is given of every request.
        requests: How many there are.
        watch: The server; None where it cannot be watched.
    """
    before = watch.read() if watch else None
    with progress(requests) as told:
        summary = await run(told)
    after = watch.read() if watch else None
    return {
        "load_average": [round(each, 2) for each in os.getloadavg()],
        name: asdict(summary),
        "server": _cost(before, after, requests) if before and after else None,
    }


def watched(port: int, pid: int | None) -> Watch | None:
    """Watch the server's process where it can be found; a missing figure is better than no measurement."""
    from voicegw.bench.watch import CannotWatch, Watch, listener

    try:
        return Watch(pid or listener(port))
    except CannotWatch as error:
        typer.echo(f"voicegw: without the server's processor time: {error}", err=True)
        return None


def _cost(before: Cost, after: Cost, requests: int) -> dict[str, Any]:
    each = 1000 / max(1, requests)
    return {
        "gateway_cpu_ms_per_request": (after.gateway_cpu_s - before.gateway_cpu_s) * each,
        "workers_cpu_ms_per_request": (after.workers_cpu_s - before.workers_cpu_s) * each,
        "gateway_rss_mb": after.gateway_rss / 1e6,
        "tree_rss_mb": after.tree_rss / 1e6,
        "processes": after.processes,
    }


@contextmanager
def bare(pieces: float, size: float) -> Generator[tuple[Target, Watch | None], None, None]:
    """Run a bare server that sends so many bytes in so many pieces, on average."""
    from contextlib import suppress

    from voicegw.bench.client import Target
    from voicegw.bench.control import serving
    from voicegw.bench.watch import CannotWatch, Watch

    count = max(1, round(pieces))
    with serving(count, round(size / count)) as (url, pid):
        watch = None
        with suppress(CannotWatch):
            watch = Watch(pid)
        yield Target.of(url), watch


@contextmanager
def progress(total: int) -> Generator[Callable[[Any], None], None, None]:
    """Show on a terminal how many requests are done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("requests", total=total)
        yield lambda _: progress.advance(bar)


def plain(value: Any) -> Any:
    """Give what JSON can hold: nan, which means that nothing was measured, becomes null."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - only nan differs from itself


def told_cost(cost: dict[str, Any] | None) -> list[str]:
    """Give the lines that tell what a server spent."""
    if cost is None:
        return []
    gateway, workers = cost["gateway_cpu_ms_per_request"], cost["workers_cpu_ms_per_request"]
    return [
        f"CPU/request  {gateway:.2f} ms gateway, {workers:.2f} ms below it",
        f"memory       {cost['gateway_rss_mb']:.0f} MB gateway, {cost['tree_rss_mb']:.0f} MB with all below it",
    ]


def row(title: str, spread: dict[str, float]) -> str:
    """Give a line of percentiles."""
    return f"{title:12} {spread['p50']:8.2f} {spread['p95']:9.2f} {spread['p99']:9.2f}"


HEAD = f"{'ms':12} {'p50':>8} {'p95':>9} {'p99':>9}"
"""Above such lines."""
