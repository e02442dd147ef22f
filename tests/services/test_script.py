"""From a prepared text to segments and pauses, with their places in what the caller wrote."""

from __future__ import annotations

from voicegw.backend import Mark
from voicegw.services.script import Line, Pause, lines, marks_of, pronunciations, together, written
from voicegw.text.lexicon import Lexicon
from voicegw.text.segment import Segment, split_to_fit
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


LEXICON = Lexicon.of({"en": {"tomato": {"ipa": "T"}, "New York": {"ipa": "NY"}, "nginx": "engine x"}})


def marked(text: str, max_chars: int = 100) -> list[tuple[str, list[tuple[str, str]]]]:
    """Give every segment with the words in it that are marked, and their sounds."""
    prepared = prepare(text, lexicon=LEXICON, language="en-gb")
    parts = [line for line in lines(prepared, max_chars=max_chars) if isinstance(line, Segment)]
    found = [(part, marks_of(part, pronunciations(prepared))) for part in parts]
    return [(part.text, [(part.text[m.start : m.end], m.value) for m in marks]) for part, marks in found]


def test_every_segment_has_its_own_marks_in_its_own_places() -> None:
    text = f"A tomato, nginx and *tomato*. [pause 1s] {LONG} New York tomato."
    first, *middle, last = marked(text)
    assert first == ("A tomato, engine x and tomato.", [("tomato", "T")] * 2)
    assert all(not marks for _, marks in middle)
    assert last[1] == [("New York", "NY"), ("tomato", "T")]


def test_a_segment_that_is_split_again_takes_its_marks_along() -> None:
    prepared = prepare("One tomato, two tomato, New York.", lexicon=LEXICON, language="en")
    (part,) = [line for line in lines(prepared, max_chars=100) if isinstance(line, Segment)]
    pieces = split_to_fit(part, 12)
    marks = [marks_of(piece, pronunciations(prepared)) for piece in pieces]
    assert len(pieces) > 2
    told = [piece.text[mark.start : mark.end] for piece, own in zip(pieces, marks, strict=True) for mark in own]
    assert told == ["tomato", "tomato", "New York"]


def test_a_mark_over_a_cut_is_left_out() -> None:
    marks = (Mark(0, 3, "ipa", "a"), Mark(4, 9, "ipa", "b"), Mark(10, 12, "ipa", "c"))
    assert marks_of(Segment("xxx xxx", 0, 8), marks) == (marks[0],)
    assert marks_of(Segment("xxxx xx", 5, 12), marks) == (Mark(5, 7, "ipa", "c"),)
    assert marks_of(Segment("x", 12, 13), marks) == ()


def test_words_that_stand_together_end_with_the_last_that_is_heard() -> None:
    lexicon = Lexicon.of({"*": {"Dr": "doctor (of letters)", "a": "b."}})
    prepared = prepare("Dr a", lexicon=lexicon)
    assert prepared.text.text == "doctor (of letters) b."
    assert [together(prepared, at) for at in (0, 3, 9, 17)] == [18] * 4
    assert [together(prepared, at) for at in (19, 20, 21, 99)] == [20, 21, 22, 100]


def test_pauses_are_no_pronunciations() -> None:
    prepared = prepare("[pause 1s] tomato [pause 1s]", lexicon=LEXICON, language="en")
    assert [mark.kind for mark in pronunciations(prepared)] == ["ipa"]
