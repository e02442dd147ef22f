"""The pitch of a sample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voicegw.backend import InvalidRequest, Voice, VoiceSample
from voicegw_tone.pitch import NEUTRAL_HZ, estimate, pitch_of


def sound(hz: float, *, rate: int = 24_000, seconds: float = 1.0, harmonics: int = 1) -> NDArray[np.float32]:
    at = np.arange(round(seconds * rate)) / rate
    parts = [np.sin(2 * np.pi * n * hz * at) / n for n in range(1, harmonics + 1)]
    return np.asarray(0.2 * np.sum(parts, axis=0), np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("hz", [55.0, 110.0, 155.5, 220.0, 440.0, 987.8])
@pytest.mark.parametrize("harmonics", [1, 4])
def test_a_pitch_is_heard_at_any_rate(hz: float, rate: int, harmonics: int) -> None:
    assert estimate(sound(hz, rate=rate, harmonics=harmonics), rate) == pytest.approx(hz, rel=0.002)


@pytest.mark.parametrize("hz", [2240.0, 4480.0])
def test_high_tones_are_heard_too(hz: float) -> None:
    assert estimate(sound(hz, rate=16_000), 16_000) == pytest.approx(hz, rel=0.002)


def test_noise_around_a_voice_does_not_hide_it() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 48_000).astype(np.float32)
    samples = np.concatenate([noise[:24_000], sound(180.0, harmonics=6) + noise[24_000:]])
    assert estimate(samples, 24_000) == pytest.approx(180.0, rel=0.005)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(24_000, np.float32),
        np.full(24_000, 0.5, np.float32),
        np.random.default_rng(2).normal(0, 0.2, 24_000).astype(np.float32),
        np.ones(2, np.float32),
    ],
    ids=["silence", "offset", "noise", "two samples"],
)
def test_without_a_pitch_the_neutral_one_is_taken(samples: NDArray[np.float32]) -> None:
    assert estimate(samples, 24_000) == NEUTRAL_HZ


def test_short_samples_suffice() -> None:
    assert estimate(sound(300.0, seconds=0.1), 24_000) == pytest.approx(300.0, rel=0.01)


def test_several_samples_give_the_pitch_in_the_middle() -> None:
    voice = Voice.of(*(VoiceSample(sound(hz), 24_000) for hz in (400.0, 200.0, 210.0)))
    assert pitch_of(voice) == pytest.approx(210.0, rel=0.002)


@pytest.mark.parametrize(
    "samples", [sound(200.0, seconds=0.05), np.full(24_000, np.nan, np.float32), np.zeros(0, np.float32)]
)
def test_samples_that_are_no_recordings_are_refused(samples: NDArray[np.float32]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        pitch_of(Voice.of(VoiceSample(samples, 24_000)))
    assert caught.value.param == "voice"


def test_a_sample_of_more_than_an_hour_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="3600"):
        pitch_of(Voice.of(VoiceSample(np.zeros(3601 * 100, np.float32), 100)))
