"""Stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from voicegw.audio.encode import encoder_for
from voicegw.audio.format import AudioFormat


def split(text: str, most: int) -> Sequence[str]:
    out, line = [], ""
    for word in text.split():
        while len(word) > most:
            if line:
                out.append(line)
                line = ""
            out.append(word[:most])
            word = word[most:]
        if line and len(line) + 1 + len(word) > most:
            out.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*out, line] if line else out


class AudioPipeline:
    def __init__(self, source_rate: int, target: AudioFormat) -> None:
        self._encoder = encoder_for(target)
        self._resampler = soxr.ResampleStream(source_rate, 24000, 1, dtype="int16") if source_rate != 24000 else None

    async def push(self, pcm: NDArray[np.int16]) -> bytes:
        def work() -> bytes:
            return self._encoder.push(self._resampler.resample_chunk(pcm) if self._resampler else pcm)

        return await asyncio.to_thread(work)

    async def finish(self) -> bytes:
        def work() -> bytes:
            rest = b""
            if self._resampler:
                rest = self._encoder.push(self._resampler.resample_chunk(np.zeros(0, np.int16), last=True))
            return rest + self._encoder.finish()

        return await asyncio.to_thread(work)

    def close(self) -> None:
        self._encoder.close()
