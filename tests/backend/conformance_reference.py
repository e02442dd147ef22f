"""A small speech adapter that keeps the whole contract, in memory and without a thread: what the kit is measured with.

A word is one step and 50 ms of a sine; its pitch comes from word, voice and style. Subclasses break one rule each.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import (
    AudioChunk,
    InvalidRequest,
    Limits,
    ModelInfo,
    Parameter,
    Prepared,
    Progress,
    SpeechDone,
    SpeechEvent,
    TextTooLong,
    Utterance,
    Voice,
    VoiceInfo,
    WordTiming,
)

RATE, WORD_S, MAX_CHARS, SLOTS = 8000, 0.05, 500, 3
WORD = re.compile(r"\w{1,16}")
INFO = ModelInfo(
    kind="speech",
    sample_rate=RATE,
    languages=("en", "de-AT"),
    voices=(VoiceInfo("low", "Low", ("en",)), VoiceInfo("high", "High")),
    clones=True,
    speed=(0.5, 2.0),
    words=True,
    ipa=True,
    streaming=True,
    determinism="exact",
    parameters=(
        Parameter("speed", "float", 1.0, 0.5, 2.0),
        Parameter("volume", "int", 100, 0, 200),
        Parameter("breath", "bool", default=False),
        Parameter("style", "enum", "plain", choices=("plain", "gay")),
        Parameter("prompt", "str", ""),
    ),
    limits=Limits(slots=SLOTS, max_chars=MAX_CHARS, sample_s=(0.5, 2.0), continuation_bytes=8),
    licence="Apache-2.0",
    revision="1",
)


@dataclass(frozen=True)
class Timbre:
    """A voice: how much higher it is than the default, and the sample it came from."""

    ratio: float
    kept: NDArray[np.float32]


class Reference:
    """Keeps every rule."""

    INFO: ClassVar[ModelInfo] = INFO

    def __init__(self, config: Mapping[str, Any]) -> None:
        Reference.describe(config)  # not a broken one's
        self.slots = asyncio.Semaphore(SLOTS)
        self.steps_done = 0

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        for key in config:
            raise ValueError(f"unknown key {key!r}")
        return cls.INFO

    async def load(self, progress: Progress) -> ModelInfo:
        progress(0.0, "weights")
        await asyncio.sleep(0)
        progress(1.0, "ready")
        return self.INFO

    async def close(self) -> None:
        await asyncio.sleep(0)

    async def prepare(self, voice: Voice) -> Prepared[Timbre]:
        samples = voice.samples[0].samples
        if len(samples) < voice.samples[0].sample_rate / 2:
            raise InvalidRequest("the sample is too short", param="voice")
        timbre = Timbre(1 + float(np.mean(np.abs(samples))), samples[:100].copy())
        return Prepared(timbre, 64 + timbre.kept.nbytes)

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        self.check(utterance)
        async with self.slots:
            at = 0
            for number, match in enumerate(WORD.finditer(utterance.text)):
                await self.step()
                pcm = self.tone(utterance, voice, self.sounds(utterance, match), number)
                for event in self.events(utterance, pcm, at, match.span()):
                    yield event
                at += len(pcm)
            yield self.done(utterance)

    def check(self, utterance: Utterance) -> None:
        if len(utterance.text) > MAX_CHARS:
            raise TextTooLong("too long", fits_chars=MAX_CHARS)
        if utterance.voice not in {None, "low", "high"}:
            raise InvalidRequest("no such voice", param="voice")

    def sounds(self, utterance: Utterance, word: re.Match[str]) -> str:
        return next((mark.value for mark in utterance.marks if mark.start == word.start()), word.group())

    async def step(self) -> None:
        self.steps_done += 1
        await asyncio.sleep(0)

    def events(self, utterance: Utterance, pcm: NDArray[Any], at: int, span: tuple[int, int]) -> list[SpeechEvent]:
        timing = [WordTiming(at, at + len(pcm), *span)] if utterance.words else []
        return [*timing, AudioChunk(pcm)]

    def done(self, utterance: Utterance) -> SpeechDone:
        return SpeechDone(continuation=len(utterance.text).to_bytes(8, "big"))

    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        given = utterance.parameters
        ratio = voice.ratio if voice else {"high": 1.5}.get(utterance.voice or "low", 1.0)
        hz = (200 + 10 * (len(word) + number)) * ratio
        length = int(RATE * WORD_S / given.get("speed", 1.0))
        wave = np.sin(2 * np.pi * hz * np.arange(length) / RATE) * given.get("volume", 100) / 250
        return np.asarray(wave + 0.001 * self.noise(utterance, length), np.float32)

    def noise(self, utterance: Utterance, length: int) -> NDArray[np.float64]:
        return np.random.default_rng(utterance.seed).standard_normal(length)
