"""What counts of several runs, and when a goal is missed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from benchmarks.goals import Goal, measured, options, told


@pytest.mark.parametrize(
    ("goal", "values", "counts", "met"),
    [
        (Goal("x", most=5), [7, 4, 6], 4, True),
        (Goal("x", most=3), [7, 4, 6], 4, False),
        (Goal("x", least=5), [7, 4, 6], 7, True),
        (Goal("x", least=8), [7, 4, 6], 7, False),
        (Goal("x", most=5, every=True), [7, 4, 6], 7, False),
        (Goal("x", least=5, every=True), [7, 4, 6], 4, False),
        (Goal("x", most=7, every=True), [7, 4, 6], 7, True),
        (Goal("x", most=1, least=1, every=True), [1, 1], 1, True),
        (Goal("x", most=1, least=1, every=True), [1, 0], 0, False),
        (Goal("x", most=5), [4, math.nan], math.nan, False),
        (Goal("x"), [4, 9], 4, True),
    ],
)
def test_what_counts(goal: Goal, values: list[float], counts: float, met: bool) -> None:
    assert goal.counted(values) == pytest.approx(counts, nan_ok=True)
    assert goal.met(values) is met


def test_a_table_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    goals = (Goal("fast, ms", most=5), Goal("right", most=0, least=0, every=True), Goal("beside"))
    figures = [{"fast, ms": 7, "right": 0, "beside": 1}, {"fast, ms": 4, "right": 0, "beside": 2}]
    assert told(goals, figures, [0.5, 1.5]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["run", "1", "run", "2", "counts", "goal"]
    assert shown[1].split() == ["fast,", "ms", "7", "4", "4", "at", "most", "5"]
    assert shown[2].split() == ["right", "0", "0", "0", "0"]
    assert shown[3].split() == ["beside", "1", "2"]
    assert shown[4].split() == ["load", "average", "0.50", "1.50"]
    assert told(goals, [{"fast, ms": 4, "right": 1, "beside": 0}], [0]) == 1
    assert "MISSED" in capsys.readouterr().out.splitlines()[2]


def test_runs_are_made_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    made: list[int] = []

    async def run() -> Mapping[str, float]:
        made.append(len(made))
        return {"x": made[-1]}

    assert measured([Goal("x", most=0)], run, 3) == 0
    assert made == [0, 1, 2]
    assert "at most 0" in capsys.readouterr().out


def test_options_have_the_kind_of_their_defaults() -> None:
    given = options("Measure.\n\nMore.", ["--requests", "5", "--rtf", "0.5"], requests=10, rtf=1.0)
    assert (given.runs, given.requests, given.rtf) == (3, 5, 0.5)
    assert options("Measure.", [], runs=1).runs == 1
    with pytest.raises(SystemExit):
        options("Measure.", ["--requests", "5.5"], requests=10)
