"""The adapter of the kind ``decode``: collects an upload, decodes it on a thread of its own, can be sealed."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, nullcontext
from typing import Any, Final

from voicegw.backend import (
    DecodeDone,
    DecodeEvent,
    DecodeOptions,
    InvalidRequest,
    Limits,
    ModelInfo,
    Progress,
    RequestMeta,
)
from voicegw.decoder.formats import refused
from voicegw.decoder.passes import passes
from voicegw.decoder.sandbox import Allowance, Watch, seal

_DEFAULTS: Final = {"upload_bytes": 25 * 2**20, "memory_bytes": 256 * 2**20, "stuck_s": 2.0, "wall_s": 300.0}

Steps = Generator[DecodeEvent | None, None, None]


class Decoder:
    """Decodes one upload at a time.

    Configuration: ``upload_bytes`` of the longest upload; ``memory_bytes``, ``stuck_s`` and ``wall_s`` as in
    :class:`voicegw.decoder.sandbox.Allowance`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        given = _read(config)
        self._most = int(given.pop("upload_bytes"))
        self._allowance = Allowance(**given)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        self._sealed = False

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        """Give the manifest; the sample rate is what speech models listen to, any other can be asked for."""
        _read(config)
        return ModelInfo("decode", 16_000, determinism="exact", limits=Limits(slots=1), licence="Apache-2.0")

    async def load(self, progress: Progress) -> ModelInfo:
        """Decode something, so that nothing has to be opened later on."""
        await asyncio.wrap_future(self._thread.submit(_warm))
        progress(1.0, "")
        return self.describe({})

    def seal(self) -> None:
        """Give up the right to open anything; from now on what exceeds its allowance kills this process."""
        seal(self._allowance)
        self._sealed = True

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        """Decode an upload; nothing comes before all of it is there and was found to be sound.

        Raises:
            InvalidRequest: It cannot or must not be decoded; ``param`` is ``file``.
        """
        try:
            async with aclosing(self._stepwise(await self._collected(data), options)) as events:
                async for event in events:
                    yield event
        except MemoryError:
            raise refused("Decoding the file takes more memory than an upload may take.") from None

    async def _stepwise(self, upload: io.BytesIO, options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        steps = self._steps(upload, options)
        watch = Watch(self._allowance) if self._sealed else None
        try:
            event = None
            while not isinstance(event, DecodeDone):
                event = await asyncio.wrap_future(self._thread.submit(_step, steps, watch))
                if event is not None:
                    yield event
        finally:
            # After the step that may still run there: whoever is next must not share its fate.
            await asyncio.wrap_future(self._thread.submit(steps.close))

    def _steps(self, upload: io.BytesIO, options: DecodeOptions) -> Steps:
        return passes(upload, options)

    async def _collected(self, data: AsyncIterator[bytes]) -> io.BytesIO:
        upload, within_s = io.BytesIO(), self._allowance.wall_s
        try:
            async with asyncio.timeout(within_s):
                async for piece in data:
                    upload.write(piece)
                    if upload.tell() > self._most:
                        raise refused(f"The file has more than {self._most} bytes.", "file_too_large")
        except TimeoutError:
            raise refused(f"The file did not arrive within {within_s:g} s.", "upload_too_slow") from None
        return upload


def _step(steps: Steps, watch: Watch | None) -> DecodeEvent | None:
    with watch.step() if watch else nullcontext():
        return next(steps)


def _read(config: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a configuration; ValueError names what is wrong with it."""
    for name, value in config.items():
        if name not in _DEFAULTS:
            raise ValueError(f"{name}: unknown; there are: {', '.join(_DEFAULTS)}")
        if not isinstance(value, int | float) or not value > 0:
            raise ValueError(f"{name}: must be a number above 0")
    return {**_DEFAULTS, **config}


def _warm() -> None:
    """Decode a little stereo of another rate, and fail to decode what is none."""
    rate, channels, samples = 8_000, 2, bytes(8_000)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    wav = struct.pack("<4sI4s", b"RIFF", 36 + len(samples), b"WAVE") + form + struct.pack("<4sI", b"data", len(samples))
    options = DecodeOptions(RequestMeta("warm"), 16_000, 60.0)
    for _ in passes(io.BytesIO(wav + samples), options):
        pass
    try:
        for _ in passes(io.BytesIO(samples), options):
            pass
    except InvalidRequest:
        return
