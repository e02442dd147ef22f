"""What goes up to an adapter while it works, and the operations that are more than one call of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

import numpy as np

from voicegw.backend import Activity, ActivityBackend, EmbeddingBackend, InvalidRequest, Samples
from voicegw.engine.operations import INPUT_BYTES, Embedded, EmbedRequest, Ended
from voicegw.engine.wire import PIECE, Window, WireError

T = TypeVar("T")


class Input(Generic[T]):
    """What comes up for one stream: an iterator for the adapter, bounded by the credit that it gives.

    Args:
        grant: Sends credit to the gateway.
        read: Makes of bytes what the adapter is to get.
    """

    def __init__(self, grant: Callable[[int], None], read: Callable[[bytes], T]) -> None:
        self._grant = grant
        self._read = read
        self._window = Window(INPUT_BYTES, grant)
        self._pieces: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._waiting = 0
        self.taken = 0

    def open(self) -> None:
        """Let the gateway begin: there is a slot."""
        self._grant(INPUT_BYTES)

    def put(self, data: bytes) -> None:
        """Take a piece.

        Raises:
            WireError: It is more than there was credit for.
        """
        self._waiting += len(data)
        if self._waiting > INPUT_BYTES + PIECE:
            raise WireError("more input than there was credit for")
        self._pieces.append(data)
        self._news.set()

    def end(self) -> None:
        """Note that nothing more comes."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> Input[T]:
        return self

    async def __anext__(self) -> T:
        while not self._pieces:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        data = self._pieces.popleft()
        self._waiting -= len(data)
        self.taken += len(data)
        self._window.consumed(len(data))
        return self._read(data)


async def detected(backend: ActivityBackend, audio: Input[Samples]) -> AsyncGenerator[Activity | Ended, None]:
    """Look for speech; the end of the adapter's events becomes the last one."""
    async with aclosing(backend.detect(audio)) as found:
        async for event in found:
            yield event
    yield Ended()


async def embedded(
    backend: EmbeddingBackend, audio: Input[Samples], request: EmbedRequest
) -> AsyncGenerator[Embedded, None]:
    """Cut the audio into its clips and embed them.

    Raises:
        InvalidRequest: There is less or more audio than the clips have.
    """
    whole = np.concatenate([np.empty(0, np.float32), *[piece async for piece in audio]])
    if len(whole) != sum(request.samples):
        raise InvalidRequest("the clips are not as long as they were said to be")
    clips = np.split(whole, np.cumsum(request.samples)[:-1]) if request.samples else []
    yield Embedded.of(await backend.embed(clips))
