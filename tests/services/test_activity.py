"""Where joined speech stood in the whole audio."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.ears import segment
from voicegw.services.activity import Stretch, Timeline

RATE = 100


def timeline(*stretches: tuple[int, int]) -> Timeline:
    made = Timeline(RATE)
    for start, length in stretches:
        made.add(Stretch(start, np.zeros(length, np.int16)))
    return made


def mapped(line: Timeline, start: float, end: float) -> tuple[float, float]:
    found = line.segment(segment(0, start, end, "x"))
    assert (found.words[0].start_s, found.words[0].end_s) == (found.start_s, found.end_s)
    assert found.seek == round(100 * found.start_s)
    return round(found.start_s, 6), round(found.end_s, 6)


PAUSED = ((100, 100), (300, 50), (350, 50), (500, 100))
"""Speech from 1 to 2 s, from 3 to 4 s in two pieces that touch, from 5 to 6 s."""


@pytest.mark.parametrize(
    ("joined", "whole"),
    [
        ((0.0, 1.0), (1.0, 2.0)),
        ((0.25, 0.5), (1.25, 1.5)),
        ((1.0, 2.0), (3.0, 4.0)),
        ((1.4, 1.6), (3.4, 3.6)),
        ((0.5, 1.5), (1.5, 3.5)),
        ((2.0, 3.0), (5.0, 6.0)),
        ((0.0, 3.0), (1.0, 6.0)),
        ((2.9, 3.2), (5.9, 6.2)),
        ((1.0, 1.0), (3.0, 3.0)),
    ],
)
def test_times_are_those_of_the_whole_audio(joined: tuple[float, float], whole: tuple[float, float]) -> None:
    assert mapped(timeline(*PAUSED), *joined) == whole


def test_speech_from_the_beginning_keeps_its_times() -> None:
    assert mapped(timeline((0, 10), (10, 90)), 0.2, 0.7) == (0.2, 0.7)


def test_where_there_is_no_speech_times_stay() -> None:
    assert mapped(timeline(), 0.2, 0.7) == (0.2, 0.7)
