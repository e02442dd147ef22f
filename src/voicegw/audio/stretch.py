"""Faster or slower speech at the same pitch, while it streams, and where each sample went."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

MIN_SPEED, MAX_SPEED = 0.25, 4.0
"""What :class:`Stretcher` takes: 4 is four times as fast."""

_ONE_FILTER = (0.5, 2.0)
"""Speeds that one atempo does well: it takes no less, and above it leaves samples out; two are chained there."""

_PAD_S = 0.5
"""Seconds of silence that push the last sample through the filters: they hold at most 0.2 s."""

_MARK_S = 0.01
"""Seconds of output between two marks of the clock."""

_EARLY_S = 0.004
"""Seconds of the source, times 1 - speed, by which each filter lets a sudden onset be heard before its middle place:
about the median over bursts of tones, noise and speech. Slow speech repeats what is around an onset."""

_POSITION_SCALE = 2.0**-60
"""How loud a position is in the second channel: too quiet to sway the filter, and exact, being a power of two."""


class Stretcher:
    """Changes how long mono speech lasts and keeps its pitch; at speed 1 it hands through what it is given.

    FFmpeg's atempo overlaps pieces of about 43 ms where they are most alike (WSOLA). How the audio is cut into pushes
    does not change a sample. The first samples come after 60 to 200 ms of input, and 1 s of it costs 1 to 5 ms of
    processor time, most at a speed of 0.25. n samples become n / speed or, so that the last one is heard, some more: at
    most 20 ms, but 60 ms below 0.5.

    Args:
        speed: :data:`MIN_SPEED` to :data:`MAX_SPEED`; ValueError outside.
        sample_rate: Hz of what is pushed and of what comes back.

    Attributes:
        samples_in: Samples pushed.
        samples_out: Samples given.
    """

    def __init__(self, speed: float, sample_rate: int) -> None:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise ValueError(f"speed must be from {MIN_SPEED:g} to {MAX_SPEED:g}, not {speed}")
        self.samples_in = 0
        self.samples_out = 0
        self._speed = speed
        self._rate = sample_rate
        self._tempo: _Tempo | None = None
        self._began = (0, 0)  # samples in and out before the audio since the last finish
        self._mark_every = max(1, round(_MARK_S * sample_rate))
        self._early = len(_tempos(speed)) * max(0.0, 1 - speed) * _EARLY_S * sample_rate
        self._marks_in = array(
            "d", [0.0]
        )  # never falls, so that a sample which comes twice is found where it came first
        self._marks_out = array("d", [0.0])

    def push(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take samples of shape (n,), n >= 0, and give those that are ready."""
        self.samples_in += len(pcm)
        if self._speed == 1:
            self.samples_out += len(pcm)
            return pcm
        if not len(pcm):
            return pcm
        if self._tempo is None:
            self._tempo = _Tempo(self._speed, self._rate)
        return self._given(*self._tempo.push(pcm))

    def finish(self) -> NDArray[np.int16]:
        """Give what is still held, as if silence followed; what is pushed next starts anew."""
        tempo, self._tempo = self._tempo, None
        if tempo is None:
            return np.empty(0, np.int16)
        audio, positions = tempo.finish(round(_PAD_S * self._rate))
        samples = self.samples_in - self._began[0]
        spoken = np.flatnonzero(positions <= samples)
        due = round(samples / self._speed) - (self.samples_out - self._began[1])
        keep = max(due, int(spoken[-1]) + 1 if len(spoken) else 0, 0)
        tail = self._given(audio[:keep], positions[:keep])
        self._marks_in.append(float(self.samples_in))
        self._marks_out.append(float(self.samples_out))
        self._began = (self.samples_in, self.samples_out)
        return tail

    def output_of(self, sample: float) -> float:
        """Tell where in the output a sample of the input is first heard.

        Known for what has been given, where two pieces overlap to the middle of their fade; for what has not, as the
        speed says. Never falls as ``sample`` rises. Sudden onsets are heard 0 to 4 ms before it by the median, and 98
        of 100 at most 20 ms (speeds from 0.5 up); below, up to 30 ms of the source's own time.
        """
        if self._speed == 1:
            return sample
        after = bisect_right(self._marks_in, sample)
        low_in, low_out = self._marks_in[after - 1], self._marks_out[after - 1]
        if after == len(self._marks_in):
            return max(low_out + (sample - low_in) / self._speed, self._marks_out[-1])
        share = (sample - low_in) / (self._marks_in[after] - low_in)
        return low_out + share * (self._marks_out[after] - low_out)

    def _given(self, audio: NDArray[np.int16], positions: NDArray[np.float64]) -> NDArray[np.int16]:
        """Count samples on their way out, and note the place of some of them."""
        first = -self.samples_out % self._mark_every
        for index in range(first, len(audio), self._mark_every):
            place = self._began[0] + float(positions[index]) + self._early
            if place > self._marks_in[-1]:
                self._marks_in.append(min(place, float(self.samples_in)))
                self._marks_out.append(float(self.samples_out + index))
        self.samples_out += len(audio)
        return audio


