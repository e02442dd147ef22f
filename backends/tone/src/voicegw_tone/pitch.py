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
_SPECTRUM_S, _PERIOD_S = 0.5, 0.1
_SILENCE = 1e-4
_CLEAR = 0.3
_OCTAVE = 0.9
_ZERO_PADDING = 4
_FINE_RATE = 192_000  # the correlation is interpolated to this rate, where 5 kHz still has 38 lags to a period


def pitch_of(voice: Voice) -> float:
    """Give the median pitch of a voice's samples in Hz, 50 to 5,000.

    Raises:
        InvalidRequest: A sample is too short, too long or not finite.
    """
    return statistics.median([estimate(_checked(sample), sample.sample_rate) for sample in voice.samples])


def estimate(samples: NDArray[np.float32], rate: int) -> float:
    """Estimate the fundamental frequency of mono audio in Hz, 50 to 5,000; 320 where there is none.

    The loudest tenth of a second (of the loudest half of the first thirty) is autocorrelated; the first lag that comes
    within a tenth of the best is the period, for later ones are its multiples. The strongest line within 6 % of it in
    the spectrum of the half second, between two bins by a parabola through the logarithms, is the answer.
    """
    heard = samples[: int(_HEARD_S * rate)].astype(np.float64)
    window = _loudest(heard - heard.mean(), int(_SPECTRUM_S * rate))
    hz = _coarse(_loudest(window, int(_PERIOD_S * rate)), rate)
    if hz is None:
        return NEUTRAL_HZ
    size = _ZERO_PADDING * 2 ** int(np.ceil(np.log2(len(window))))
    line = np.abs(np.fft.rfft(window * np.hanning(len(window)), size))
    return float(np.clip(_line_near(line, hz, rate / size), LOWEST_HZ, HIGHEST_HZ))


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


def _coarse(window: NDArray[np.float64], rate: int) -> float | None:
    """Give the pitch in Hz by autocorrelation, or None for silence and noise."""
    if float(np.sqrt(np.mean(window**2))) < _SILENCE:
        return None
    finer = -(-_FINE_RATE // rate)
    size = 2 * 2 ** int(np.ceil(np.log2(len(window))))
    correlation = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2, size * finer)[: len(window) * finer]
    unbiased = correlation / (1 - np.arange(len(correlation)) / len(correlation)) / correlation[0]
    lags = np.arange(max(2, int(rate * finer / HIGHEST_HZ)), min(int(rate * finer / LOWEST_HZ) + 1, len(unbiased) - 1))
    here = unbiased[lags]
    peaks = lags[(here >= unbiased[lags - 1]) & (here > unbiased[lags + 1]) & (here > _CLEAR)]
    if not len(peaks):
        return None
    lag = peaks[unbiased[peaks] >= _OCTAVE * unbiased[peaks].max()][0]
    return float(rate * finer / lag)


def _line_near(spectrum: NDArray[np.float64], hz: float, bin_hz: float) -> float:
    low, high = max(1, int(hz * 0.94 / bin_hz)), min(len(spectrum) - 2, int(np.ceil(hz * 1.06 / bin_hz)))
    at = low + int(np.argmax(spectrum[low : high + 1]))
    before, here, after = np.log(spectrum[at - 1 : at + 2] + 1e-12)
    bend = before - 2 * here + after
    return (at + (0.5 * (before - after) / bend if bend < 0 else 0.0)) * bin_hz
