"""Clients that come at random moments and do not wait for each other: what an open world does to a server."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voicegw.bench.client import Broken, Connection, Target
from voicegw.bench.load import SPEECH

REFUSALS, LATE = frozenset({429, 503}), 504


@dataclass(slots=True)
class Seen:
    """What the clients saw. Times in seconds.

    Attributes:
        heard: When each piece of audio came, and how many bytes it holds.
        refused_s: How long each refusal took.
        late_s: How long each 504 took.
        statuses: How many of each.
        bad_retry: Refusals without a whole number from 1 to 60 in ``Retry-After``.
        broken: Streams without a proper end.
    """

    heard: list[tuple[float, int]] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    bad_retry: int = 0
    broken: int = 0

    def answer(self, status: int, took_s: float, headers: Mapping[str, str]) -> None:
        """Note the head of an answer."""
        self.statuses[status] += 1
        if status in REFUSALS:
            self.refused_s.append(took_s)
        if status == LATE:
            self.late_s.append(took_s)
        if status in REFUSALS | {LATE} and not retry_after(headers):
            self.bad_retry += 1


def retry_after(headers: Mapping[str, str]) -> bool:
    """Tell whether a refusal says when to come again: a whole number of seconds from 1 to 60."""
    told = headers.get("retry-after", "")
    return told.isascii() and told.isdigit() and 1 <= int(told) <= 60


class Crowd:
    """Any number of clients of one server; connections are used again once they are free.

    Args:
        target: The server.
        headers: Sent with every request.

    Attributes:
        seen: What all of them saw.
    """

    def __init__(self, target: Target, headers: Mapping[str, str] | None = None) -> None:
        self.seen = Seen()
        self._target = target
        self._headers = headers
        self._free: list[Connection] = []

    async def ask(self, fields: Mapping[str, Any]) -> None:
        """Send one request and listen to what comes of it."""
        connection = self._free.pop() if self._free else await Connection.open(self._target)
        try:
            sent = time.monotonic()
            await connection.post(SPEECH, fields, self._headers)
            self.seen.answer(connection.status, time.monotonic() - sent, connection.headers)
            async for piece in connection.body():
                if connection.status == 200:
                    self.seen.heard.append((time.monotonic(), len(piece)))
        except Broken:
            self.seen.broken += 1
        if connection.reusable:
            self._free.append(connection)
        else:
            await connection.close()

    async def come(self, fields: Mapping[str, Any], per_s: float, seconds: float) -> None:
        """Send the same request at random moments, so many in a second on average, and see all of them through."""
        chance = random.Random(1)  # noqa: S311 - no secret is made of it
        due = time.monotonic()
        until = due + seconds
        async with asyncio.TaskGroup() as group:
            while (due := due + chance.expovariate(per_s)) < until:
                await asyncio.sleep(due - time.monotonic())
                group.create_task(self.ask(fields))

    async def stay(self, fields: Mapping[str, Any], clients: int, seconds: float) -> None:
        """Have so many clients send the same request, each its next one when the one before is done."""
        until = time.monotonic() + seconds

        async def one() -> None:
            while time.monotonic() < until:
                await self.ask(fields)

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(one())

    async def leave(self) -> None:
        """Close what is open."""
        for connection in self._free:
            await connection.close()
