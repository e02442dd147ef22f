"""Clients that go away in the middle of a stream: how soon are their slots free, and is anything left running?

python -m benchmarks.disconnects [CLIENTS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass, field

from benchmarks.harness import PATIENCE_S, Server, body, serving, tone_config
from voicegw.bench.client import Connection
from voicegw.bench.load import SPEECH
from voicegw.bench.measure import Spread

SLOTS = 20


@dataclass(slots=True)
class Figures:
    """What was seen.

    Attributes:
        clients: How many went away.
        freed_s: For each slot that was wanted again, seconds from the leaving until a new request had it.
        live: Requests that the server still counted at the end.
        started: Processes below the server that were not there before.
    """

    clients: int = 0
    freed_s: list[float] = field(default_factory=list)
    live: int = 0
    started: int = 0


async def measure(clients: int, slots: int = SLOTS) -> Figures:
    """Fill all slots, leave at once, fill them again, until so many clients have left."""
    figures = Figures()
    config = {**tone_config(slots=slots, rtf=1.0), "limits": {"queue_per_slot": 0}}
    with serving(config) as server:
        before = {process.pid for process in server.workers()}
        left_at: float | None = None
        while figures.clients < clients:
            connections = await asyncio.gather(*(_take_slot(server, left_at, figures) for _ in range(slots)))
            left_at = time.monotonic()
            for connection in connections:
                connection.abort()
            figures.clients += slots
        await asyncio.gather(*(connection.close() for connection in connections))
        figures.live = await _live(server)
        figures.started = len({process.pid for process in server.workers()} - before)
    return figures


async def _take_slot(server: Server, left_at: float | None, figures: Figures) -> Connection:
    """Ask until a slot is given and its first audio is there."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        connection = await Connection.open(server.target)
        await connection.post(SPEECH, body(words=40))
        if connection.status == 200:
            async with aclosing(connection.body()) as pieces:
                await anext(pieces)
            if left_at is not None:
                figures.freed_s.append(time.monotonic() - left_at)
            return connection
        await connection.close()
        await asyncio.sleep(0.001)
    raise RuntimeError("a slot is never free again")


async def _live(server: Server) -> int:
    """Give the number of requests under way once it does not fall any more."""
    until = time.monotonic() + 5
    while True:
        live = int(server.health()[1]["live_requests"])
        if not live or time.monotonic() > until:
            return live
        await asyncio.sleep(0.01)


def main() -> None:
    """Measure and print."""
    figures = asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
    freed = Spread.of(figures.freed_s, 1000)
    print(f"{figures.clients} clients went away mid-stream, {SLOTS} at a time")
    print(f"ms until the slot gave audio again: p50 {freed.p50:.1f}, p95 {freed.p95:.1f}, p99 {freed.p99:.1f}")
    print(f"left: {figures.live} requests, {figures.started} processes")


if __name__ == "__main__":
    main()
