"""SIGTERM with live streams: do all finish byte for byte, is new work refused, does a second signal abort?

python -m benchmarks.drain [STREAMS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from benchmarks.harness import Server, body, serving, stream, survivors, tone_config, whole
from voicegw.bench.client import Broken, Target


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen.

    Attributes:
        exact: Streams that came whole, byte for byte.
        broken: Streams that broke.
        wrong: Streams that ended as if complete and were not.
        ready: Status of ``/health/ready`` meanwhile.
        refused: Status of new work meanwhile.
        retry_after: Whether new work was told when to come again.
        exit_status: Of the server.
        exit_s: Seconds from the last signal to the server's end.
        orphans: Processes that outlived it.
    """

    exact: int
    broken: int
    wrong: int
    ready: int
    refused: int
    retry_after: bool
    exit_status: int
    exit_s: float
    orphans: int


async def measure(streams: int, *, words: int = 4, signals: int = 1) -> Figures:
    """Send the signals while all streams run; each lasts half a second per word, given in real time."""
    spoken = body(words)
    with serving(tone_config(slots=streams + 1, rtf=1.0)) as server:
        _, reference = await whole(server.target, spoken)
        started = asyncio.Semaphore(0)
        listeners = [asyncio.create_task(_listen(server.target, spoken, started)) for _ in range(streams)]
        for _ in range(streams):
            await started.acquire()
        children = server.children()
        ready, refused, retry_after = await _told_to_stop(server)
        asked_at = time.monotonic()
        if signals > 1:
            server.signal()
        heard = await asyncio.gather(*listeners)
        exit_status = await asyncio.to_thread(server.wait)
        exit_s = time.monotonic() - asked_at
        orphans = len(survivors(children))
    return Figures(
        exact=heard.count(reference),
        broken=heard.count(None),
        wrong=sum(each not in (None, reference) for each in heard),
        ready=ready,
        refused=refused,
        retry_after=retry_after,
        exit_status=exit_status,
        exit_s=exit_s,
        orphans=orphans,
    )


async def _told_to_stop(server: Server) -> tuple[int, int, bool]:
    """Send the first signal; give what health and new work are answered, and whether with Retry-After."""
    server.signal()
    while True:
        ready = server.health()[0]
        if ready != 200:
            break
        await asyncio.sleep(0.001)
    async with stream(server.target, body()) as connection:
        return ready, connection.status, "retry-after" in connection.headers


async def _listen(target: Target, spoken: dict[str, Any], started: asyncio.Semaphore) -> bytes | None:
    """Give the whole body, or None if it broke."""
    try:
        async with stream(target, spoken) as connection, aclosing(connection.body()) as pieces:
            parts = [await anext(pieces)]
            started.release()
            parts += [piece async for piece in pieces]
    except Broken:
        return None
    return b"".join(parts)


def main() -> None:
    """Measure and print."""
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for signals in (1, 2):
        figures = asyncio.run(measure(streams, signals=signals))
        print(f"{signals} x SIGTERM with {streams} live streams: {figures}")


if __name__ == "__main__":
    main()
