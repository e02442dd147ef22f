"""Marks of pauses: what is one, how long it is, and what is left of the text."""

from __future__ import annotations

import pytest

from voicegw.text.pauses import LONGEST_S, TOGETHER_S, find_pauses
from voicegw.text.spans import MappedText


def taken(text: str) -> tuple[str, list[float]]:
    edits, pauses = find_pauses(text)
    return MappedText.of(text).edited(edits).text, [pause.seconds for pause in pauses]


@pytest.mark.parametrize(
    ("mark", "seconds"),
    [
        ("[pause 500ms]", 0.5),
        ("[pause 1.5s]", 1.5),
        ("[pause 1,5 s]", 1.5),
        ("[PAUSE .5S]", 0.5),
        ("[pause\t2s ]", 2.0),
        ('<break time="300ms"/>', 0.3),
        ('<break time="1.5s" />', 1.5),
        ("<break time='1s'>", 1.0),
        ('<BREAK  time = "1s"></break>', 1.0),
        ("[pause 10s]", LONGEST_S),
        ("[pause 10.001s]", LONGEST_S),
        ("[pause 999999s]", LONGEST_S),
    ],
)
def test_a_pause_is_read_and_bounded(mark: str, seconds: float) -> None:
    assert taken(f"one {mark} two") == ("one two", [seconds])


@pytest.mark.parametrize(
    "text",
    [
        "[pause]",
        "[pause soon]",
        "[pause 5]",
        "[pause -1s]",
        "[pause 5min]",
        "[pause 1.5.2s]",
        "[pause 9999999s]",
        "[pause \u0665s]",
        "pause 5s",
        "<break time=\"1s'/>",
        "<break/>",
        '<break strength="weak"/>',
        '<breaktime="1s"/>',
    ],
)
def test_what_is_no_pause_stays(text: str) -> None:
    assert taken(text) == (text, [])


@pytest.mark.parametrize("mark", ["[pause 0s]", "[pause 0.0ms]"])
def test_a_pause_of_nothing_is_taken_out_only(mark: str) -> None:
    assert taken(f"a {mark} b") == ("a b", [])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("one[pause 1s]two", "one two"),
        ("one[pause 1s].", "one."),
        ("[pause 1s] one", "one"),
        ("one [pause 1s]", "one "),
        ("one [pause 1s]\ntwo", "one \ntwo"),
        ("one.\n[pause 1s]\ntwo", "one.\n\ntwo"),
        ("[pause 1s]", ""),
    ],
)
def test_a_pause_leaves_neither_two_spaces_nor_none(text: str, left: str) -> None:
    assert taken(text) == (left, [1.0])


def test_pauses_that_follow_each_other_are_one() -> None:
    text = "a [pause 1s] <break time='2s'/>[pause 500ms] b"
    assert taken(text) == ("a b", [3.5])
    assert taken("a [pause 9s][pause 9s] b") == ("a b", [LONGEST_S])


def test_a_pause_is_placed_behind_its_mark() -> None:
    text = "a [pause 1s] b <break time='2s'/>"
    assert [text[: pause.at] for pause in find_pauses(text)[1]] == ["a [pause 1s]", text]


def test_all_pauses_of_a_text_together_are_bounded() -> None:
    left, seconds = taken("a [pause 7s] " * 1000)
    assert left == "a " * 1000
    assert sum(seconds) == TOGETHER_S
    assert seconds[-1] == pytest.approx(TOGETHER_S % 7)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "hostile", ["[pause ", "[pause 1", "<break ", '<break time="', "<break time=\"1s' ", "[pause 1s] ", " ", "[", "9"]
)
def test_hostile_texts_take_linear_time(hostile: str) -> None:
    edits, _ = find_pauses((hostile * 100_000)[:100_000])
    assert all(edit.end > edit.start for edit in edits)


@pytest.mark.timeout(20)
def test_a_long_gap_inside_of_a_mark_takes_linear_time() -> None:
    gap = " " * 100_000
    assert taken(f"[pause{gap}1s]") == ("", [1.0])
    assert taken(f"<break{gap}time{gap}={gap}") == (f"<break{gap}time{gap}={gap}", [])
