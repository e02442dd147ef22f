"""Segments that would jump are joined; all others are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.audio.sounds import Pcm, cut, largest_step, speechlike
from voicegw.audio.seam import SeamSmoother

HIGH, LOW = round(0.9 * 32_767), round(-0.9 * 32_767)


def joined(segments: list[Pcm], sizes: int | tuple[int, ...] | None = None, rate: int = 24_000) -> Pcm:
    smoother = SeamSmoother(rate)
    out = []
    for segment in segments:
        smoother.seam()
        out += [smoother.push(piece) for piece in (cut(segment, sizes) if sizes else [segment])]
    return np.concatenate(out)


def ramp(start: int, end: int, samples: int = 2_000) -> Pcm:
    return np.linspace(start, end, samples).astype(np.int16)


def test_a_step_at_the_seam_is_spread_over_five_milliseconds() -> None:
    before, after = ramp(0, HIGH), ramp(LOW, 0)
    audio = joined([before, after])
    assert len(audio) == len(before) + len(after)
    assert np.array_equal(audio[:2_000], before)
    assert audio[2_000] == HIGH  # no step at all
    assert np.array_equal(audio[2_120:], after[120:])
    assert not np.array_equal(audio[2_119:2_120], after[119:120])
    slope = (HIGH - LOW) / 120
    assert largest_step(audio) <= slope + largest_step(before) + 1


def test_the_step_at_the_seam_is_never_above_the_largest_inside() -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        first, second = (
            (speechlike(int(random.integers(1, 900)), seed=int(random.integers(99))) * random.uniform(0, 2)).clip(
                -32_768, 32_767
            )
            for _ in range(2)
        )
        segments = [np.roll(one, int(random.integers(900))).astype(np.int16) for one in (first, second)]
        audio = joined(segments)
        at = len(segments[0])
        assert abs(int(audio[at]) - int(audio[at - 1])) <= max(largest_step(one) for one in segments)


def test_a_step_no_larger_than_those_inside_is_left_alone() -> None:
    before = np.array([0, 1_000, 2_000], np.int16)
    after = np.array([1_000, 1_500], np.int16)
    assert np.array_equal(joined([before, after]), np.concatenate([before, after]))
    just_over = np.array([999, 1_500], np.int16)
    assert joined([before, just_over])[3] == 2_000


def test_the_offset_is_clipped_not_wrapped() -> None:
    before = ramp(30_000, 32_000)
    after = np.full(300, 31_000, np.int16)
    after[0] = -31_000
    audio = joined([before, after])
    assert audio[2_000] == 32_000
    assert audio[2_001] == 32_767
    assert audio[2_000:].min() >= 31_000


@pytest.mark.parametrize("sizes", [1, 7, 119, 120, 121, (1, 0, 250)])
def test_how_the_audio_is_cut_changes_nothing(sizes: int | tuple[int, ...]) -> None:
    segments = [ramp(0, HIGH), ramp(LOW, HIGH, 50), ramp(LOW, 0, 1), ramp(HIGH, LOW, 400)]
    assert np.array_equal(joined(segments, sizes), joined(segments))


@pytest.mark.parametrize("place", [0, 1, 11_998, 11_999, 12_000, 12_001, 23_999, 24_000, 29_998])
def test_a_step_anywhere_in_a_long_segment_is_remembered(place: int) -> None:
    before = np.zeros(30_000, np.int16)
    before[: place + 1] = HIGH  # falls by HIGH after this sample
    after = np.full(300, HIGH, np.int16)
    assert np.array_equal(joined([before, after], 1_920), np.concatenate([before, after]))
    assert not np.array_equal(joined([before[place + 1 :], after], 1_920)[-300:], after)


def test_a_segment_shorter_than_the_fade_hands_over_what_was_sent() -> None:
    audio = joined([ramp(0, HIGH), np.full(10, LOW, np.int16), np.full(500, LOW, np.int16)])
    assert audio[2_009] > 0  # still on its way down
    assert abs(int(audio[2_010]) - int(audio[2_009])) <= 14  # the largest step inside the first ramp
    assert audio[-1] == LOW


def test_a_seam_after_silence_is_joined_too() -> None:
    audio = joined([np.zeros(100, np.int16), np.full(200, 5_000, np.int16)])
    assert audio[100] == 0
    assert largest_step(audio) <= 5_000 / 120 + 1


def test_the_beginning_of_the_audio_is_no_seam() -> None:
    loud = np.full(200, HIGH, np.int16)
    assert np.array_equal(joined([loud]), loud)


def test_seams_without_audio_between_count_once() -> None:
    smoother = SeamSmoother(24_000)
    before = smoother.push(ramp(0, HIGH))
    smoother.seam()
    assert len(smoother.push(np.empty(0, np.int16))) == 0
    smoother.seam()
    after = smoother.push(np.full(200, LOW, np.int16))
    assert after[0] == before[-1]


def test_a_fade_is_no_part_of_the_steps_inside_segments() -> None:
    flat = [np.full(300, level, np.int16) for level in (0, HIGH, HIGH - 100)]
    audio = joined(flat)
    assert audio[600] == HIGH  # the fade before went 246 a sample; the segments themselves never moved


def test_the_fade_lasts_as_long_at_another_rate() -> None:
    audio = joined([ramp(0, HIGH), np.full(500, LOW, np.int16)], rate=8_000)
    assert (audio[2_000:] != LOW).sum() == 40


def test_where_it_stops_loud_a_short_way_leads_to_silence() -> None:
    smoother = SeamSmoother(24_000)
    assert len(smoother.rest()) == 0
    smoother.push(np.full(300, HIGH, np.int16))
    way = smoother.rest()
    assert len(way) == 120
    assert way[-1] == 0
    assert largest_step(np.concatenate([[HIGH], way])) <= HIGH / 120 + 1
    assert len(smoother.rest()) == 0
    again = smoother.push(np.full(300, HIGH, np.int16))
    assert again[0] == 0  # from the silence up, as at any seam
    assert again[-1] == HIGH


def test_where_it_stops_softly_nothing_is_added() -> None:
    smoother = SeamSmoother(24_000)
    smoother.push(np.array([0, 900, 800], np.int16))
    assert len(smoother.rest()) == 0
