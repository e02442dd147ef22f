"""The load: so many clients, each sending its next request when the one before is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from voicegw.audio.format import AudioFormat
from voicegw.bench.client import Broken, Connection, Target
from voicegw.bench.measure import AudioCounter, Summary, Take, summarise

SPEECH = "/v1/audio/speech"
_OK = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Attributes:
        target: The server.
        fields: Body of every request.
        format: That the fields ask for.
        requests: How many in all.
        concurrency: How many at a time.
        pace: Seconds of audio that a client takes per second; 0 = as fast as it comes.
        headers: More of them, such as a key.
    """

    target: Target
    fields: Mapping[str, Any]
    format: AudioFormat
    requests: int
    concurrency: int
    pace: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


T = TypeVar("T")
Once: TypeAlias = Callable[[Connection | None], Awaitable[tuple[T, Connection | None]]]
"""Makes one request, on a connection that is there or on a new one; gives what came, and what can be used again."""


async def crowd(requests: int, concurrency: int, once: Once[T], on_take: Callable[[T], None]) -> tuple[list[T], float]:
    """Have so many clients send so many requests; give what came of each, and the seconds that all took."""
    left = iter(range(requests))
    takes: list[T] = []

    async def client() -> None:
        connection: Connection | None = None
        for _ in left:
            take, connection = await once(connection)
            takes.append(take)
            on_take(take)
        if connection is not None:
            await connection.close()

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, requests)):
            group.create_task(client())
    return takes, time.monotonic() - began


async def run(load: Load, on_take: Callable[[Take], None] = lambda _: None) -> Summary:
    """Send the load and sum it up; ``on_take`` is told of every request that is done."""
    return summarise(*await crowd(load.requests, load.concurrency, partial(_once, load), on_take))


async def kept(connection: Connection | None) -> Connection | None:
    """Give a connection that can be used again; else close it."""
    if connection is not None and not connection.reusable:
        await connection.close()
        return None
    return connection


async def _once(load: Load, connection: Connection | None) -> tuple[Take, Connection | None]:
    """Make one request; give what came, and the connection where it can be used again."""
    take = Take(sent=time.monotonic())
    try:
        connection = connection or await Connection.open(load.target)
        take.sent = time.monotonic()  # connecting is not what is measured
        await connection.post(SPEECH, load.fields, load.headers)
        made = connection.headers.get("x-voicegw-first-audio-at")
        take.made = float(made) if made else None
        await _listen(load, connection, take)
        take.outcome = "ok" if connection.status == _OK else str(connection.status)
    except Broken:
        take.outcome = "broken"
    except OSError:
        take.outcome = "refused"
    take.ended = time.monotonic()
    return take, await kept(connection)


async def _listen(load: Load, connection: Connection, take: Take) -> None:
    counter = AudioCounter(load.format)
    async with aclosing(connection.body()) as pieces:
        async for piece in pieces:
            now = time.monotonic()
            take.size += len(piece)
            if (seconds := counter.seconds(len(piece))) > 0 and connection.status == _OK:
                take.pieces.append((now, seconds))
            if load.pace and take.pieces:
                heard_by = take.pieces[0][0] + take.audio_s / load.pace
                await asyncio.sleep(max(0.0, heard_by - now))
