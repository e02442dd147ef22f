"""A recogniser, a decoder, voice activity and a diarizer in memory: services are tested to the sample against these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import (
    AudioChunk,
    DecodeDone,
    DecodeEvent,
    DecodeOptions,
    InvalidRequest,
    Language,
    ModelInfo,
    TranscriptDone,
    TranscriptEvent,
    TranscriptionOptions,
    TranscriptSegment,
    Word,
)
from voicegw.engine.link import StreamWatch
from voicegw.errors import NotFound, Unavailable
from voicegw.services.activity import Chunking, Stretch
from voicegw.services.speakers import KnownSpeaker
from voicegw.services.transcription import TranscriptionRequest

Pcm: TypeAlias = NDArray[np.int16]
RATE = 1000
"""Hz of these models: times are easy to read."""

INFO = ModelInfo(
    kind="transcription",
    sample_rate=RATE,
    languages=("en", "de"),
    words=True,
    options=("translate", "prompt", "keywords", "temperature", "logprobs"),
)


def segment(number: int, start: float, end: float, text: str) -> TranscriptSegment:
    """Give a segment of one word."""
    words = (Word(start, end, text, 0.9),)
    return TranscriptSegment(round(100 * start), start, end, f" {text}", (number,), 0.0, -0.5, 1.0, 0.1, words)


async def each_second(
    audio: AsyncIterator[Pcm], options: TranscriptionOptions
) -> AsyncGenerator[TranscriptEvent, None]:
    """Hear a word in every second of audio: its first sample."""
    yield Language(options.languages[0] if options.languages else "en", 0.9)
    waiting, at = np.empty(0, np.int16), 0
    async for pcm in audio:
        waiting = np.concatenate([waiting, pcm])
        while len(waiting) >= RATE:
            yield segment(at, at, at + 1, f"s{waiting[0]}")
            waiting, at = waiting[RATE:], at + 1
    if len(waiting):
        yield segment(at, at, at + len(waiting) / RATE, f"s{waiting[0]}")
    yield TranscriptDone(at + len(waiting) / RATE, 7, 3)


Script: TypeAlias = Callable[[AsyncIterator[Pcm], TranscriptionOptions], AsyncGenerator[TranscriptEvent, None]]


class MemoryEars:
    """One recogniser that does as its script says; a router that knows it alone.

    Attributes:
        asked: What it was asked for.
        running: How many are under way.
    """

    def __init__(self, script: Script = each_second, info: ModelInfo | None = INFO, model_id: str = "ears") -> None:
        self.model_id = model_id
        self.info = info
        self.asked: list[TranscriptionOptions] = []
        self.running = 0
        self._script = script

    async def describe(self, within_s: float) -> ModelInfo:
        """Fail: what is not known at once is never known here."""
        raise Unavailable(f"not described within {within_s} s")

    async def transcribe(
        self, audio: AsyncIterator[Pcm], options: TranscriptionOptions, watch: StreamWatch | None = None
    ) -> AsyncGenerator[TranscriptEvent, None]:
        """Hear as the script does; it waits 0.25 s for a slot and takes a second, it says."""
        assert watch is not None
        self.asked.append(options)
        self.running += 1
        watch.admitted(0.25)
        try:
            async for event in self._script(audio, options):
                if isinstance(event, TranscriptDone):
                    watch.spoken(1.0)
                yield event
        finally:
            self.running -= 1

    def resolve(self, model: str) -> MemoryEars:
        """Give this model by its id."""
        if model != self.model_id:
            raise NotFound(f"no model {model}", param="model", code="model_not_found")
        return self


class MemoryDecoder:
    """Takes bytes for samples, ``chunk`` samples at a time.

    Attributes:
        asked: What it was asked for.
        given: Samples given so far.
        running: How many are under way.
    """

    def __init__(self, chunk: int = 100) -> None:
        self.chunk = chunk
        self.asked: list[DecodeOptions] = []
        self.given = 0
        self.running = 0

    async def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        """Decode an upload; one that begins with ``bad`` is none, one with ``cut`` ends after its first chunk."""
        self.asked.append(options)
        self.running += 1
        try:
            whole = b"".join([piece async for piece in data])
            if whole.startswith(b"bad"):
                raise InvalidRequest("no audio", param="file")
            pcm = np.frombuffer(whole[: len(whole) // 2 * 2], "<i2")
            for start in range(0, len(pcm), self.chunk):
                self.given += len(pcm[start : start + self.chunk])
                yield AudioChunk(pcm[start : start + self.chunk])
                await asyncio.sleep(0)
                if whole.startswith(b"cut"):
                    raise InvalidRequest("cut off", param="file")
            yield DecodeDone(len(pcm) / options.sample_rate, "raw", "pcm", options.sample_rate, 1)
        finally:
            self.running -= 1


class NotZero:
    """Voice activity: every sample but zero is speech. ``asked`` has how it was wanted."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Chunking]] = []

    async def stretches(
        self, audio: AsyncIterator[Pcm], sample_rate: int, chunking: Chunking
    ) -> AsyncGenerator[Stretch, None]:
        """Give every run of samples that are not zero, as far as one piece goes."""
        self.asked.append((sample_rate, chunking))
        at = 0
        async for pcm in audio:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], (pcm != 0).astype(np.int8), [0]])))
            for start, end in edges.reshape(-1, 2):
                yield Stretch(at + int(start), pcm[start:end])
            at += len(pcm)


class ByTurns:
    """A diarizer: segments are of known speakers by turns, else of A and B. ``heard`` counts samples."""

    def __init__(self) -> None:
        self.heard = 0
        self.listening = 0
        self.asked: list[tuple[float, float]] = []
        self._names: tuple[str, ...] = ()

    @asynccontextmanager
    async def listen(self, sample_rate: int, known: tuple[KnownSpeaker, ...]) -> AsyncGenerator[ByTurns, None]:
        """Begin with an audio."""
        assert sample_rate == RATE
        self._names = tuple(each.name for each in known) or ("A", "B")
        self.listening += 1
        try:
            yield self
        finally:
            self.listening -= 1

    async def hear(self, pcm: Pcm) -> None:
        """Take the next audio."""
        self.heard += len(pcm)

    async def speaker(self, start_s: float, end_s: float) -> str:
        """Name the next one."""
        assert self.heard >= end_s * RATE
        self.asked.append((start_s, end_s))
        return self._names[(len(self.asked) - 1) % len(self._names)]


async def pieces(data: bytes, size: int = 999) -> AsyncGenerator[bytes, None]:
    """Give an upload in pieces."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def asking(**fields: object) -> TranscriptionRequest:
    """Give a request."""
    return replace(TranscriptionRequest("ears"), **fields)  # type: ignore[arg-type]  # names of fields


def counting(seconds: float) -> bytes:
    """Give audio whose samples count from 1."""
    return np.arange(1, round(RATE * seconds) + 1, dtype="<i2").tobytes()
