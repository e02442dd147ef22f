"""The arithmetic of measurements: percentiles, playback, and what many requests come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicegw.audio.format import WAV, AudioFormat

_WAV_HEAD = 44


@dataclass(slots=True)
class Take:
    """One request, as its client saw it. Times are of ``time.monotonic()``, in seconds.

    Attributes:
        sent: When the request was sent.
        outcome: ``ok``, an HTTP status, ``broken`` (no proper end) or ``refused`` (no connection).
        ended: When the last byte was there, or the failure was noticed.
        made: When the worker made the first audio, by the same clock on the same machine; None where nobody says.
        pieces: When each piece of audio came, and how many seconds of audio it holds.
        size: Bytes of the body.
    """

    sent: float
    outcome: str = "ok"
    ended: float = 0.0
    made: float | None = None
    pieces: list[tuple[float, float]] = field(default_factory=list)
    size: int = 0

    @property
    def audio_s(self) -> float:
        """Seconds of audio that came."""
        return sum(seconds for _, seconds in self.pieces)

    @property
    def ttfa_s(self) -> float | None:
        """Seconds from sending to the first audio; None where none came."""
        return self.pieces[0][0] - self.sent if self.pieces else None

    @property
    def gateway_s(self) -> float | None:
        """Seconds from the worker's first chunk to the client's first sample; None where nobody says."""
        return self.pieces[0][0] - self.made if self.pieces and self.made is not None else None

    @property
    def total_s(self) -> float:
        """Seconds from sending to the end."""
        return self.ended - self.sent

    @property
    def rtf(self) -> float | None:
        """Seconds per second of audio; None where no audio came."""
        return self.total_s / self.audio_s if self.pieces else None


class AudioCounter:
    """Turns the bytes of a body into seconds of audio, by the format's bit rate (exact for WAV and PCM)."""

    def __init__(self, form: AudioFormat) -> None:
        self._head = _WAV_HEAD if form is WAV else 0
        self._bytes_per_s = form.bit_rate / 8

    def seconds(self, size: int) -> float:
        """Count the next ``size`` bytes; 0 while they are the header's."""
        of_head = min(self._head, size)
        self._head -= of_head
        return (size - of_head) / self._bytes_per_s


@dataclass(frozen=True, slots=True)
class Playback:
    """Playing a stream in real time from its first audio on: how often it ran dry, and for how long in all."""

    underruns: int
    stalled_s: float


def playback(pieces: Sequence[tuple[float, float]], tolerance_s: float = 0.0005) -> Playback:
    """Simulate a player that starts with the first piece and waits whenever there is nothing to play.

    Args:
        pieces: When each came, and the seconds of audio it holds, in order.
        tolerance_s: Being late by so little is not heard, and is within what clocks and schedulers blur.
    """
    underruns, stalled = 0, 0.0
    dry_at = -math.inf
    for index, (came, seconds) in enumerate(pieces):
        late = came - dry_at
        if index and late > tolerance_s:
            underruns += 1
            stalled += late
        dry_at = max(dry_at, came) + seconds
    return Playback(underruns, stalled)


def percentile(values: Iterable[float], share: float) -> float:
    """Give the value below which a share (0 to 1) of all lies, interpolated linearly; nan where there are none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def mean(values: Sequence[float]) -> float:
    """Give the arithmetic mean; 0 where there are none."""
    return sum(values) / len(values) if values else 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of one quantity; nan where nothing was measured."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Iterable[float | None], scale: float = 1.0) -> Spread:
        """Give the percentiles of values, each times ``scale``; None where nothing was measured is left out."""
        known = [value * scale for value in values if value is not None]
        return cls(*(percentile(known, share) for share in (0.5, 0.95, 0.99)))


@dataclass(frozen=True, slots=True)
class Summary:
    """What many requests come to. Milliseconds where a name ends so; RTF is time to the end over audio time."""

    requests: int
    ok: int
    outcomes: dict[str, int]
    wall_s: float
    requests_per_s: float
    audio_s: float
    ttfa_ms: Spread
    gateway_ms: Spread
    total_ms: Spread
    rtf: Spread
    underruns: int
    requests_with_underruns: int
    stalled_s: float
    bytes_per_answer: float
    pieces_per_answer: float


def summarise(takes: Sequence[Take], wall_s: float) -> Summary:
    """Sum up requests that took ``wall_s`` seconds in all; times are of those that succeeded."""
    good = [take for take in takes if take.outcome == "ok"]
    played = [playback(take.pieces) for take in good]
    dry = [playing.underruns for playing in played]

    def each(name: str) -> list[Any]:
        return [getattr(take, name) for take in good]

    return Summary(
        requests=len(takes),
        ok=len(good),
        outcomes=dict(Counter(take.outcome for take in takes)),
        wall_s=wall_s,
        requests_per_s=len(good) / wall_s,
        audio_s=sum(each("audio_s")),
        ttfa_ms=Spread.of(each("ttfa_s"), 1000),
        gateway_ms=Spread.of(each("gateway_s"), 1000),
        total_ms=Spread.of(each("total_s"), 1000),
        rtf=Spread.of(each("rtf")),
        underruns=sum(dry),
        requests_with_underruns=len(dry) - dry.count(0),
        stalled_s=sum(playing.stalled_s for playing in played),
        bytes_per_answer=mean(each("size")),
        pieces_per_answer=mean([len(pieces) for pieces in each("pieces")]),
    )
