"""From a decoder's frames to what is asked for: mono, one rate, 16 bit.

Channels are averaged. A frame of 16-bit mono at the asked rate comes out as it went in; what has more bits is rounded
to the nearest of 16. FFmpeg's own conversion, by which faster-whisper decodes, gives the same but for its resampler
(soxr's passes what lies below half the rate and is 140 dB down above), its truncation of 24 and 32 bit, and its weights
for surround sound, which leave the low-frequency channel out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

_SCALE: Final = {"u1": 2.0**8, "i2": 1.0, "i4": 2.0**-16, "i8": 2.0**-48, "f4": 2.0**15, "f8": 2.0**15}
"""What makes 16-bit steps of a sample, by its type."""

_PLANES: Final = 8
"""So many planes in one frame, and PyAV 18 does not see where they end: it reads on, and the process dies."""

_LOUD: Final = 32.0
"""30 dB above full scale: sums of what is much louder would be no numbers any more."""


def samples_of(frame: AudioFrame) -> NDArray[Any]:
    """Give the samples of a frame as they are, shape (channels, n)."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels < _PLANES:
        return frame.to_ndarray()
    if frame.format.is_planar:
        (frame,) = AudioResampler(frame.format.packed.name).resample(frame)
    return frame.to_ndarray().reshape(-1, channels).T


def is_finite(frame: AudioFrame) -> bool:
    """Tell whether every sample of a frame is a number."""
    samples = samples_of(frame)
    return samples.dtype.kind != "f" or bool(np.isfinite(samples).all())


def mono(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Average channels of shape (channels, n); what comes has shape (n,), a step of 16 bit being 1."""
    if samples.dtype.kind == "f":
        samples = samples.clip(-_LOUD, _LOUD)
    mixed = samples[0] if len(samples) == 1 else samples.mean(axis=0, dtype=np.float32)
    if samples.dtype == np.uint8:
        mixed = np.subtract(mixed, 128, dtype=np.float32)
    scaled: NDArray[np.float32] = np.multiply(mixed, _SCALE[samples.dtype.str[1:]], dtype=np.float32)
    return scaled


class Converter:
    """Makes int16 mono at one rate of frames whose rate may change.

    Args:
        sample_rate: Hz of what comes out.
    """

    def __init__(self, sample_rate: int) -> None:
        self._target = sample_rate
        self._rate = sample_rate
        self._stream: soxr.ResampleStream | None = None

    def push(self, frames: Sequence[AudioFrame]) -> NDArray[np.int16]:
        """Take frames and give the samples that are ready."""
        made, start = [], 0
        for at, frame in enumerate(frames):
            if frame.sample_rate != self._rate:
                made += [self._resampled(frames[start:at]), self._turned(frame.sample_rate)]
                start = at
        made.append(self._resampled(frames[start:]))
        return _s16(np.concatenate(made))

    def finish(self) -> NDArray[np.int16]:
        """Give what is still held."""
        return _s16(self._turned(self._target))

    def _resampled(self, frames: Sequence[AudioFrame]) -> NDArray[np.float32]:
        alike = groupby(map(samples_of, frames), lambda samples: (samples.dtype, len(samples)))
        mixed = [mono(np.concatenate(list(each), axis=1)) for _, each in alike]
        audio = np.concatenate([np.empty(0, np.float32), *mixed])
        if self._stream is None:
            return audio
        resampled: NDArray[np.float32] = self._stream.resample_chunk(audio)
        return resampled

    def _turned(self, rate: int) -> NDArray[np.float32]:
        """Give the end of what had the rate before, and be ready for another."""
        tail = np.empty(0, np.float32)
        if self._stream is not None:
            tail = self._stream.resample_chunk(tail, last=True)
        self._rate, self._stream = rate, None
        if rate != self._target:
            self._stream = soxr.ResampleStream(rate, self._target, 1, dtype="float32", quality="HQ")
        return tail


def _s16(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round to 16 bit; what lies above full scale is clipped."""
    return np.rint(audio).clip(-32768, 32767).astype(np.int16)
