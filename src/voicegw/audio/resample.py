"""Streaming change of sample rate, with soxr at high quality."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray


class Resampler:
    """Brings mono audio from one sample rate to another; with equal rates it hands through what it is given.

    How the audio is cut into pushes does not change a sample: soxr works on float32 here, because its int16 output is
    dithered anew at every call. At 22,050 to 24,000 Hz the first samples come after 60 ms of input, and 1 s costs
    0.3 ms.

    Args:
        source_rate: Hz of what is pushed.
        target_rate: Hz of what comes back.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._stream: soxr.ResampleStream | None = None
        if source_rate != target_rate:
            self._stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="HQ")

    def push(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take samples of shape (n,), n >= 0, and give those that are ready."""
        return pcm if self._stream is None else _to_pcm(self._stream.resample_chunk(pcm.astype(np.float32)))

    def finish(self) -> NDArray[np.int16]:
        """Give what is still held, as if silence followed; what is pushed next starts anew.

        Altogether n samples have then become n * target_rate / source_rate, rounded: :func:`resampled_length`.
        """
        if self._stream is None:
            return np.empty(0, np.int16)
        tail = self._stream.resample_chunk(np.empty(0, np.float32), last=True)
        self._stream.clear()
        return _to_pcm(tail)


def resampled_length(samples: int, source_rate: int, target_rate: int) -> int:
    """Give how many samples at ``target_rate`` come of that many at ``source_rate``, pushed and finished."""
    return (2 * samples * target_rate + source_rate) // (2 * source_rate)


def _to_pcm(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round to 16 bit; what the filter lifts above full scale is clipped."""
    return np.rint(audio).clip(-32768, 32767).astype(np.int16)
