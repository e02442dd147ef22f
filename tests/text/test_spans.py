"""Text that knows its source: edits compose, and every character keeps its span."""

from __future__ import annotations

import random

import pytest

from voicegw.text.spans import Edit, MappedText, removal

LETTERS = [
    "a",
    "b",
    " ",
    "\n",
    "\u0301",
    "\u200d",
    "\U0001f468",
    "\ud800",
    "\u05d0",
    "\u6f22",
    "\x00",
    "\ufb01",
    "\u202e",
]
Spans = list[tuple[str, int, int]]


def letter_by_letter(text: str) -> Spans:
    return [(letter, at, at + 1) for at, letter in enumerate(text)]


def by_hand(spans: Spans, edits: list[Edit]) -> Spans:
    """Make edits on a list of characters with their spans, one at a time from the back."""
    made = list(spans)
    for start, end, new in reversed(edits):
        behind = spans[start - 1][2] if start else 0
        before = min(behind, spans[start][1]) if start < len(spans) else behind
        source = (spans[start][1], spans[end - 1][2]) if start < end else (before, behind)
        made[start:end] = [(letter, *source) for letter in new]
    return made


def some_edits(chance: random.Random, length: int) -> list[Edit]:
    """Draw edits that touch, are empty, insert at one place, delete, replace."""
    bounds = sorted(chance.choices(range(length + 1), k=2 * chance.randint(0, 4)))
    news = ("", "", "x", "yz", "\U0001f468\u200d")
    return [Edit(start, end, chance.choice(news)) for start, end in zip(bounds[::2], bounds[1::2], strict=True)]


def spans_of(mapped: MappedText) -> Spans:
    return [(letter, *mapped.to_source(at, at + 1)) for at, letter in enumerate(mapped.text)]


def test_a_text_is_its_own_source_at_first() -> None:
    assert spans_of(MappedText.of("h\u00e9\U0001f468")) == letter_by_letter("h\u00e9\U0001f468")


@pytest.mark.parametrize(
    ("edits", "text", "spans"),
    [
        ([], "abcd", [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ([Edit(0, 1)], "bcd", [(1, 2), (2, 3), (3, 4)]),
        ([Edit(3, 4)], "abc", [(0, 1), (1, 2), (2, 3)]),
        ([Edit(0, 4)], "", []),
        ([Edit(0, 4, "x")], "x", [(0, 4)]),
        ([Edit(1, 3, "xyz")], "axyzd", [(0, 1), (1, 3), (1, 3), (1, 3), (3, 4)]),
        ([Edit(1, 3, "xy")], "axyd", [(0, 1), (1, 3), (1, 3), (3, 4)]),
        ([Edit(1, 1, "x")], "axbcd", [(0, 1), (1, 1), (1, 2), (2, 3), (3, 4)]),
        ([Edit(0, 0, "x")], "xabcd", [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4)]),
        ([Edit(4, 4, "x")], "abcdx", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 4)]),
        ([Edit(1, 2), Edit(2, 3, "x")], "axd", [(0, 1), (2, 3), (3, 4)]),
        ([Edit(2, 2, "x"), Edit(2, 2, "y")], "abxycd", [(0, 1), (1, 2), (2, 2), (2, 2), (2, 3), (3, 4)]),
    ],
)
def test_an_edit_moves_what_follows_and_keeps_where_it_came_from(
    edits: list[Edit], text: str, spans: list[tuple[int, int]]
) -> None:
    edited = MappedText.of("abcd").edited(edits)
    assert edited.text == text
    assert [edited.to_source(at, at + 1) for at in range(len(text))] == spans


