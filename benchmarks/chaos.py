"""Thousands of requests of all kinds, many of them bad or broken off at random: what is left of them?

python -m benchmarks.chaos [--runs 1] [--requests 10000] [--clients 40]

A third goes away at a random moment, while it connects, sends, waits or listens; a tenth is nothing that can be served.
In the end every slot and every place of the queue must be free: so many requests are let in at once, and no more.
Memory is compared with what it was after the first tenth, when everything had been used once.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from benchmarks.goals import Goal, measured, options
from benchmarks.harness import Server, body, serving, stream, tone_config, whole
from voicegw.bench.client import Broken, Target
from voicegw.bench.load import SPEECH
from voicegw.bench.watch import Cost, Watch

ABORTED, BAD = 0.3, 0.1
SLOTS, QUEUE_PER_SLOT = 16, 1
LONGEST_S = 0.2
"""Within which one goes away; about as long as a whole stream takes."""

SETTLE_S = 10.0
"""Within which everything must be at rest: a worker is asked how it is every 2.5 s."""

GOALS = (
    Goal("served whole"),
    Goal("refused, 429"),
    Goal("went away"),
    Goal("bad, refused with 4xx"),
    Goal("other answers", most=0, every=True),
    Goal("status of the last one", most=200, least=200, every=True),
    Goal("live requests left", most=0, every=True),
    Goal("let in at once, of slots and queue, %", most=100, least=100, every=True),
    Goal("gauges of /metrics above 0", most=0, every=True),
    Goal("workers replaced", most=0, every=True),
    Goal("memory of the gateway, growth in %", most=5.0),
    Goal("memory of all processes, growth in %", most=5.0),
    Goal("memory of the gateway, MB"),
)

_GOOD: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"response_format": "mp3"},
    {"response_format": "opus"},
    {"response_format": "wav", "sample_rate": 16_000},
    {"response_format": "flac", "speed": 1.5},
    {"response_format": "aac", "voice": "low"},
    {"stream_format": "sse", "timestamp_granularities": ["word"]},
    {"input": "**One** two. [pause 20ms] Three \U0001f600 four."},
)
_BAD: Final[tuple[dict[str, Any], ...]] = (
    {"model": "nobody"},
    {"model": 7},
    {"input": " "},
    {"input": ["one"]},
    {"input": "x" * 100_001},
    {"voice": "nobody"},
    {"voice": {"id": None}},
    {"speed": 99},
    {"response_format": "ogg"},
    {"sample_rate": 7},
    {"language": "?"},
    {"temperature": 1, "strict_parameters": True},
)
_NO_REQUESTS: Final = (
    b'POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"model":',
    b"POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000000\r\n\r\n{",
    b"POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v1/audio/speech HTTP/1.1\r\nhost: x\r\n\r\n",
    b"DELETE /v1/../../nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
)
_GAUGES: Final = re.compile(r"^voicegw_(?:live_requests|queue_depth|slots_used)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Chaos:
    """Clients of one server that do whatever they like, the same every time.

    Attributes:
        outcomes: How many were ``served``, ``refused``, ``gone``, ``bad`` or something ``else``.
    """

    def __init__(self, target: Target) -> None:
        self.outcomes: Counter[str] = Counter()
        self._target = target
        self._chance = random.Random(11)  # noqa: S311 - no secret is made of it

    async def send(self, requests: int, clients: int) -> None:
        """Send so many requests, so many at a time."""
        left = iter(range(requests))

        async def client() -> None:
            for _ in left:
                kind = self._chance.random()
                do = self._go_away if kind < ABORTED else self._spoil if kind < ABORTED + BAD else self._listen
                self.outcomes[await do()] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())

    def _fields(self, kinds: tuple[dict[str, Any], ...]) -> dict[str, Any]:
        return {**body(self._chance.randint(1, 6)), **self._chance.choice(kinds)}

    async def _listen(self) -> str:
        try:
            status, audio = await whole(self._target, self._fields(_GOOD))
        except (Broken, OSError):
            return "else"
        return "served" if status == 200 and audio else "refused" if status == 429 else "else"

    async def _spoil(self) -> str:
        if self._chance.random() < 0.5:
            status, _ = await whole(self._target, self._fields(_BAD))
        else:
            status = await self._answered(self._chance.choice(_NO_REQUESTS))
        return "bad" if 400 <= status < 500 else "else"

    async def _go_away(self) -> str:
        moment = self._chance.uniform(0, LONGEST_S)
        leave: Callable[[], Awaitable[Any]] = partial(whole, self._target, self._fields(_GOOD))
        if self._chance.random() < 0.3:
            leave = partial(self._half, self._fields(_GOOD), moment)
        with suppress(TimeoutError, Broken, OSError):
            async with asyncio.timeout(moment):
                await leave()
        return "gone"

    async def _half(self, fields: dict[str, Any], moment: float) -> None:
        """Send a part of a request and nothing more."""
        content = json.dumps(fields).encode()
        head = f"POST {SPEECH} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
        request = head.encode() + content
        _, writer = await asyncio.open_connection(self._target.host, self._target.port)
        try:
            writer.write(request[: self._chance.randrange(len(request))])
            await asyncio.sleep(moment)
        finally:
            writer.transport.abort()

    async def _answered(self, data: bytes) -> int:
        """Send bytes as they are and give the status of the answer, 0 where there is none."""
        reader, writer = await asyncio.open_connection(self._target.host, self._target.port)
        try:
            writer.write(data)
            line = await reader.readline()
            return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0
        except OSError:
            return 0
        finally:
            writer.transport.abort()


async def measure(requests: int, clients: int) -> Mapping[str, float]:
    """Send so many requests, so many at a time."""
    config = {**tone_config(slots=SLOTS, rtf=0.05), "limits": {"queue_per_slot": QUEUE_PER_SLOT}}
    with serving(config) as server:
        chaos, watch = Chaos(server.target), Watch(server.process.pid)
        before = {process.pid for process in server.workers()}
        await chaos.send(requests // 10, clients)
        await _lowest(partial(_live, server))
        used = watch.read()
        await chaos.send(requests - requests // 10 - 1, clients)
        last, _ = await whole(server.target, body(2))
        live, gauges = await _lowest(partial(_live, server)), await _lowest(partial(_gauges, server))
        grown = watch.read()
        let_in = await _let_in(server.target)
        replaced = len({process.pid for process in server.workers()} - before)
    figures = (
        *(chaos.outcomes[name] for name in ("served", "refused", "gone", "bad", "else")),
        last,
        live,
        100 * let_in / (SLOTS * (1 + QUEUE_PER_SLOT)),
        gauges,
        replaced,
        *_growth(used, grown),
        grown.gateway_rss / 1e6,
    )
    return dict(zip((goal.name for goal in GOALS), figures, strict=True))


def _growth(used: Cost, grown: Cost) -> tuple[float, float]:
    return 100 * (grown.gateway_rss / used.gateway_rss - 1), 100 * (grown.tree_rss / used.tree_rss - 1)


async def _lowest(read: Callable[[], float]) -> float:
    """Give what a count falls to, 0 as a rule, within the time that everything has to come to rest."""
    until = time.monotonic() + SETTLE_S
    while True:
        value = await asyncio.to_thread(read)
        if not value or time.monotonic() > until:
            return value
        await asyncio.sleep(0.05)


def _live(server: Server) -> float:
    return float(server.health()[1]["live_requests"])


def _gauges(server: Server) -> float:
    """Count the gauges that are not at rest; 0 where the server has none."""
    try:
        with urllib.request.urlopen(f"{server.url}/metrics") as answer:  # noqa: S310 - ours
            return sum(float(value) > 0 for value in _GAUGES.findall(answer.read().decode()))
    except urllib.error.HTTPError:
        return 0


async def _let_in(target: Target) -> int:
    """Ask for more than there is room for, and give how many were not refused."""
    asked, refused = SLOTS * (1 + QUEUE_PER_SLOT) + SLOTS, 0
    changed = asyncio.Event()

    async def ask() -> None:
        nonlocal refused
        async with stream(target, body(200)) as connection:
            refused += connection.status == 429
            changed.set()
            async for _ in connection.body():
                pass

    tasks = [asyncio.create_task(ask()) for _ in range(asked)]
    with suppress(TimeoutError):
        while True:
            changed.clear()
            async with asyncio.timeout(1.0):  # as long as there is news; who waits in the queue has none
                await changed.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return asked - refused


def main() -> int:
    """Measure and print."""
    given = options(__doc__ or "", runs=1, requests=10_000, clients=40)
    return measured(GOALS, partial(measure, given.requests, given.clients), given.runs)


if __name__ == "__main__":
    sys.exit(main())
