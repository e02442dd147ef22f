"""The sound of a word, and the score of an utterance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voicegw.backend import WordTiming
from voicegw_tone.synth import DEFAULT, TIMBRES, Score, Timbre, cloned, sounding_hz, tone
from voicegw_tone.words import TABLE_HZ, words

RATE = 24_000


def dominant(pcm: NDArray[np.int16]) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(pcm))) * RATE / len(pcm))


def test_a_tone_has_half_the_amplitude_and_ramps_of_25_ms() -> None:
    pcm = tone(1000.0, (1.0,), 12_000)
    assert (pcm.dtype, pcm.shape, dominant(pcm)) == (np.dtype(np.int16), (12_000,), 1000.0)
    middle = np.abs(pcm[600:-600]).max()
    assert middle == pytest.approx(32767 / 2, abs=1)
    assert np.abs(pcm[:300]).max() == pytest.approx(middle / 2, rel=0.05)
    assert np.abs(pcm[-300:]).max() == pytest.approx(middle / 2, rel=0.05)
    assert (pcm[0], pcm[-1]) == (0, 0)
    assert not pcm.flags.writeable


def test_a_voice_without_harmonics_is_a_pure_tone() -> None:
    power = np.abs(np.fft.rfft(tone(1120.0, DEFAULT.harmonics, 12_000)[600:-600])) ** 2
    assert power[1120 * 10_800 // RATE] > 0.999999 * power.sum()


def test_a_bright_voice_keeps_the_pitch_and_the_amplitude() -> None:
    bright = TIMBRES["bright"]
    pcm = tone(1000.0, bright.harmonics, 12_000)
    spectrum = np.abs(np.fft.rfft(pcm))
    assert dominant(pcm) == 1000.0
    assert spectrum[1000] / spectrum[500] == pytest.approx(0.25 / 0.6, rel=0.01)
    assert np.abs(pcm).max() <= 32767 / 2


def test_harmonics_that_cannot_be_sampled_are_left_out() -> None:
    assert np.array_equal(tone(6000.0, (0.5, 0.5), 2400), tone(6000.0, (1.0,), 2400))


@pytest.mark.parametrize(("voice", "hz"), [("tone", 1000), ("low", 500), ("high", 2000), ("bright", 1000)])
def test_each_voice_has_its_pitch(voice: str, hz: float) -> None:
    assert sounding_hz(1000, TIMBRES[voice]) == hz


def test_a_clone_says_zero_at_its_own_pitch_and_high_words_come_down_by_octaves() -> None:
    assert sounding_hz(320, cloned(220.0)) == 220.0
    assert sounding_hz(1000, cloned(640.0)) == 2000.0
    assert sounding_hz(4480, cloned(1280.0)) == 4480 * 4 / 2
    assert max(sounding_hz(hz, cloned(5000.0)) for hz in TABLE_HZ) <= 11_000


@pytest.mark.parametrize(("speed", "samples"), [(1.0, 12_000), (0.5, 24_000), (2.0, 6_000), (0.7, 17_143)])
def test_words_follow_one_another_at_the_speed(speed: float, samples: int) -> None:
    score = Score.of("one, two", DEFAULT, speed)
    assert score.timings == (WordTiming(0, samples, 0, 3), WordTiming(samples, 2 * samples, 5, 8))
    assert score.samples == 2 * samples
    assert dominant(score.audio(samples, 2 * samples)) == pytest.approx(560, abs=2)


@pytest.mark.parametrize("step", [1, 7, 1920, 11_999, 12_000, 12_001, 100_000])
def test_any_cut_of_the_audio_joins_to_the_whole(step: int) -> None:
    score = Score.of("seven eight hello" if step > 1 else "one", Timbre("t", 1.1), 2.0)
    cuts = range(0, score.samples, step)
    assert np.array_equal(np.concatenate([score.audio(at, at + step) for at in cuts]), score.audio(0, score.samples))
    starts = [timing for at in cuts for timing in score.starting(at, at + step)]
    assert tuple(starts) == score.timings


def test_the_audio_is_one_expression() -> None:
    text = "null, eins; Hello you zwei"
    n = 12_000
    at = np.arange(n)
    hz = np.array([[word.hz] for word in words(text)])
    ramp = np.minimum(1, np.minimum(at, n - 1 - at) / 600)
    expected = np.rint(32767 * 0.5 * ramp * np.sin(2 * np.pi * hz * (at / RATE))).astype(np.int16).ravel()
    score = Score.of(text, DEFAULT, 1.0)
    assert np.array_equal(score.audio(0, score.samples), expected)


def test_nothing_to_say_is_no_audio() -> None:
    score = Score.of("...", DEFAULT, 1.0)
    assert (score.samples, score.timings, score.audio(0, 1920).tolist()) == (0, (), [])
