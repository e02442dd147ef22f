"""Stretched speech: as long as asked for, at the same pitch, whole, however it is cut, and where it says it is."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from tests.audio.sounds import Pcm, bursts, cut, largest_step, onset_s, speechlike
from voicegw.audio.stretch import MAX_SPEED, MIN_SPEED, Stretcher

SPEEDS = [0.25, 0.4, 0.5, 0.75, 0.97, 1.1, 1.5, 2.0, 2.6, 4.0]
EVERY_SPEED = pytest.mark.parametrize("speed", SPEEDS)


def stretched(pcm: Pcm, speed: float, sizes: int | tuple[int, ...] | None = None, rate: int = 24_000) -> Pcm:
    stretcher = Stretcher(speed, rate)
    pieces = cut(pcm, sizes) if sizes else [pcm]
    return np.concatenate([*(stretcher.push(piece) for piece in pieces), stretcher.finish()])


def voice(pitch: float, samples: int, rate: int = 24_000) -> Pcm:
    """A steady sound with ten harmonics."""
    phase = 2 * np.pi * pitch * np.arange(samples) / rate
    return np.asarray(sum(np.cos(k * phase + k * k) * 4000 / k for k in range(1, 11))).astype(np.int16)


@EVERY_SPEED
@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 48_000])
def test_it_lasts_as_long_as_the_speed_says(speed: float, rate: int) -> None:
    samples = 6 * rate
    surplus = len(stretched(speechlike(samples, rate), speed, rate=rate)) - samples / speed
    assert -1 <= surplus <= 0.005 * samples / speed + 0.005 * rate


@EVERY_SPEED
@pytest.mark.parametrize("samples", [1, 7, 480, 2_000])
def test_short_sounds_are_not_swallowed(speed: float, samples: int) -> None:
    pcm = np.full(samples, 9_000, np.int16)
    audio = stretched(pcm, speed)
    assert -1 <= len(audio) - samples / speed <= 0.02 * 24_000
    assert audio.max() > 8_000


@EVERY_SPEED
@pytest.mark.parametrize("pitch", [90.0, 210.0])
def test_the_pitch_is_kept(speed: float, pitch: float) -> None:
    audio = stretched(voice(pitch, 72_000), speed)
    middle = audio[len(audio) // 4 : -len(audio) // 4].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 2**19))
    frequency = np.fft.rfftfreq(2**19, 1 / 24_000)
    assert frequency[np.argmax(spectrum)] == pytest.approx(pitch, rel=0.01)
    harmonic = np.abs(frequency - pitch * np.maximum(1, np.rint(frequency / pitch))) < 10
    power = spectrum**2
    assert 10 * np.log10(power[harmonic].sum() / power[~harmonic].sum()) > 20


@EVERY_SPEED
@pytest.mark.parametrize("sizes", [37, 480, (1, 5_000, 0, 333)])
def test_how_the_audio_is_cut_changes_no_sample(speed: float, sizes: int | tuple[int, ...]) -> None:
    pcm = speechlike(20_000)
    assert np.array_equal(stretched(pcm, speed, sizes), stretched(pcm, speed))


@EVERY_SPEED
def test_no_click_is_added(speed: float) -> None:
    pcm = voice(150, 48_000)
    assert largest_step(stretched(pcm, speed, 480)[1:-1]) <= 1.3 * largest_step(pcm)


@EVERY_SPEED
def test_first_samples_come_early(speed: float) -> None:
    stretcher = Stretcher(speed, 24_000)
    given = [len(stretcher.push(piece)) for piece in cut(speechlike(4_800), 240)]
    assert any(given[: 10 if speed <= 2 else 22])
    assert not given[0]


@EVERY_SPEED
def test_what_is_spoken_last_is_heard(speed: float) -> None:
    pcm = np.concatenate([np.zeros(24_000, np.int16), voice(300, 1_200)])
    audio = stretched(pcm, speed).astype(float)
    tail = audio[-round(1_200 / speed) :]
    assert np.sqrt((tail**2).mean()) > 0.5 * voice(300, 1_200).std()


def test_at_normal_speed_nothing_is_touched() -> None:
    stretcher = Stretcher(1.0, 24_000)
    pcm = speechlike(1_000)
    assert stretcher.push(pcm) is pcm
    assert len(stretcher.finish()) == 0
    assert stretcher.samples_in == stretcher.samples_out == 1_000
    assert stretcher.output_of(417.5) == 417.5


@pytest.mark.parametrize("speed", [0.3, 1.4, 3.0])
def test_after_finish_it_starts_anew(speed: float) -> None:
    pcm = speechlike(9_000)
    stretcher = Stretcher(speed, 24_000)
    first, second = (np.concatenate([stretcher.push(pcm), stretcher.finish()]) for _ in range(2))
    assert np.array_equal(first, second)
    assert len(stretcher.finish()) == len(stretcher.push(pcm[:0])) == 0
    assert (stretcher.samples_in, stretcher.samples_out) == (18_000, 2 * len(first))
    assert stretcher.output_of(9_000) == len(first)


@pytest.mark.parametrize("speed", [MIN_SPEED - 0.01, MAX_SPEED + 0.01, 0.0, -1.0, float("nan")])
def test_a_speed_out_of_range_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"from 0\.25 to 4"):
        Stretcher(speed, 24_000)


@EVERY_SPEED
def test_onsets_are_where_the_clock_says(speed: float) -> None:
    pcm, starts = bursts()
    stretcher = Stretcher(speed, 24_000)
    audio = np.concatenate([*(stretcher.push(piece) for piece in cut(pcm, 2_400)), stretcher.finish()])
    late = [onset_s(audio, place / 24_000) - place / 24_000 for place in map(stretcher.output_of, starts)]
    # Below 0.5 two filters one after the other repeat what is around an onset.
    tolerance = 0.02 if speed >= 0.5 else 0.02 / speed
    assert max(map(abs, late)) <= tolerance


@EVERY_SPEED
def test_the_clock_never_goes_back_and_ends_with_the_audio(speed: float) -> None:
    stretcher = Stretcher(speed, 24_000)
    audio = [stretcher.push(speechlike(30_000))]
    before = [stretcher.output_of(sample) for sample in range(0, 60_000, 100)]
    audio.append(stretcher.finish())
    after = [stretcher.output_of(sample) for sample in range(0, 60_000, 100)]
    assert before == sorted(before)
    assert after == sorted(after)
    assert before[:200] == after[:200]
    assert stretcher.output_of(0) == 0
    assert stretcher.output_of(30_000) == sum(map(len, audio))
    assert max(abs(here - there) for here, there in zip(before, after, strict=True)) < 0.1 * 24_000


def test_no_thread_is_started() -> None:
    before = psutil.Process().num_threads()
    running = [Stretcher(1.3, 24_000) for _ in range(4)]
    assert all(len(stretcher.push(speechlike(4_800))) for stretcher in running)
    assert psutil.Process().num_threads() <= before


def test_full_scale_is_clipped_not_wrapped() -> None:
    square = np.where(np.arange(24_000) // 60 % 2, 32_767, -32_768).astype(np.int16)
    audio = stretched(square, 1.3)
    assert audio.max() == 32_767
    assert audio.min() == -32_768
    assert np.abs(audio[1_000:-1_000].astype(int)).mean() > 30_000
