"""A worker that hangs (SIGSTOP) is replaced: what do its clients see, and when does the next request work?

python -m benchmarks.hang
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks.harness import body, serving, survivors, tone_config, until_broken, whole

LIMITS = {"worker_ping_s": 0.2, "worker_hang_s": 1.0}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen; seconds count from the moment the worker was stopped."""

    broken_s: float | None
    next_status: int
    next_s: float
    gone: bool
    replaced: bool


async def measure() -> Figures:
    """Stop the only worker in the middle of a stream, and ask again at once."""
    with serving({**tone_config(slots=4, rtf=1.0), "limits": LIMITS}) as server:
        (worker,) = server.workers()
        started = asyncio.Event()
        listener = asyncio.create_task(until_broken(server.target, started.set))
        await started.wait()
        stopped_at = time.monotonic()
        worker.suspend()
        broken_at = await listener
        status, _ = await whole(server.target, body(words=1))
        next_s = time.monotonic() - stopped_at
        gone = not survivors([worker])
        replaced = [each.pid for each in server.workers()] not in ([], [worker.pid])
    return Figures(broken_at and broken_at - stopped_at, status, next_s, gone, replaced)


def main() -> None:
    """Measure and print."""
    print(f"with {LIMITS}: {asyncio.run(measure())}")


if __name__ == "__main__":
    main()
