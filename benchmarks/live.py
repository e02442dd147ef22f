"""How soon ``/health/live`` answers under live mp3 streams, and with the queue full as well.

python -m benchmarks.live [--runs 3] [--streams 64] [--seconds 10]

The model gives its audio in real time. The same probe asks a bare uvicorn that has nothing else to do, by turns with
the gateway: what that takes is the share of the machine and of the load. Afterwards a bare uvicorn sends the same
streams to the same clients, and is asked alone.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from benchmarks.goals import Goal, measured, options
from benchmarks.harness import body, loop_lag, serving, stream, tone_config, waited_for_cpu
from benchmarks.probe import probing
from voicegw.audio.format import MP3
from voicegw.bench.client import Target
from voicegw.bench.control import serving as bare_serving
from voicegw.bench.load import Load, run
from voicegw.bench.measure import Summary, percentile

QUEUE_PER_SLOT = 4
REFUSED_EVERY_S = 0.02
MOST_MS = 20.0

GOALS = (
    Goal("health p99 under the streams, ms", most=MOST_MS),
    Goal("  median"),
    Goal("  of a bare uvicorn beside, p99"),
    Goal("  of a bare uvicorn that sends the same, p99"),
    Goal("health p99 with the queue full too, ms", most=MOST_MS),
    Goal("  median "),
    Goal("  of a bare uvicorn beside, p99 "),
    Goal("  refusals meanwhile", least=1, every=True),
    Goal("streams that were not whole", most=0, every=True),
    Goal("lag of the probe, p99, ms"),
    Goal("lag of the clients, p99, ms"),
    Goal("gateway waited for a core, ms per s"),
)


async def measure(streams: int, seconds: int) -> Mapping[str, float]:
    """Measure with so many streams, each of so many seconds."""
    config = {**tone_config(slots=streams, rtf=1.0), "limits": {"queue_per_slot": QUEUE_PER_SLOT}}
    with serving(config) as server, bare_serving(1, 1) as (beside, _):
        load = Load(server.target, body(2 * seconds, response_format="mp3"), MP3, streams, streams)
        health, pid = f"{server.url}/health/live", server.process.pid
        began, waited = time.monotonic(), waited_for_cpu(pid)
        async with loop_lag() as lag:
            with probing(health, beside) as calm:
                played = await run(load)
            async with _full_queue(server.target, streams, seconds) as refused:
                with probing(health, beside) as full:
                    await asyncio.sleep(seconds)
        waited = (waited_for_cpu(pid) - waited) / (time.monotonic() - began)
    figures = (
        *_spread(calm.took[health]),
        percentile(calm.took[beside], 0.99),
        percentile(await _same_streams(load, played, seconds), 0.99),
        *_spread(full.took[health]),
        percentile(full.took[beside], 0.99),
        len(refused),
        streams - played.ok,
        percentile(calm.late + full.late, 0.99),
        1000 * percentile(lag, 0.99),
        1000 * waited,
    )
    return dict(zip((goal.name for goal in GOALS), figures, strict=True))


def _spread(took: list[float]) -> tuple[float, float]:
    return percentile(took, 0.99), percentile(took, 0.5)


async def _same_streams(load: Load, played: Summary, seconds: int) -> list[float]:
    """Have a bare uvicorn send what the gateway sent; give how long it took to answer meanwhile."""
    pieces = max(1, round(played.pieces_per_answer))
    size = round(played.bytes_per_answer / pieces)
    with bare_serving(pieces, size, seconds / pieces) as (url, _), probing(url) as probed:
        await run(replace(load, target=Target.of(url)))
    return probed.took[url]


@asynccontextmanager
async def _full_queue(target: Target, slots: int, seconds: int) -> AsyncGenerator[list[int], None]:
    """Keep all slots and the queue full, and go on asking; gives the statuses of those that were refused."""
    statuses: list[int] = []
    full = asyncio.Event()

    async def ask(words: int) -> None:
        async with stream(target, body(words, response_format="mp3")) as connection:
            if connection.status != 200:
                statuses.append(connection.status)
                full.set()
            async for _ in connection.body():
                pass

    async with asyncio.TaskGroup() as group:
        tasks = {group.create_task(ask(4 * seconds)) for _ in range(slots * (1 + QUEUE_PER_SLOT))}

        async def go_on() -> None:
            while True:
                tasks.add(group.create_task(ask(1)))
                await asyncio.sleep(REFUSED_EVERY_S)

        tasks.add(group.create_task(go_on()))
        await full.wait()
        statuses.clear()
        yield statuses
        for task in tasks:
            task.cancel()


def main() -> int:
    """Measure and print."""
    given = options(__doc__ or "", streams=64, seconds=10)
    return measured(GOALS, partial(measure, given.streams, given.seconds), given.runs)


if __name__ == "__main__":
    sys.exit(main())
