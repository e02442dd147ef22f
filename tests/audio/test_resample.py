"""Streamed resampling equals whole resampling."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from tests.audio.sounds import cut, speechlike
from voicegw.audio.resample import Resampler, resampled_length

RATES = [8_000, 16_000, 22_050, 44_100, 48_000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sizes", [37, 441, (1, 0, 5_000)])
def test_streamed_is_exactly_whole(rate: int, sizes: int | tuple[int, ...]) -> None:
    pcm = speechlike(rate // 2, rate)
    whole, streamed = Resampler(rate, 24_000), Resampler(rate, 24_000)
    expected = np.concatenate([whole.push(pcm), whole.finish()])
    pieces = [streamed.push(piece) for piece in cut(pcm, sizes)]
    assert np.array_equal(np.concatenate([*pieces, streamed.finish()]), expected)
    reference = soxr.resample(pcm.astype(np.float64), rate, 24_000, quality="VHQ")
    inner = slice(200, -200)  # the filters differ where they meet the silence around
    assert np.abs(expected[inner] - reference[inner]).max() < 40


@pytest.mark.parametrize("rate", [*RATES, 11_025, 24_000, 12_345])
@pytest.mark.parametrize("samples", [0, 1, 2, 101, 7_777])
def test_length_is_the_rounded_ratio(rate: int, samples: int) -> None:
    resampler = Resampler(rate, 24_000)
    for _ in range(2):  # the second time after a finish
        given = len(resampler.push(speechlike(samples, rate))) + len(resampler.finish())
        assert given == resampled_length(samples, rate, 24_000)
        assert abs(given - samples * 24_000 / rate) <= 0.5


def test_equal_rates_hand_the_audio_through() -> None:
    resampler = Resampler(24_000, 24_000)
    pcm = speechlike(500)
    assert resampler.push(pcm) is pcm
    assert len(resampler.finish()) == 0


def test_after_finish_it_starts_anew() -> None:
    pcm = speechlike(3_000, 22_050)
    resampler = Resampler(22_050, 24_000)
    first, second = (np.concatenate([resampler.push(pcm), resampler.finish()]) for _ in range(2))
    assert np.array_equal(first, second)


def test_full_scale_is_clipped_not_wrapped() -> None:
    square = np.where(np.arange(4_410) // 50 % 2, 32_767, -32_768).astype(np.int16)
    resampler = Resampler(22_050, 24_000)
    audio = np.concatenate([resampler.push(square), resampler.finish()])
    assert audio.max() == 32_767
    assert audio.min() == -32_768
    middle_of_first_plateau = audio[20:40]
    assert middle_of_first_plateau.max() < -30_000