def _tempos(speed: float) -> list[float]:
    """Divide a speed between filters."""
    return [speed] if _ONE_FILTER[0] <= speed <= _ONE_FILTER[1] else [speed**0.5] * 2


class _Tempo:
    """FFmpeg's filters for one run of samples, with a second channel in which each sample carries its number.

    All channels are cut alike and aligned by the loudest, so the second tells where a sample that leaves came from.
    The filters are fed in blocks of 20 ms: they hold back what a frame made until the next one comes, and where frames
    are much shorter, the first piece comes out otherwise.
    """

    def __init__(self, speed: float, sample_rate: int) -> None:
        self._rate = sample_rate
        self._time_base = Fraction(1, sample_rate)
        self._block = max(1, sample_rate // 50)
        self._waiting = np.empty(0, np.int16)
        self._fed = 0
        self._out: list[NDArray[Any]] = []
        graph = Graph()
        graph.threads = 1  # none is started
        source = f"sample_rate={sample_rate}:sample_fmt=dbl:channel_layout=stereo:time_base=1/{sample_rate}"
        nodes = [graph.add("abuffer", source), *(graph.add("atempo", repr(tempo)) for tempo in _tempos(speed))]
        graph.link_nodes(*nodes, graph.add("abuffersink")).configure()
        self._graph = graph

    def push(self, pcm: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Take samples of shape (n,); give those that are ready, and the places they came from, from 0 on."""
        waiting = np.concatenate([self._waiting, pcm])
        whole = len(waiting) - len(waiting) % self._block
        self._waiting = waiting[whole:]
        self._feed(waiting[:whole])
        return self._taken()

    def finish(self, silence: int) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Give all the rest, and of the silence after it what comes along."""
        self._feed(np.concatenate([self._waiting, np.zeros(silence, np.int16)]))
        self._graph.push(None)
        self._pull()
        return self._taken()

    def _feed(self, pcm: NDArray[np.int16]) -> None:
        """Number the samples and hand them over, block by block."""
        numbered = np.empty((len(pcm), 2))
        numbered[:, 0] = pcm
        numbered[:, 1] = np.arange(self._fed, self._fed + len(pcm))
        numbered *= (1 / 32768, _POSITION_SCALE)
        for start in range(0, len(pcm), self._block):
            block = numbered[start : start + self._block]
            frame = av.AudioFrame("dbl", "stereo", len(block))
            frame.planes[0].update(block.tobytes())
            frame.sample_rate = self._rate
            frame.time_base = self._time_base
            frame.pts = self._fed
            self._fed += len(block)
            self._graph.push(frame)
            self._pull()

    def _pull(self) -> None:
        # What they raise is how FFmpeg says that there is no more for now, or at all.
        with suppress(BlockingIOError, EOFError):
            while True:
                self._out.append(self._graph.pull().to_ndarray().reshape(-1, 2))

    def _taken(self) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        out = np.concatenate([np.empty((0, 2)), *self._out])
        self._out.clear()
        audio = np.rint(out[:, 0] * 32768).clip(-32768, 32767).astype(np.int16)
        return audio, out[:, 1] / _POSITION_SCALE
