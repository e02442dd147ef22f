"""Real decode workers for tests, sealed, and uploads to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.decoder.kit import META, options
from tests.engine.kit import GUARD_S, until
from tests.support.recordings import tone, wav
from voicegw.audio.decode import Clip, Decoder
from voicegw.backend import InvalidRequest
from voicegw.engine.spec import ModelState
from voicegw.settings import Limits

SOUND = (20_000 * tone(1.0, 16_000)[0]).astype(np.int16)
WAV = wav(SOUND, 16_000)


@asynccontextmanager
async def decoders(backend: str = "decode", *, ready: bool = True, **limits: Any) -> AsyncIterator[Decoder]:
    """Run decode workers while the block runs.

    Args:
        backend: ``hostile`` for those that uploads can take over.
        ready: Whether to wait until all of them are.
        **limits: Fields of the settings' limits.
    """
    asked = Limits(**{"worker_ping_s": 0.1, **limits})
    spec = replace(asked.decode_spec(), backend=backend)
    async with Decoder(spec, asked.decode_engine(), asked.decoded_s) as decoder:
        if ready:
            await all_ready(decoder)
        yield decoder


async def all_ready(decoder: Decoder) -> None:
    """Wait until every worker is ready."""
    await until(lambda: all(worker.state is ModelState.READY for worker in decoder.pool.workers))


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    """Upload in pieces of a usual size."""
    for start in range(0, len(data), 65_536):
        yield data[start : start + 65_536]


async def clip(decoder: Decoder, data: bytes, **asked: Any) -> Clip:
    """Decode an upload as a whole."""
    async with asyncio.timeout(GUARD_S):
        return await decoder.clip(pieces(data), options(**asked))


async def refused(decoder: Decoder, data: bytes, **asked: Any) -> InvalidRequest:
    """Give what an upload is refused with; AssertionError where it is not."""
    with pytest.raises(InvalidRequest) as caught:
        await clip(decoder, data, **asked)
    assert caught.value.param == "file"
    return caught.value


async def works(decoder: Decoder) -> None:
    """See that the next upload is decoded as if nothing had been."""
    assert (await clip(decoder, WAV)).pcm.tolist() == SOUND.tolist()


__all__ = ["META", "SOUND", "WAV", "all_ready", "clip", "decoders", "pieces", "refused", "works"]
