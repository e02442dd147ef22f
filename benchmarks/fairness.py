"""One key sends a hundred times its share: what do the other keys notice of it?

python -m benchmarks.fairness [--runs 3] [--keys 4] [--concurrent 2] [--requests 100] [--factor 100]

Every key may have so many requests at a time, and uses that. First the one key stays within its share like all others,
then it sends a hundred times as many requests as it was served before. A tone of one word, given in real time, takes a
slot for half a second, after 100 ms. There are slots for all that the keys may have under way, where nothing but the
gateway can be in the others' way; and slots for half of it, so that all wait for their turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.crowd import Crowd, Seen
from benchmarks.goals import Goal, measured, options
from benchmarks.harness import body, loop_lag, serving, tone_config, waited_for_cpu
from voicegw.audio.format import PCM
from voicegw.bench.client import Target
from voicegw.bench.load import Load, run
from voicegw.bench.measure import Spread, Take, percentile

GREEDY = "greedy"
FOREVER_S = 3600.0

_OF_EACH = (
    Goal("others' p95 TTFA, greedy to within share", most=1.2),
    Goal("  within its share, p95, ms"),
    Goal("  greedy, p95, ms"),
    Goal("  within its share, median, ms"),
    Goal("  greedy, median, ms"),
    Goal("greedy requests/s, times its share", least=50, every=True),
    Goal("  served, times its share"),
    Goal("refusals without a good Retry-After", most=0, every=True),
    Goal("others refused or broken", most=0, every=True),
)
_CASES = {"all": 1.0, "half": 0.5}
"""Slots, as a share of what all keys may have under way."""

GOALS = (
    *(
        Goal(f"{goal.name}: slots for {case}", goal.most, goal.least, goal.every)
        for case in _CASES
        for goal in _OF_EACH
    ),
    Goal("lag of the clients, p99, ms"),
    Goal("gateway waited for a core, ms per s"),
)


@dataclass(frozen=True, slots=True)
class Polite:
    """The keys that stay within their share: how many, requests of each at a time, and requests of each in all."""

    keys: int
    concurrent: int
    requests: int

    async def ask(self, target: Target) -> list[Take]:
        """Have every one send its requests, and give what came of them."""
        takes: list[Take] = []
        async with asyncio.TaskGroup() as group:
            for number in range(self.keys):
                load = Load(target, body(1), PCM, self.requests, self.concurrent, headers=_key(f"polite-{number}"))
                group.create_task(run(load, takes.append))
        return takes


def config(polite: Polite, slots: int) -> dict[str, Any]:
    """Give settings with the polite keys and the greedy one."""
    names = [GREEDY, *(f"polite-{number}" for number in range(polite.keys))]
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    entries = [{"sha256": hashes[name], "name": name, "concurrent": polite.concurrent} for name in names]
    return {**tone_config(slots=slots, rtf=1.0, first_audio_ms=100), "server": {"port": 0, "api_keys": entries}}


async def measure(polite: Polite, factor: float) -> Mapping[str, float]:
    """Measure both cases."""
    figures: dict[str, float] = {}
    lags: list[float] = []
    began, waited = time.monotonic(), 0.0
    for case, share in _CASES.items():
        slots = max(1, round((polite.keys + 1) * polite.concurrent * share))
        with serving(config(polite, slots)) as server:
            async with loop_lag() as lag:
                seen = await _compare(server.target, polite, factor)
            lags += lag
            waited += waited_for_cpu(server.process.pid)
        figures |= {f"{name}: slots for {case}": value for name, value in seen.items()}
    return figures | {
        "lag of the clients, p99, ms": 1000 * percentile(lags, 0.99),
        "gateway waited for a core, ms per s": 1000 * waited / (time.monotonic() - began),
    }


async def _compare(target: Target, polite: Polite, factor: float) -> dict[str, float]:
    """Give the figures of one case by the names of its goals."""
    served: list[Take] = []
    began = time.monotonic()
    endless = Load(target, body(1), PCM, 10**9, polite.concurrent, headers=_key(GREEDY))
    async with asyncio.TaskGroup() as group:
        within_share = group.create_task(run(endless, served.append))
        within = await polite.ask(target)
        within_share.cancel()
    share = len(served) / (time.monotonic() - began)
    crowd, began = Crowd(target, _key(GREEDY)), time.monotonic()
    async with asyncio.TaskGroup() as group:
        coming = group.create_task(crowd.come(body(1), factor * share, FOREVER_S))
        greedy = await polite.ask(target)
        coming.cancel()
    shares = share * (time.monotonic() - began)
    await crowd.leave()
    return dict(zip((goal.name for goal in _OF_EACH), _figures(within, greedy, crowd.seen, shares), strict=True))


def _figures(within: list[Take], greedy: list[Take], seen: Seen, shares: float) -> tuple[float, ...]:
    """Give what was measured; ``shares`` is what the greedy key would have been served within its share."""
    calm, busy = (Spread.of((take.ttfa_s for take in takes), 1000) for takes in (within, greedy))
    return (
        busy.p95 / calm.p95,
        calm.p95,
        busy.p95,
        calm.p50,
        busy.p50,
        sum(seen.statuses.values()) / shares,
        seen.statuses[200] / shares,
        seen.bad_retry,
        sum(take.outcome != "ok" for take in [*within, *greedy]),
    )


def _key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


def main() -> int:
    """Measure and print."""
    given = options(__doc__ or "", keys=4, concurrent=2, requests=100, factor=100.0)
    polite = Polite(given.keys, given.concurrent, given.requests)
    return measured(GOALS, partial(measure, polite, given.factor), given.runs)


if __name__ == "__main__":
    sys.exit(main())
