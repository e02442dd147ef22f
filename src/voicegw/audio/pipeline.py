"""From the samples of a model to the bytes of one request: join, resample and encode as one continuous stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicegw.audio.encode import encoder_for
from voicegw.audio.format import OUTPUT_RATE, PCM, WAV, AudioFormat
from voicegw.audio.resample import Resampler, resampled_length
from voicegw.audio.seam import SeamSmoother


class AudioPipeline:
    """All that lies between a model and one listener; the stages keep their state from the first sample to the last.

    How the audio is cut into pushes does not change a byte. Not for two threads at a time.

    Args:
        source_rate: Hz of what is pushed.
        target: The format of the bytes.
        total_samples: How many samples will be pushed in all, where that is known: the header of a WAV file says so
            then. Not together with :meth:`settle` between them, which rounds the length anew.

    Attributes:
        format: The format of the bytes.
        samples_in: Samples pushed, at the source rate.
        samples_out: Samples encoded, at 24 kHz.
    """

    def __init__(self, source_rate: int, target: AudioFormat, *, total_samples: int | None = None) -> None:
        total = None if total_samples is None else resampled_length(total_samples, source_rate, OUTPUT_RATE)
        self.format = target
        self.samples_in = 0
        self.samples_out = 0
        self._joiner = SeamSmoother(source_rate)
        self._resampler = Resampler(source_rate, OUTPUT_RATE)
        self._encoder = encoder_for(target, total_samples=total)
        self._slice = max(1, source_rate // 10)

    @property
    def trivial(self) -> bool:
        """Whether a push costs less than handing it to a thread: where nothing is compressed."""
        return self.format in {PCM, WAV}

    @property
    def slice_samples(self) -> int:
        """Samples at the source rate of 100 ms, the most that should be pushed at a time."""
        return self._slice

    def push(self, pcm: NDArray[np.int16]) -> bytes:
        """Take mono samples of shape (n,), n >= 0, and give the bytes that are ready, b"" if none are.

        ValueError after :meth:`finish` or :meth:`close`.
        """
        self.samples_in += len(pcm)
        return self._encode(self._resampler.push(self._joiner.push(pcm)))

    def seam(self) -> None:
        """Say that one segment of text has been spoken and the next one comes."""
        self._joiner.seam()

    def settle(self) -> bytes:
        """Give what the resampler still holds, at the end of what has been spoken for now; the stream can go on.

        What fills no frame of the codec stays in the encoder: less than 50 ms, or 90 ms with AAC.
        """
        return self._encode(self._resampler.finish())

    def finish(self) -> bytes:
        """End the stream: give the bytes of everything pushed and not given yet. ValueError when called again."""
        return self.settle() + self._encoder.finish()

    def close(self) -> None:
        """Free the codec without ending the stream; any time, any number of times."""
        self._encoder.close()

    def _encode(self, audio: NDArray[np.int16]) -> bytes:
        self.samples_out += len(audio)
        return self._encoder.push(audio)
