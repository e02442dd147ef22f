"""What the tests of espeak share: an utterance in one line, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, RequestMeta, SpeechDone, SpeechEvent, Utterance, WordTiming
from voicegw_espeak import EspeakBackend


@dataclass(frozen=True)
class Take:
    """The events of one utterance."""

    text: str
    events: tuple[SpeechEvent, ...]

    @property
    def chunks(self) -> list[NDArray[Any]]:
        return [event.pcm for event in self.events if isinstance(event, AudioChunk)]

    @property
    def pcm(self) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, np.int16), *self.chunks])

    @property
    def timings(self) -> list[WordTiming]:
        return [event for event in self.events if isinstance(event, WordTiming)]

    @property
    def words(self) -> list[str]:
        return [self.text[timing.char_start : timing.char_end] for timing in self.timings]

    @property
    def level(self) -> float:
        return float(np.sqrt(np.mean(self.pcm.astype(np.float64) ** 2)))

    @property
    def pitch(self) -> float:
        """Hz of the strongest period between 60 and 200 Hz in the middle of the audio."""
        middle = self.pcm[len(self.pcm) // 4 :][:4096].astype(np.float64)
        likeness = np.correlate(middle, middle, "full")[len(middle) - 1 :]
        shortest, longest = 22050 // 200, 22050 // 60
        return 22050 / (shortest + int(np.argmax(likeness[shortest:longest])))


def utterance(text: str, *, words: bool = False, **fields: Any) -> Utterance:
    """Make an utterance; fields that it has not are parameters."""
    own: Mapping[str, Any] = {key: fields.pop(key) for key in ("voice", "language") if key in fields}
    return Utterance(RequestMeta("r"), text, words=words, parameters=fields, **own)


async def speak(backend: EspeakBackend, text: str, **fields: Any) -> Take:
    """Speak and collect; checks that ``SpeechDone`` comes once and last."""
    async with aclosing(backend.synthesize(utterance(text, **fields))) as stream:
        events = [event async for event in stream]
    assert [type(event) for event in events].count(SpeechDone) == 1
    assert events[-1] == SpeechDone()
    return Take(text, tuple(events))


@asynccontextmanager
async def loaded(**config: Any) -> AsyncIterator[EspeakBackend]:
    """Load a backend for the time of a block."""
    backend = EspeakBackend(config)
    await backend.load(lambda _fraction, _what: None)
    try:
        yield backend
    finally:
        await backend.close()


def resident_kib() -> int:
    """Give the process's resident memory now."""
    if sys.platform == "linux":
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - not a file on a disk
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    import psutil

    return int(psutil.Process().memory_info().rss) // 1024