@pytest.mark.parametrize("seed", range(300))
def test_stages_compose_as_if_each_character_were_carried_by_hand(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same edits each time
    text = "".join(chance.choices(LETTERS, k=chance.randint(0, 14)))
    mapped, spans = MappedText.of(text), letter_by_letter(text)
    for _ in range(4):
        edits = some_edits(chance, len(spans))
        mapped, spans = mapped.edited(edits), by_hand(spans, edits)
        assert spans_of(mapped) == spans
        assert [start for _, start, _ in spans] == sorted(start for _, start, _ in spans)
        for start in range(len(spans) + 1):
            for end in range(start + 1, len(spans) + 1):
                assert mapped.to_source(start, end) == (spans[start][1], spans[end - 1][2])


@pytest.mark.parametrize("seed", range(100))
def test_a_place_in_the_source_is_found_again(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same edits each time
    mapped = MappedText.of("abcdefgh")
    for _ in range(3):
        mapped = mapped.edited(some_edits(chance, len(mapped.text)))
        begins = [start for _, start, _ in spans_of(mapped)]
        for position in range(10):
            expected = next((at for at, start in enumerate(begins) if start >= position), len(begins))
            assert mapped.from_source(position) == expected


def test_an_empty_span_lies_behind_the_character_before_it() -> None:
    mapped = MappedText.of("abcd").edited([Edit(1, 3)])
    assert [mapped.to_source(at, at) for at in range(3)] == [(0, 0), (1, 1), (4, 4)]


def test_what_is_deleted_inside_of_a_word_belongs_to_it_and_what_is_deleted_around_it_does_not() -> None:
    mapped = MappedText.of("**un**do**").edited([Edit(0, 2), Edit(4, 6), Edit(8, 10)])
    assert mapped.text == "undo"
    assert mapped.to_source(0, 4) == (2, 8)


def test_part_of_a_respelling_stands_for_the_whole_word() -> None:
    mapped = MappedText.of("a Dr.").edited([Edit(2, 5, "Doctor")])
    assert mapped.to_source(4, 6) == (2, 5)
    assert mapped.edited([Edit(5, 8)]).to_source(2, 5) == (2, 5)
    assert mapped.edited([Edit(4, 4, "-")]).to_source(4, 5) == (2, 5)


def test_what_stands_for_the_same_ends_together() -> None:
    mapped = MappedText.of("ab nginx cd").edited([Edit(3, 8, "engine x"), Edit(9, 11, "see dee")])
    assert [mapped.unit_end(at) for at in (0, 1, 2)] == [1, 2, 3]
    assert {mapped.unit_end(at) for at in range(3, 11)} == {11}
    assert mapped.unit_end(11) == 12
    assert {mapped.unit_end(at) for at in range(12, 19)} == {19}
    assert [mapped.unit_end(at) for at in (-1, 19, 50)] == [0, 20, 51]


@pytest.mark.parametrize(("start", "end"), [(-1, 0), (1, 0), (0, 5), (5, 5)])
def test_a_span_outside_of_the_text_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no span of a text of 4 characters"):
        MappedText.of("abcd").to_source(start, end)


@pytest.mark.parametrize(
    "edits", [[Edit(0, 5)], [Edit(-1, 2)], [Edit(2, 1)], [Edit(0, 2), Edit(1, 3)], [Edit(2, 3), Edit(0, 1)]]
)
def test_edits_that_overlap_or_lie_outside_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="out of order or outside"):
        MappedText.of("abcd").edited(edits)


def test_memory_follows_the_edits_and_not_the_text() -> None:
    text = "word " * 20_000
    assert len(MappedText.of(text).map.starts) == 1
    edited = MappedText.of(text).edited([Edit(10, 12), Edit(50_000, 50_000, "and some more")])
    assert len(edited.map.starts) == 4


def test_runs_that_go_on_from_one_another_are_one() -> None:
    nothing = MappedText.of("abcd").edited([Edit(1, 1), Edit(3, 3)])
    assert len(nothing.map.starts) == 1
    cut_up = MappedText.of("abcd").edited([Edit(0, 4, "xyz")]).edited([Edit(1, 2)])
    assert (cut_up.text, len(cut_up.map.starts)) == ("xz", 1)


@pytest.mark.timeout(20)
def test_a_hundred_thousand_edits_are_linear() -> None:
    mapped = MappedText.of("ab" * 100_000)
    for _ in range(2):
        mapped = mapped.edited(Edit(at, at + 1, "xy") for at in range(0, len(mapped.text), 2))
    assert mapped.to_source(0, len(mapped.text)) == (0, 200_000)
    assert mapped.map.starts.itemsize * 3 == 24


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("one # two", "one two"),
        ("one#two", "one two"),
        ("one#", "one"),
        ("#  one", "one"),
        ("one #", "one "),
        ("one#, two", "one, two"),
        ("one# two", "one two"),
        ("one\n# two", "one\ntwo"),
        ("#", ""),
    ],
)
def test_what_is_taken_out_between_words_leaves_one_space(text: str, left: str) -> None:
    at = text.index("#")
    assert MappedText.of(text).edited([removal(text, at, at + 1)]).text == left
