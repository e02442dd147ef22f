"""When a listener in real time runs dry: the model's fault, never the listener's own."""

from __future__ import annotations

import pytest

from voicegw.services.playback import BUFFERED_S, Playback

RATE = 1000.0


def dry(*given: tuple[float, int, bool]) -> list[bool]:
    """Play pieces: when each comes, how many samples it has, and whether it was waited for."""
    playback = Playback(RATE)
    return [playback.runs_dry(samples, now, awaited=awaited) for now, samples, awaited in given]


def test_the_first_piece_is_never_late() -> None:
    assert dry((1e6, 100, True)) == [False]


def test_in_time_is_not_late() -> None:
    assert dry((5.0, 100, True), (5.1, 100, True), (5.2, 100, True)) == [False] * 3


@pytest.mark.parametrize(("late_s", "counts"), [(0.0, False), (BUFFERED_S - 0.01, False), (BUFFERED_S + 0.01, True)])
def test_late_by_more_than_players_hold(late_s: float, counts: bool) -> None:
    assert dry((5.0, 100, True), (5.1 + late_s, 100, True)) == [False, counts]


def test_small_delays_add_up() -> None:
    pieces = [(5.0 + 0.13 * n, 100, True) for n in range(9)]  # each 30 ms later than the one before was played
    assert dry(*pieces) == [n in (4, 8) for n in range(9)]


def test_after_a_pause_playing_begins_anew() -> None:
    assert dry((0.0, 100, True), (9.0, 100, True), (9.1, 100, True)) == [False, True, False]


def test_who_takes_late_what_was_there_has_itself_to_blame() -> None:
    assert dry((0.0, 100, True), (60.0, 100, False), (60.1, 100, True)) == [False] * 3


def test_what_comes_early_is_played_later() -> None:
    assert dry((0.0, 5000, True), (0.1, 5000, True), (10.05, 100, True), (10.5, 1, True)) == [False, False, False, True]


def test_no_samples_are_no_news() -> None:
    assert dry((0.0, 0, True), (50.0, 100, True), (51.0, 0, True), (51.0, 100, True)) == [False, False, False, True]
