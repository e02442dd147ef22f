"""The gateway's side of decoding: it hands uploads to sandboxed workers, and says whose fault it was when one dies.

Nothing of an upload is read in the gateway's own process. What the workers refuse comes as they say it; a worker that
dies of an upload, or is ended because it takes too long, makes the upload a bad one: it is never tried again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import DecodeDone, DecodeEvent, DecodeOptions
from voicegw.engine.pool import ModelPool
from voicegw.engine.spec import EngineLimits, ModelSpec
from voicegw.engine.supervisor import Engine
from voicegw.errors import BackendFailed, InvalidRequest, Unavailable, WorkerLost


@dataclass(frozen=True, slots=True)
class Clip:
    """A whole upload: int16 mono samples of shape (n,) at the asked rate, and what it was."""

    pcm: NDArray[np.int16]
    source: DecodeDone


class Decoder:
    """The decode workers of one gateway process; use it with ``async with``, or start and close it.

    Args:
        spec: What they run.
        limits: The engine's bounds for them.
        max_s: Seconds of audio that any upload may have.
        log_requests: Whether they log every upload.
    """

    def __init__(self, spec: ModelSpec, limits: EngineLimits, max_s: float, *, log_requests: bool = True) -> None:
        self._engine = Engine([spec], limits, log_requests=log_requests)
        self._max_s = max_s
        self.pool: ModelPool = self._engine.pools[spec.id]

    async def start(self) -> None:
        """Start the workers; they get ready in the background."""
        await self._engine.start()

    async def close(self) -> None:
        """End the workers and wait until all are gone."""
        await self._engine.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        """Decode an upload; chunks come as int16, and none before all of the upload was found to be sound.

        Its bytes should be at hand: nobody else's are taken while they come.

        Args:
            data: The bytes; taken once there is a worker for them, which must be within ``start_within_s``.
            options: ``max_s`` is bounded by that of this object.

        Raises:
            InvalidRequest: It is no audio, broken, too long, or more than a worker can bear; ``param`` is ``file``.
            Overloaded: Too many uploads wait.
            Unavailable: There is no worker, or one was lost before it had all of the upload.
            DeadlineExceeded: No worker was free in time.
            Exception: What ``data`` raises.
        """
        source = _Source(data)
        capped = replace(options, max_s=min(options.max_s, self._max_s))
        try:
            async with aclosing(self.pool.decode(source, capped)) as events:
                async for event in events:
                    yield event
        except WorkerLost:
            if not source.ended:
                raise Unavailable("the worker was lost before it had all of the file", retry_after_s=1.0) from None
            raise _undecodable() from None
        except BackendFailed as error:
            if error.code == "stalled":
                raise _undecodable() from None
            raise

    async def clip(self, data: AsyncIterator[bytes], options: DecodeOptions) -> Clip:
        """Decode an upload that is wanted as a whole; raises as :meth:`decode` does."""
        chunks: list[NDArray[np.int16]] = [np.empty(0, np.int16)]
        async with aclosing(self.decode(data, options)) as events:
            async for event in events:
                if isinstance(event, DecodeDone):
                    return Clip(np.concatenate(chunks), event)
                chunks.append(np.asarray(event.pcm, np.int16))
        raise BackendFailed("the decoder ended without saying so")


class _Source:
    """What is sent up, and whether all of it was."""

    def __init__(self, data: AsyncIterator[bytes]) -> None:
        self._data = data
        self.ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._data)
        except StopAsyncIteration:
            self.ended = True
            raise


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    """Give bytes that are there as an upload wants them."""
    yield data


def _undecodable() -> InvalidRequest:
    return InvalidRequest(
        "The file cannot be decoded: the decoder crashed on it, or took more time or memory than an upload may take.",
        param="file",
        code="audio_undecodable",
    )
