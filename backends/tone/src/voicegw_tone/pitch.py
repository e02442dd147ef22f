"""The pitch of a recording, from which a cloned voice takes its own."""

from __future__ import annotations

import statistics

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import InvalidRequest, Voice, VoiceSample
from voicegw_tone.config import SAMPLE_S
from voicegw_tone.words import TABLE_HZ

LOWEST_HZ, HIGHEST_HZ = 50.0, 5000.0
NEUTRAL_HZ = float(TABLE_HZ[0])
"""Taken for a sample without any pitch: the clone then sounds like the default voice."""

_HEARD_S = 30.0
_WINDOW_S = 0.5
_SILENCE = 1e-4
_CLEAR = 0.3
_OCTAVE = 0.9
_FINE_RATE = 192_000  # the correlation is interpolated to this rate, where 5 kHz still has 38 lags to a period


def pitch_of(voice: Voice) -> float:
    """Give the median pitch of a voice's samples in Hz, 50 to 5,000.

    Raises:
        InvalidRequest: A sample is too short, too long or not finite.
    """
    return statistics.median([estimate(_checked(sample), sample.sample_rate) for sample in voice.samples])


def estimate(samples: NDArray[np.float32], rate: int) -> float:
    """Estimate the fundamental frequency of mono audio in Hz, 50 to 5,000; 320 where there is none.

    The loudest half second of the first thirty is autocorrelated; the first lag that comes within a tenth of the best
    is the period (later ones are its multiples), and the strongest line of the spectrum within 6 % of it, between two
    bins by a parabola through the logarithms, is the answer.
    """
    window = _loudest(samples[: int(_HEARD_S * rate)].astype(np.float64), int(_WINDOW_S * rate))
    if float(np.sqrt(np.mean(window**2))) < _SILENCE:
        return NEUTRAL_HZ
    size = 4 * 2 ** int(np.ceil(np.log2(len(window))))
    power = np.abs(np.fft.rfft(window - window.mean(), 2 * size)) ** 2
    finer = -(-_FINE_RATE // rate)
    period = _period(np.fft.irfft(power, 2 * size * finer)[: len(window) * finer], rate * finer)
    if period is None:
        return NEUTRAL_HZ
    line = np.abs(np.fft.rfft((window - window.mean()) * np.hanning(len(window)), size))
    return float(np.clip(_line_near(line, rate * finer / period, rate / size), LOWEST_HZ, HIGHEST_HZ))


def _checked(sample: VoiceSample) -> NDArray[np.float32]:
    seconds = len(sample.samples) / sample.sample_rate
    if not SAMPLE_S[0] <= seconds <= SAMPLE_S[1]:
        raise InvalidRequest(f"a sample lasts {SAMPLE_S[0]} to {SAMPLE_S[1]:.0f} seconds", param="voice")
    if not np.isfinite(sample.samples).all():
        raise InvalidRequest("a sample holds values that are not finite", param="voice")
    return sample.samples


def _loudest(samples: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    if len(samples) <= length:
        return samples
    starts = range(0, len(samples) - length + 1, max(1, length // 4))
    return max((samples[at : at + length] for at in starts), key=lambda part: float(part @ part))


def _period(correlation: NDArray[np.float64], rate: int) -> float | None:
    """Give the period in samples, or None for noise."""
    shortest = max(2, int(rate / HIGHEST_HZ))
    lags = np.arange(shortest, min(int(rate / LOWEST_HZ) + 1, len(correlation) - 1))
    if not len(lags):
        return None
    unbiased = correlation / (1 - np.arange(len(correlation)) / len(correlation)) / correlation[0]
    here = unbiased[lags]
    peaks = lags[(here >= unbiased[lags - 1]) & (here > unbiased[lags + 1])]
    if not len(peaks) or unbiased[peaks].max() < _CLEAR:
        return None
    lag = peaks[unbiased[peaks] >= _OCTAVE * unbiased[peaks].max()][0]
    before, at, after = unbiased[lag - 1 : lag + 2]
    return float(lag + 0.5 * (before - after) / (before - 2 * at + after))


def _line_near(spectrum: NDArray[np.float64], hz: float, bin_hz: float) -> float:
    low, high = max(1, int(hz * 0.94 / bin_hz)), min(len(spectrum) - 2, int(np.ceil(hz * 1.06 / bin_hz)))
    at = low + int(np.argmax(spectrum[low : high + 1]))
    before, here, after = np.log(spectrum[at - 1 : at + 2] + 1e-12)
    bend = before - 2 * here + after
    return (at + (0.5 * (before - after) / bend if bend < 0 else 0.0)) * bin_hz
