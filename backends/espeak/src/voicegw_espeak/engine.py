"""The one thread of the process in which espeak-ng runs, and the bounded way from it to the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, BackendFailed, SpeechEvent
from voicegw_espeak import library
from voicegw_espeak.library import Mark, Setting
from voicegw_espeak.words import WordTrack

BUFFER_MS = 60
"""Length of one chunk: short for an early first one, long enough that the calls into Python cost little."""

_AHEAD = 16
"""Chunks that may wait for the event loop, about a second; then the synthesis waits."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be spoken: plain text, the library's name of the voice, every setting, and whether words are timed."""

    text: str
    voice: str
    settings: Mapping[Setting, int]
    words: bool


class Feed:
    """Events on their way from the synthesis thread to the one coroutine that reads them.

    Args:
        loop: The reader's event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._room = threading.Semaphore(_AHEAD)
        self._queue: asyncio.Queue[Sequence[SpeechEvent] | Exception | None] = asyncio.Queue()
        self.cancelled = False

    def put(self, events: Sequence[SpeechEvent]) -> bool:
        """Hand events over, from the thread, once there is room; False when nobody wants more."""
        if events and not self.cancelled:
            self._room.acquire()  # cancelling makes room for one
            if not self.cancelled:
                self._send(events)
        return not self.cancelled

    def end(self, error: Exception | None) -> None:
        """Say, from the thread, that this was all, or what went wrong."""
        if not self.cancelled:
            self._send(error)

    def _send(self, item: Sequence[SpeechEvent] | Exception | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
        except RuntimeError:  # the loop is closed: its reader is gone
            self.cancelled = True

    async def get(self) -> Sequence[SpeechEvent]:
        """Wait for the next events; none means the end.

        Raises:
            BackendFailed: The synthesis failed.
        """
        item = await self._queue.get()
        self._room.release()
        if isinstance(item, Exception):
            raise BackendFailed(f"espeak-ng failed: {item}") from item
        return item or ()

    def cancel(self) -> None:
        """Want no more: the synthesis ends within the buffer that it is making, even if it waits for room."""
        self.cancelled = True
        self._room.release()


class Engine:
    """The library, initialised, with its thread; all users in the process share one.

    Attributes:
        buffers_made: Buffers that the library has filled so far.
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _shared: ClassVar[Engine | None] = None
    _users: ClassVar[int] = 0

    def __init__(self) -> None:
        self.buffers_made = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="espeak-ng")
        try:
            self._thread.submit(library.initialize, BUFFER_MS).result()
        except BaseException:
            self._thread.shutdown(wait=True)
            raise

    @classmethod
    def acquire(cls) -> Engine:
        """Give the process's engine, starting it for the first user. Blocks for some milliseconds.

        Raises:
            RuntimeError: The library cannot be initialised.
        """
        with cls._lock:
            if cls._shared is None:
                cls._shared = Engine()
            cls._users += 1
            return cls._shared

    @classmethod
    def release(cls) -> None:
        """Give the engine back; the last user ends the thread and the library. Blocks until it is idle."""
        with cls._lock:
            cls._users -= 1
            if cls._users == 0 and cls._shared is not None:
                cls._shared.end()
                cls._shared = None

    def call(self, function: Callable[[], Any]) -> Any:
        """Run a function in the library's thread and wait for it."""
        return self._thread.submit(function).result()

    def end(self) -> None:
        """End the library and the thread."""
        self.call(library.terminate)
        self._thread.shutdown(wait=True)

    def speak(self, order: Order, feed: Feed) -> None:
        """Queue an utterance; its events come through ``feed``."""
        self._thread.submit(self._speak, order, feed)

    def _speak(self, order: Order, feed: Feed) -> None:
        if feed.cancelled:
            return
        try:
            self._synthesize(order, feed)
        except Exception as error:  # noqa: BLE001 - it is the reader's, who raises it
            feed.end(error)
        else:
            feed.end(None)

    def _synthesize(self, order: Order, feed: Feed) -> None:
        # The voice first: it resets what the rate is relative to. Settings belong to the process, hence all, always.
        library.set_voice(order.voice)
        for setting, value in order.settings.items():
            library.set_parameter(setting, value)
        track = WordTrack(order.text)

        def on_audio(pcm: NDArray[np.int16], marks: list[Mark]) -> bool:
            self.buffers_made += 1
            if order.words:
                return feed.put(track.push(pcm, marks))
            return feed.put([AudioChunk(pcm)] if len(pcm) else ())

        library.synthesize(order.text, on_audio)
        feed.put(track.finish())
