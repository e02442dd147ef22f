"""Ten times as many requests as the model can serve: how soon are they refused, and is the model as busy as before?

python -m benchmarks.overload [--runs 3] [--slots 16] [--seconds 20] [--factor 10]

A tone of one word, given in real time, takes a slot for half a second, so that slots are the limit and cores are not.
First the most that the server completes is measured, with as many clients as keep it busy and none that is refused.
Then requests arrive at random moments, whatever became of those before, with a deadline that half of the queue misses;
in the end SIGTERM turns the refusals from 429 to 503 while the last streams play.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.crowd import LATE, Crowd, Seen
from benchmarks.goals import Goal, measured, options
from benchmarks.harness import body, loop_lag, serving, stream, tone_config, waited_for_cpu
from benchmarks.probe import probing
from voicegw.audio.format import PCM
from voicegw.bench.client import Target
from voicegw.bench.measure import percentile

DEADLINE_S = 1.0
QUEUE_PER_SLOT = 4
WORD_S = 0.5
WARM_S = 1.0
DRAIN_S = 0.4

GOALS = (
    Goal("refused within, p99, ms", most=20.0),
    Goal("  median"),
    Goal("504 after its deadline, latest, ms", most=100.0),
    Goal("goodput of peak, %", least=95.0),
    Goal("  peak, s of audio per s"),
    Goal("  offered, times the peak"),
    Goal("429", least=1, every=True),
    Goal("503", least=1, every=True),
    Goal("504", least=1, every=True),
    Goal("without a good Retry-After", most=0, every=True),
    Goal("other answers, broken streams", most=0, every=True),
    Goal("lag of the clients, p99, ms"),
    Goal("lag of the machine, p99, ms"),
    Goal("gateway waited for a core, ms per s"),
)


async def measure(slots: int, seconds: int, factor: float) -> Mapping[str, float]:
    """Measure the peak for so many seconds, then the overload."""
    limits = {"queue_per_slot": QUEUE_PER_SLOT, "first_audio_s": DEADLINE_S}
    config = {**tone_config(slots=slots + 1, rtf=1.0), "limits": limits}
    with serving(config) as server, probing() as probed:
        async with _one_that_listens(server.target, 4 * seconds):
            crowd, pid = Crowd(server.target), server.process.pid
            began = time.monotonic()
            await crowd.stay(body(1), 2 * slots, seconds)
            peak = _audio_rate(crowd.seen, began, seconds)
            per_s = factor * peak / WORD_S
            crowd.seen = Seen()
            began, waited = time.monotonic(), waited_for_cpu(pid)
            async with loop_lag() as lag, asyncio.TaskGroup() as group:
                group.create_task(crowd.come(body(1), per_s, seconds + DRAIN_S))
                await asyncio.sleep(seconds)
                waited = waited_for_cpu(pid) - waited
                server.signal()
            await crowd.leave()
    return dict(zip((goal.name for goal in GOALS), _figures(crowd.seen, began, seconds, peak), strict=False)) | {
        "lag of the clients, p99, ms": 1000 * percentile(lag, 0.99),
        "lag of the machine, p99, ms": percentile(probed.late, 0.99),
        "gateway waited for a core, ms per s": 1000 * waited / seconds,
    }


@asynccontextmanager
async def _one_that_listens(target: Target, seconds: int) -> AsyncGenerator[None, None]:
    """Hold one slot with a stream that outlasts the block, so that the server drains for as long; it must not break."""
    async with stream(target, body(2 * seconds)) as connection:

        async def listen() -> None:
            async for _ in connection.body():
                pass

        listener = asyncio.create_task(listen())
        yield
        if listener.done():
            listener.result()
        listener.cancel()


def _audio_rate(seen: Seen, began: float, seconds: int) -> float:
    """Give the seconds of audio that came in a second, the first ones left out."""
    heard = sum(size for at, size in seen.heard if began + WARM_S <= at < began + seconds)
    return heard / (PCM.bit_rate / 8) / (seconds - WARM_S)


def _figures(seen: Seen, began: float, seconds: int, peak: float) -> tuple[float, ...]:
    answers = sum(seen.statuses.values())
    known = [seen.statuses[status] for status in (429, 503, LATE)]
    return (
        1000 * percentile(seen.refused_s, 0.99),
        1000 * percentile(seen.refused_s, 0.5),
        1000 * (max(seen.late_s, default=math.nan) - DEADLINE_S),
        100 * _audio_rate(seen, began, seconds) / peak,
        peak,
        answers * WORD_S / (seconds + DRAIN_S) / peak,
        *known,
        seen.bad_retry,
        seen.broken + answers - seen.statuses[200] - sum(known),
    )


def main() -> int:
    """Measure and print."""
    given = options(__doc__ or "", slots=16, seconds=20, factor=10.0)
    return measured(GOALS, partial(measure, given.slots, given.seconds, given.factor), given.runs)


if __name__ == "__main__":
    sys.exit(main())
