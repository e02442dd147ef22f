"""An adapter for tests that listens: it tells exactly what it heard, and misbehaves where it is told to."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import (
    Activity,
    AudioChunk,
    DecodeDone,
    DecodeEvent,
    DecodeOptions,
    Hypothesis,
    InvalidRequest,
    Language,
    Limits,
    ModelInfo,
    Parameter,
    Progress,
    Samples,
    TranscriptDone,
    TranscriptEvent,
    TranscriptionOptions,
    TranscriptSegment,
    Word,
)


def told(samples: NDArray[np.float32]) -> str:
    """Give the text of a segment: how many samples it has, and a checksum of them as 16-bit numbers."""
    return f" {len(samples)} samples {zlib.crc32((samples * 32768).astype('<i2').tobytes()):08x}."


OPTIONS = ("translate", "prompt", "keywords", "temperature", "logprobs")
FAULTS = ("raise_after", "crash_after", "hang_after")
FLAGS = ("read_nothing", "hypotheses", "no_done", "echo")


class Ears:
    """Hears a segment in every ``segment_s`` seconds of audio, the rest of it at the end.

    Configuration: kind (transcription, activity, embedding or decode), slots, sample_rate, languages, streaming, words,
    options, faults (declare the parameters that follow), deaf (hear nothing), plain (segments have text and times
    only), tokens (count some; true by default).
    Parameters of a request: segment_s, hypotheses, read_nothing, raise_after, crash_after, hang_after (segments heard
    until then), confuse (give an event of another operation), no_done, echo (a segment tells what was asked for). An
    upload to decode is raw s16le; a worker dies of one that begins with ``crash``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        """Give the manifest."""
        return ModelInfo(
            kind=config.get("kind", "transcription"),
            sample_rate=config.get("sample_rate", 16_000),
            languages=tuple(config.get("languages", ("en",))),
            streaming=config.get("streaming", True),
            words=config.get("words", True),
            options=tuple(config.get("options", OPTIONS)),
            parameters=(
                Parameter("segment_s", "float", 10.0, 0.01, 3600.0),
                *(Parameter(name, "int") for name in FAULTS if config.get("faults")),
                *(Parameter(name, "bool") for name in FLAGS if config.get("faults")),
            ),
            limits=Limits(slots=config.get("slots", 2)),
            licence="Apache-2.0",
            revision="1",
        )

    async def load(self, progress: Progress) -> ModelInfo:
        """Have nothing to load."""
        progress(1.0, "")
        return self.describe(self._config)

    async def close(self) -> None:
        """Have nothing to give back."""

    async def transcribe(
        self, audio: AsyncIterator[Samples], options: TranscriptionOptions
    ) -> AsyncGenerator[TranscriptEvent, None]:
        """Tell what was heard."""
        p, rate = options.parameters, self.describe(self._config).sample_rate
        size = round(p.get("segment_s", 10.0) * rate)
        yield Language(options.languages[0] if options.languages else "en", 0.75)
        if p.get("echo"):
            yield TranscriptSegment(0, 0.0, 0.5, f" {echoed(options)}", (), 0.0, None, None, None)
        waiting, heard, number = np.empty(0, np.float32), 0, 0
        if p.get("confuse"):
            yield AudioChunk(waiting)  # type: ignore[misc]  # what the contract forbids
        async for samples in _nothing() if p.get("read_nothing") else audio:
            waiting = np.concatenate([waiting, samples])
            if p.get("hypotheses"):
                yield Hypothesis((Word(heard / rate, (heard + len(waiting)) / rate, f"{len(waiting)}", 0.5),))
            while len(waiting) >= size and not self._config.get("deaf"):
                await _misbehave(p, number)
                yield self._said(waiting[:size], heard, options)
                waiting, heard, number = waiting[size:], heard + size, number + 1
        await _misbehave(p, number)
        if len(waiting) and not self._config.get("deaf"):
            yield self._said(waiting, heard, options)
        if not p.get("no_done"):
            tokens = (1, 2) if self._config.get("tokens", True) else (None, None)
            yield TranscriptDone((heard + len(waiting)) / rate, *tokens)

    def _said(self, samples: NDArray[np.float32], at: int, options: TranscriptionOptions) -> TranscriptSegment:
        made = segment(samples, at, self.describe(self._config).sample_rate)
        if self._config.get("plain"):
            return replace(made, avg_logprob=None, compression_ratio=None, no_speech_prob=None, tokens=(), words=())
        logprobs = tuple((word.text, -0.5) for word in made.words) if options.logprobs else ()
        return replace(made, words=made.words if options.words else (), logprobs=logprobs)

    async def detect(self, audio: AsyncIterator[Samples]) -> AsyncGenerator[Activity, None]:
        """Say that everything but digital silence is speech."""
        at, speaking = 0, False
        async for samples in audio:
            for sample in samples:
                if bool(sample) != speaking:
                    speaking = bool(sample)
                    yield Activity(at, speaking, 1.0)
                at += 1

    async def embed(self, clips: Sequence[Samples]) -> NDArray[np.float32]:
        """Give mean and length."""
        return np.array([(clip.mean() if len(clip) else 0.0, len(clip)) for clip in clips], np.float32).reshape(-1, 2)

    async def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        """Take the bytes for samples."""
        whole = b"".join([piece async for piece in data])
        if whole.startswith(b"crash"):
            os._exit(9)
        if len(whole) % 2:
            raise InvalidRequest("half a sample", param="file")
        for start in range(0, len(whole), 32_000):
            yield AudioChunk(np.frombuffer(whole[start : start + 32_000], "<i2"))
        yield DecodeDone(len(whole) / 2 / options.sample_rate, "raw", "pcm_s16le", options.sample_rate, 1)


def echoed(options: TranscriptionOptions) -> str:
    """Give what was asked for, as JSON."""
    names = ("task", "languages", "prompt", "keywords", "temperatures", "words", "logprobs")
    told = {name: getattr(options, name) for name in names}
    return json.dumps({**told, "tenant": options.meta.tenant}, ensure_ascii=False)


def segment(samples: NDArray[np.float32], at: int, rate: int) -> TranscriptSegment:
    """Give the segment that begins with sample ``at``: its text is one word per space."""
    start, end = at / rate, (at + len(samples)) / rate
    text = told(samples)
    parts = text.split()
    times = np.linspace(start, end, len(parts) + 1)
    words = tuple(Word(times[n], times[n + 1], part, 0.9) for n, part in enumerate(parts))
    return TranscriptSegment(round(100 * start), start, end, text, (1, 2, 3), 0.0, -0.25, 1.5, 0.01, words)


async def _nothing() -> AsyncGenerator[Samples, None]:
    for _ in ():
        yield np.empty(0, np.float32)


async def _misbehave(p: Mapping[str, Any], number: int) -> None:
    if number == p.get("raise_after"):
        raise RuntimeError("secret words inside")
    if number == p.get("crash_after"):
        os._exit(9)
    if number == p.get("hang_after"):
        await asyncio.Event().wait()
