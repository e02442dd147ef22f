"""The sound of a word, and the score of an utterance: which tones, from which sample to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import WordTiming
from voicegw_tone.words import TABLE_HZ, words

SAMPLE_RATE = 24_000
WORD_S = 0.5
RAMP_S = 0.025
AMPLITUDE = 0.5
HIGHEST_HZ = 11_000
"""Tones above are brought down by octaves, to stay clear of half the sample rate."""

CACHED_TONES = 512
"""Of 24 kB each at normal speed."""


@dataclass(frozen=True, slots=True)
class Timbre:
    """How a voice sounds.

    Attributes:
        title: For people.
        ratio: Pitch relative to the table.
        harmonics: Weights of the pitch and its multiples; scaled so that no sample exceeds the amplitude.
    """

    title: str
    ratio: float = 1.0
    harmonics: tuple[float, ...] = (1.0,)


TIMBRES = {
    "tone": Timbre("Tone"),
    "low": Timbre("Low", ratio=0.5),
    "high": Timbre("High", ratio=2.0),
    "bright": Timbre("Bright", harmonics=(0.6, 0.25, 0.15)),
}
DEFAULT = TIMBRES["tone"]


def cloned(hz: float) -> Timbre:
    """Make the voice whose lowest number, "zero", sounds at ``hz``, and all other words at their intervals from it."""
    return Timbre("Clone", ratio=hz / TABLE_HZ[0])


def sounding_hz(hz: float, timbre: Timbre) -> float:
    """Give the frequency at which a word of pitch ``hz`` is heard, at most 11 kHz."""
    heard = hz * timbre.ratio
    while heard > HIGHEST_HZ:
        heard /= 2
    return heard


@lru_cache(maxsize=CACHED_TONES)
def tone(hz: float, harmonics: tuple[float, ...], samples: int) -> NDArray[np.int16]:
    """Make one word: amplitude 0.5, linear ramps of 25 ms at both ends, int16 of shape (samples,), read-only.

    Harmonics above 11 kHz are left out.
    """
    at = np.arange(samples)
    seconds = at / SAMPLE_RATE
    audible = [(n, weight) for n, weight in enumerate(harmonics, 1) if n == 1 or n * hz <= HIGHEST_HZ]
    wave = sum(weight * np.sin(2 * np.pi * (n * hz) * seconds) for n, weight in audible)
    ramp = np.minimum(1, np.minimum(at, samples - 1 - at) / (RAMP_S * SAMPLE_RATE))
    pcm = np.rint(32767 * AMPLITUDE * ramp * wave / sum(weight for _, weight in audible)).astype(np.int16)
    pcm.flags.writeable = False
    return pcm


@dataclass(frozen=True, slots=True)
class Score:
    """An utterance, ready to be heard.

    Attributes:
        hz: Frequency of each word as it sounds.
        harmonics: Of the voice.
        word_samples: Samples of every word.
        timings: One per word; back to back from sample 0.
    """

    hz: tuple[float, ...]
    harmonics: tuple[float, ...]
    word_samples: int
    timings: tuple[WordTiming, ...]

    @classmethod
    def of(cls, text: str, timbre: Timbre, speed: float) -> Score:
        """Write the score of a text at a speed of 0.5 to 2, where a word lasts 0.5 s / speed."""
        n = round(WORD_S * SAMPLE_RATE / speed)
        found = list(words(text))
        spans = ((i * n, (i + 1) * n, word.char_start, word.char_end) for i, word in enumerate(found))
        return cls(
            hz=tuple(map(sounding_hz, (word.hz for word in found), repeat(timbre))),
            harmonics=timbre.harmonics,
            word_samples=n,
            timings=tuple(WordTiming(*span) for span in spans),
        )

    @property
    def samples(self) -> int:
        """Length of the whole utterance."""
        return len(self.hz) * self.word_samples

    def audio(self, start: int, stop: int) -> NDArray[np.int16]:
        """Give samples ``start`` to ``stop`` (exclusive, at most the end), as a view where one word holds them all."""
        stop = min(stop, self.samples)
        first, last = start // self.word_samples, (stop - 1) // self.word_samples
        parts = [self._part(word, start, stop) for word in range(first, last + 1)]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def starting(self, start: int, stop: int) -> tuple[WordTiming, ...]:
        """Give the words that start at samples ``start`` to ``stop`` (exclusive)."""
        n = self.word_samples
        return self.timings[-(-start // n) : -(-stop // n)]

    def _part(self, word: int, start: int, stop: int) -> NDArray[np.int16]:
        begin = word * self.word_samples
        whole = tone(self.hz[word], self.harmonics, self.word_samples)
        return whole[max(0, start - begin) : stop - begin]


def _joined(parts: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    joined: NDArray[Any] = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    return joined
