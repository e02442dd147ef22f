"""What was heard of one utterance, event by event, and questions about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegw.backend.conformance.check import Failure
from voicegw.backend.contract import AudioChunk, SpeechDone, SpeechEvent, WordTiming


class Take:
    """One utterance as it arrived.

    Args:
        rate: The model's sample rate in Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.events: list[SpeechEvent] = []
        self.begun = time.perf_counter()
        self.heard = asyncio.Event()
        self.first_at: float | None = None
        self.ended_at: float | None = None
        self._copies: list[NDArray[Any]] = []

    def add(self, event: SpeechEvent) -> None:
        """Take an event down, its audio as it sounds at this moment."""
        self.events.append(event)
        if isinstance(event, AudioChunk):
            self.first_at = self.first_at or time.perf_counter()
            self.heard.set()
            self._copies.append(np.array(event.pcm))

    @property
    def chunks(self) -> list[Any]:
        """The arrays of all audio chunks, as the adapter gave them; of whatever type that was."""
        return [event.pcm for event in self.events if isinstance(event, AudioChunk)]

    @property
    def copies(self) -> list[NDArray[Any]]:
        """The audio of all chunks, copied when they arrived."""
        return self._copies

    @property
    def words(self) -> list[WordTiming]:
        """All word times, in the order of arrival."""
        return [event for event in self.events if isinstance(event, WordTiming)]

    @property
    def done(self) -> SpeechDone | None:
        """The first end that was told."""
        return next((event for event in self.events if isinstance(event, SpeechDone)), None)

    @property
    def samples(self) -> int:
        """How many samples arrived."""
        return sum(copy.size for copy in self._copies)

    @property
    def seconds(self) -> float:
        """How long the audio lasts."""
        return self.samples / self.rate

    def pcm(self) -> NDArray[np.float64]:
        """Give all audio as one array, shape (n,), int16 scaled to [-1, 1]."""
        parts = [np.asarray(copy, np.float64).reshape(-1) / _scale(copy) for copy in self._copies]
        return np.concatenate(parts) if parts else np.zeros(0)

    def sounds_like(self, other: Take) -> bool:
        """Tell whether both have the same samples, exactly."""
        return bool(np.array_equal(self.pcm(), other.pcm()))


def _scale(pcm: NDArray[Any]) -> float:
    return 32768.0 if pcm.dtype == np.int16 else 1.0


async def next_event(events: AsyncGenerator[SpeechEvent, None], stall_s: float) -> SpeechEvent:
    """Wait for the next event of a stream.

    Raises:
        Failure: None came within ``stall_s`` seconds.
        StopAsyncIteration: The stream is over.
    """
    try:
        async with asyncio.timeout(stall_s) as guard:
            return await anext(events)
    except TimeoutError:
        if guard.expired():
            raise Failure(f"a stream gave nothing for {stall_s:g} s") from None
        raise


async def record(events: AsyncGenerator[SpeechEvent, None], take: Take, stall_s: float) -> Take:
    """Listen to a stream until it ends by itself, into a take that others may look at meanwhile."""
    async with aclosing(events):
        while True:
            try:
                take.add(await next_event(events, stall_s))
            except StopAsyncIteration:
                take.ended_at = time.perf_counter()
                return take
