"""From the samples of a model to the bytes of one request: join, resample, stretch and encode as one stream."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from voicegw.audio.encode import encoder_for
from voicegw.audio.format import OUTPUT_RATE, PCM, WAV, AudioFormat
from voicegw.audio.loudness import amplified
from voicegw.audio.resample import Resampler, resampled_length
from voicegw.audio.seam import SeamSmoother
from voicegw.audio.stretch import Stretcher


class AudioPipeline:
    """All that lies between a model and one listener; the stages keep their state from the first sample to the last.

    How the audio is cut into pushes does not change a byte. Not for two threads at a time.

    Args:
        source_rate: Hz of what is pushed.
        target: The format of the bytes.
        total_samples: How many samples will be pushed in all, where that is known: the header of a WAV file says so
            then. Not together with :meth:`settle` between them, which rounds the length anew; of no use at another
            speed, whose length is known at the end only.
        sample_rate: Hz of what the listener gets; one that the format carries (:meth:`AudioFormat.check_rate`).
        speed: 0.25 to 4, with the pitch kept; at 1 no sample is touched.
        gain: 0 to 4, what samples are multiplied by; at 1 no sample is touched.

    Attributes:
        format: The format of the bytes.
        sample_rate: Hz of what the listener gets.
        samples_in: Samples pushed, at the source rate.
        samples_out: Samples encoded, at ``sample_rate``.
    """

    def __init__(
        self,
        source_rate: int,
        target: AudioFormat,
        *,
        total_samples: int | None = None,
        sample_rate: int = OUTPUT_RATE,
        speed: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        known = total_samples is not None and speed == 1
        total = resampled_length(total_samples or 0, source_rate, sample_rate) if known else None
        self.format = target
        self.sample_rate = sample_rate
        self.samples_in = 0
        self.samples_out = 0
        self._joiner = SeamSmoother(source_rate)
        self._resampler = Resampler(source_rate, sample_rate)
        self._stretcher = Stretcher(speed, sample_rate)
        self._gain = gain
        self._encoder = encoder_for(target, total_samples=total, sample_rate=sample_rate)
        self._trivial = target in {PCM, WAV} and speed == 1
        self._slice = max(1, round(min(1.0, speed) * source_rate) // 10)
        self._ratio = sample_rate / source_rate
        # Where each run of samples between two settles begins: at the source, in the stretcher's input, and the
        # silence sent before.
        self._runs_source = [0]
        self._runs = [(0, 0)]

    @property
    def trivial(self) -> bool:
        """Whether a push costs less than handing it to a thread: where nothing is compressed or stretched."""
        return self._trivial

    @property
    def slice_samples(self) -> int:
        """The most that should be pushed at a time: samples at the source rate that give 100 ms, or are 100 ms."""
        return self._slice

    def push(self, pcm: NDArray[np.int16]) -> bytes:
        """Take mono samples of shape (n,), n >= 0, and give the bytes that are ready, b"" if none are.

        ValueError after :meth:`finish` or :meth:`close`.
        """
        self.samples_in += len(pcm)
        return self._encode(self._stretcher.push(self._resampler.push(self._joiner.push(pcm))))

    def seam(self) -> None:
        """Say that one segment of text has been spoken and the next one comes."""
        self._joiner.seam()

    def settle(self) -> bytes:
        """Give all that has been spoken until now; the stream can go on.

        Decoding what was given so far yields every sample. For that, silence follows them where the format has frames:
        at 24 kHz at most 20 ms of flac, 50 ms of opus, 95 ms of mp3 and 130 ms of aac. A second call adds none.
        """
        if self.samples_in == self._runs_source[-1]:
            return self._encoder.push(np.empty(0, np.int16))
        spoken = self._encode(self._stretcher.push(self._resampler.push(self._joiner.rest()))) + self._drained()
        silence = self._encoder.owed()
        self._runs_source.append(self.samples_in)
        self._runs.append((self._stretcher.samples_in, self._runs[-1][1] + silence))
        return spoken + self._encode(np.zeros(silence, np.int16))

    def finish(self) -> bytes:
        """End the stream: give the bytes of everything pushed and not given yet. ValueError when called again."""
        return self._drained() + self._encoder.finish()

    def close(self) -> None:
        """Free the codec without ending the stream; any time, any number of times."""
        self._encoder.close()

    def to_output_s(self, source_sample: int, *, end: bool = False) -> float:
        """Tell at how many seconds of the output a pushed sample is heard; never falls as ``source_sample`` rises.

        Exact for resampling and for the silence of :meth:`settle`; for a stretched stream as close as
        :meth:`Stretcher.output_of` says where it has left (as ``samples_out`` counts), and what has not left is told as
        the speed says: up to 60 ms from where it will be, so ask again then if it matters.

        Args:
            source_sample: Counted as ``samples_in`` is, from 0; it need not have been pushed.
            end: The place is the end of something, to be told before a silence that begins there, not after.
        """
        find = bisect_left if end else bisect_right
        run = max(find(self._runs_source, source_sample) - 1, 0)
        at, silence = self._runs[run]
        place = self._stretcher.output_of(at + (source_sample - self._runs_source[run]) * self._ratio)
        return (place + silence) / self.sample_rate

    def _drained(self) -> bytes:
        """Empty resampler and stretcher."""
        tail = self._stretcher.push(self._resampler.finish())
        rest = self._stretcher.finish()
        return self._encode(tail) + self._encode(rest)

    def _encode(self, audio: NDArray[np.int16]) -> bytes:
        self.samples_out += len(audio)
        return self._encoder.push(amplified(audio, self._gain))
