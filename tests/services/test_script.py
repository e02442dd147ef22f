"""From a prepared text to segments and pauses, with their places in what the caller wrote."""

from __future__ import annotations

from voicegw.services.script import Line, Pause, lines, written
from voicegw.text.segment import Segment
from voicegw.text.stages import Prepared, prepare

LONG = " ".join(f"Sentence number {number} is here." for number in range(20))


def script(text: str, max_chars: int = 100, first_chars: int | None = None) -> list[Line]:
    return list(lines(prepare(text), max_chars=max_chars, first_chars=first_chars))


def said(found: list[Line]) -> list[str | float]:
    return [line.text if isinstance(line, Segment) else line.seconds for line in found]


def test_pauses_stand_between_segments() -> None:
    text = '[pause 1s]One, [pause 500ms] two. <break time="0.25s"/>Three [pause 2s]'
    assert said(script(text)) == [1.0, "One,", 0.5, "two.", 0.25, "Three", 2.0]


def test_without_pauses_it_is_what_the_segmenter_gives() -> None:
    whole = script(LONG)
    assert len(whole) > 3
    assert " ".join(str(part) for part in said(whole)) == LONG


def test_places_are_those_of_the_whole_text() -> None:
    text = "One two. [pause 1s] **Three** four [pause 1s] five."
    prepared = prepare(text)
    parts = [line for line in lines(prepared, max_chars=100) if isinstance(line, Segment)]
    assert [prepared.text.text[part.start :][: len(part.text)] for part in parts] == [part.text for part in parts]
    assert [written(prepared, text, part.start, part.start + len(part.text)) for part in parts] == [
        "One two.",
        "Three** four",
        "five.",
    ]


def test_only_the_first_segment_is_short() -> None:
    text = f"[pause 1s] {LONG} [pause 1s] {LONG}"
    first, *others = [part for part in script(text, 160, 30) if isinstance(part, Segment)]
    assert len(first.text) <= 30
    assert all(len(part.text) > 30 for part in others)


def test_nothing_to_speak_gives_no_segment() -> None:
    for text in ("", "...", "\U0001f600", "---\n", "**"):
        assert script(text) == []
    assert script("[pause 1s]") == [Pause(1.0)]


def test_what_a_model_says_of_characters_beyond_the_text_is_bounded() -> None:
    prepared: Prepared = prepare("**one** two")
    assert written(prepared, "**one** two", 0, 3) == "one"
    assert written(prepared, "**one** two", 4, 999) == "two"
    assert written(prepared, "**one** two", -5, 3) == "one"
    assert written(prepared, "**one** two", 50, 60) == ""
    assert written(prepared, "**one** two", 5, 2) == ""
