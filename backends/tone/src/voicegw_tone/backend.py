"""The adapter: what the contract asks for, spoken by the batching model."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from voicegw.backend import (
    AudioChunk,
    BackendFailed,
    InvalidRequest,
    ModelInfo,
    Prepared,
    Progress,
    SpeechEvent,
    TextTooLong,
    Utterance,
    Voice,
    WordTiming,
)
from voicegw.backend.slots import SlotScheduler
from voicegw_tone.config import MAX_CHARS, Faults, ToneConfig, speed_of
from voicegw_tone.pitch import pitch_of
from voicegw_tone.runner import ToneRunner
from voicegw_tone.synth import SAMPLE_RATE, TIMBRES, Timbre, cloned


class ToneBackend:
    """Speaks every word as half a second of its own pitch. See :class:`ToneConfig` for its settings."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = ToneConfig.of(config)
        self._scheduler = self._make_scheduler()

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        """Give the manifest; ValueError names a bad key."""
        return ToneConfig.of(config).info()

    @property
    def steps_done(self) -> int:
        """Model steps made since loading: one per chunk of audio of the whole batch."""
        return self._scheduler.stats().steps

    async def load(self, progress: Progress) -> ModelInfo:
        """Start the thread that makes the tones."""
        await self._scheduler.start()
        progress(1.0, "ready")
        return self._config.info()

    async def close(self) -> None:
        """End the thread; the model may be loaded again."""
        scheduler, self._scheduler = self._scheduler, self._make_scheduler()
        await scheduler.close()

    async def prepare(self, voice: Voice) -> Prepared[Timbre]:
        """Hear the pitch of the samples and transpose all words by it.

        Raises:
            InvalidRequest: A sample is too short, too long or not finite.
        """
        timbre = cloned(await self._scheduler.call(lambda: pitch_of(voice)))
        size = sys.getsizeof
        return Prepared(timbre, size(timbre) + size(timbre.title) + size(timbre.ratio) + size(timbre.harmonics))

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        """Speak.

        Raises:
            TextTooLong: The text has more than 2,000 characters.
            InvalidRequest: The voice or the speed is unknown to this model.
        """
        _check(utterance)
        faults = Faults.of(utterance) if self._config.allow_faults else Faults()
        if faults.hang:
            await self._hang()
        pace, chunks = _Pace(self._config), 0
        async with aclosing(self._scheduler.synthesize(utterance, voice)) as events:
            async for event in events:
                if not isinstance(event, WordTiming):
                    _strike(faults, chunks)
                if isinstance(event, AudioChunk):
                    await pace.wait_for(event)
                    chunks += 1
                yield event

    def _make_scheduler(self) -> SlotScheduler[Timbre]:
        return SlotScheduler(ToneRunner(self._config), name="tone")

    async def _hang(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scheduler.call(_sleep_forever))
            await asyncio.sleep(0)  # the call is posted before this thread stops too
            _sleep_forever()


class _Pace:
    """When each chunk of one stream may leave: ``first_audio_ms`` after the start, then at the real-time factor."""

    def __init__(self, config: ToneConfig) -> None:
        self._s_per_sample = config.rtf / SAMPLE_RATE
        self._delay = config.first_audio_ms / 1000
        self._due = time.monotonic() + self._delay
        self._free = not (config.rtf or self._delay)

    async def wait_for(self, chunk: AudioChunk) -> None:
        """Sleep until the chunk is due. The clock runs from the request, so that lateness is made up for."""
        if self._free:
            return
        wait = self._due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._due += len(chunk.pcm) * self._s_per_sample


def _check(utterance: Utterance) -> None:
    if len(utterance.text) > MAX_CHARS:
        raise TextTooLong(f"tone speaks at most {MAX_CHARS} characters at a time", fits_chars=MAX_CHARS)
    if utterance.voice is not None and utterance.voice not in TIMBRES:
        raise InvalidRequest(f"tone has no such voice; it has {', '.join(TIMBRES)}", param="voice")
    speed_of(utterance)


def _strike(faults: Faults, chunks: int) -> None:
    if faults.crash_after_chunks == chunks:
        os.abort()
    if faults.fail_after_chunks == chunks:
        raise BackendFailed(f"asked to fail after {chunks} chunks")


def _sleep_forever() -> None:
    while True:
        time.sleep(3600)
