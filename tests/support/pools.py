"""Models in memory: the speech services are tested to the sample against pools that need no worker process."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, Limits, ModelInfo, SpeechDone, SpeechEvent, TextTooLong, Utterance, Voice
from voicegw.backend.manifest import Parameter, VoiceInfo
from voicegw.engine.link import StreamWatch
from voicegw.errors import NotFound, Unavailable

Script: TypeAlias = Callable[[Utterance], AsyncGenerator[SpeechEvent, None]]

INFO = ModelInfo(
    kind="speech",
    sample_rate=24_000,
    languages=("en", "de"),
    voices=(VoiceInfo("anna", "Anna", ("en",)), VoiceInfo("bert", "Bert", ("de",)), VoiceInfo("cleo", "Cleo", ("en",))),
    speed=(0.5, 2.0),
    streaming=True,
    parameters=(Parameter("temperature", "float", 0.7, 0.0, 2.0),),
    limits=Limits(slots=2, max_chars=50, continuation_bytes=64),
)


def sound(text: str) -> NDArray[np.int16]:
    """Give what the models here say to a text: noise of 10 ms per character, the same for the same text."""
    noise = np.random.default_rng(zlib.crc32(text.encode())).integers(-8000, 8000, 240 * len(text), endpoint=True)
    return noise.astype(np.int16)


async def speak(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    """Say an utterance in chunks of 100 ms, and hand a counter on to the next."""
    pcm = sound(utterance.text)
    for start in range(0, len(pcm), 2400):
        yield AudioChunk(pcm[start : start + 2400], at=1.5)
        await asyncio.sleep(0)
    yield SpeechDone(continuation=(utterance.continuation or b"") + b"+")


def refuse_over(most: int) -> Script:
    """Make a model that says how much it takes, and takes no more."""

    async def script(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        if len(utterance.text) > most:
            raise TextTooLong("too long", fits_chars=most)
        async for event in speak(utterance):
            yield event

    return script


class MemoryPool:
    """One model that does as its script says.

    Attributes:
        heard: Every utterance, in the order of their starts.
        running: How many are under way.
    """

    def __init__(self, script: Script = speak, info: ModelInfo | None = INFO, model_id: str = "memory") -> None:
        self.model_id = model_id
        self.info = info
        self.heard: list[Utterance] = []
        self.running = 0
        self._script = script

    async def describe(self, within_s: float) -> ModelInfo:
        """Fail: what is not known at once is never known here."""
        raise Unavailable(f"not described within {within_s} s")

    async def synthesize(
        self, utterance: Utterance, voice: Voice | None = None, watch: StreamWatch | None = None
    ) -> AsyncGenerator[SpeechEvent, None]:
        """Speak as the script does; the watch hears of a second in the queue, and of two at work."""
        assert voice is None
        self.heard.append(utterance)
        self.running += 1
        if watch is not None:
            watch.admitted(1.0)
        try:
            async for event in self._script(utterance):
                if isinstance(event, SpeechDone) and watch is not None:
                    watch.spoken(2.0)
                yield event
        finally:
            self.running -= 1

    def resolve(self, model: str) -> MemoryPool:
        """Be a router that knows this model."""
        if model != self.model_id:
            raise NotFound(f"no model {model}", param="model", code="model_not_found")
        return self
