"""The load of transcriptions: each request sends a file and waits for what is heard in it, as a whole or in events."""

from __future__ import annotations

import io
import math
import time
import wave
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from voicegw.bench.client import Broken, Connection, Target
from voicegw.bench.load import crowd, kept
from voicegw.bench.measure import Spread, mean

TRANSCRIPTIONS = "/v1/audio/transcriptions"
_BOUNDARY = "voicegw-bench"
_RATE = 16_000
_OK = 200


@dataclass(frozen=True, slots=True)
class UploadLoad:
    """What is sent.

    Attributes:
        target: The server.
        audio: The file.
        fields: Of the form beside it.
        requests: How many in all.
        concurrency: How many at a time.
        headers: More of them, such as a key.
    """

    target: Target
    audio: bytes
    fields: Mapping[str, str]
    requests: int
    concurrency: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Hearing:
    """One request, as its client saw it. Times are of ``time.monotonic()``, in seconds.

    Attributes:
        sent: When the request was sent.
        outcome: ``ok``, an HTTP status, ``broken`` (no proper end) or ``refused`` (no connection).
        first: When the first piece of the answer was there, the first event where it is one of events; None before.
        ended: When the last byte was there, or the failure was noticed.
        size: Bytes of the answer.
        pieces: Pieces in which it came.
    """

    sent: float
    outcome: str = "ok"
    first: float | None = None
    ended: float = 0.0
    size: int = 0
    pieces: int = 0


@dataclass(frozen=True, slots=True)
class UploadSummary:
    """What many requests come to. Milliseconds where a name ends so."""

    requests: int
    ok: int
    outcomes: dict[str, int]
    wall_s: float
    requests_per_s: float
    first_ms: Spread
    total_ms: Spread
    bytes_per_answer: float
    pieces_per_answer: float


async def run(load: UploadLoad, on_take: Callable[[Hearing], None] = lambda _: None) -> UploadSummary:
    """Send the load and sum it up; ``on_take`` is told of every request that is done."""
    body = _form(load.audio, load.fields)
    once = partial(_once, load, body)
    return _summarise(*await crowd(load.requests, load.concurrency, once, on_take))


def tone(seconds: float) -> bytes:
    """Give a WAV file that lasts so long: 16 kHz, mono, 16 bit, a quiet tone that wavers."""
    turns = (0.09 * n + 20 * math.sin(0.0004 * n) for n in range(round(_RATE * seconds)))
    samples = array("h", (round(3000 * math.sin(turn)) for turn in turns))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, _RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def _form(audio: bytes, fields: Mapping[str, str]) -> bytes:
    heads = [f'name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    heads.append('name="file"; filename="audio"\r\nContent-Type: application/octet-stream\r\n\r\n')
    begin = "".join(f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {head}" for head in heads)
    return begin.encode() + audio + f"\r\n--{_BOUNDARY}--\r\n".encode()


async def _once(load: UploadLoad, body: bytes, connection: Connection | None) -> tuple[Hearing, Connection | None]:
    take = Hearing(sent=time.monotonic())
    headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}", **load.headers}
    try:
        connection = connection or await Connection.open(load.target)
        take.sent = time.monotonic()  # connecting is not what is measured
        await connection.send(TRANSCRIPTIONS, body, headers)
        async with aclosing(connection.body()) as pieces:
            async for piece in pieces:
                take.first = take.first or time.monotonic()
                take.size += len(piece)
                take.pieces += 1
        take.outcome = "ok" if connection.status == _OK else str(connection.status)
    except Broken:
        take.outcome = "broken"
    except OSError:
        take.outcome = "refused"
    take.ended = time.monotonic()
    return take, await kept(connection)


def _summarise(takes: Sequence[Hearing], wall_s: float) -> UploadSummary:
    good = [take for take in takes if take.outcome == "ok"]
    return UploadSummary(
        requests=len(takes),
        ok=len(good),
        outcomes=dict(Counter(take.outcome for take in takes)),
        wall_s=wall_s,
        requests_per_s=len(good) / wall_s,
        first_ms=Spread.of([take.first - take.sent for take in good if take.first is not None], 1000),
        total_ms=Spread.of([take.ended - take.sent for take in good], 1000),
        bytes_per_answer=mean([take.size for take in good]),
        pieces_per_answer=mean([take.pieces for take in good]),
    )
