"""A worker killed with live streams: when does each client see it, does any take it for an end, and what comes next?

python -m benchmarks.kill_worker [STREAMS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field

from benchmarks.harness import body, serving, tone_config, until_broken, whole


@dataclass(slots=True)
class Figures:
    """What was seen: seconds from the kill until each client saw a break, clean ends (there must be none), the rest."""

    broken_s: list[float] = field(default_factory=list)
    clean_ends: int = 0
    next_status: int = 0
    next_s: float = 0.0
    next_whole: bool = False


async def measure(streams: int) -> Figures:
    """Kill the only worker while all streams run, then ask again."""
    figures, started = Figures(), asyncio.Semaphore(0)
    with serving(tone_config(slots=streams, rtf=1.0)) as server:
        _, reference = await whole(server.target, body(words=1))
        async with asyncio.TaskGroup() as group:
            listeners = [group.create_task(until_broken(server.target, started.release)) for _ in range(streams)]
            for _ in range(streams):
                await started.acquire()
            (worker,) = server.workers()
            killed_at = time.monotonic()
            worker.kill()
        for broken_at in [listener.result() for listener in listeners]:
            if broken_at is None:
                figures.clean_ends += 1
            else:
                figures.broken_s.append(broken_at - killed_at)
        asked_at = time.monotonic()
        figures.next_status, audio = await whole(server.target, body(words=1))
        figures.next_s = time.monotonic() - asked_at
        figures.next_whole = audio == reference
    return figures


def main() -> None:
    """Measure and print."""
    figures = asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 8))
    print(f"{len(figures.broken_s)} streams broke, {figures.clean_ends} ended as if complete")
    print(f"ms until the clients saw it: {', '.join(f'{1000 * each:.1f}' for each in sorted(figures.broken_s))}")
    print(f"next request: {figures.next_status} after {1000 * figures.next_s:.0f} ms, whole: {figures.next_whole}")


if __name__ == "__main__":
    main()
