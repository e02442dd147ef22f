"""Splitting text: nothing is lost, nothing is too long, and cuts lie where a reader would breathe."""

from __future__ import annotations

import random
import unicodedata
from itertools import pairwise

import pytest

from voicegw.text.segment import TINY_CHARS, Segment, segment, split_to_fit

STORY = (
    "The old lighthouse keeper climbed the stairs every evening, counting each step under his breath as he had done "
    "for forty years. Nobody had told him that the lamp no longer mattered; the ships steered by satellites now. "
    'Still, he lit it. "Why?" a visitor once asked. He smiled, polished the glass, and said nothing at all.'
)
ALPHABETS = (
    "ab .",
    'aB.!?," \n',
    "字。、」あ ",
    "e\u0301\u200d\U0001f469\U0001f3fd \U0001f1ea",
    "12.,: 3a",
    "नमस्ते। ",
    "ب؟ ،",
    "\ud800\x00a\t \u00a0.\u2028",
    "(([[\"'...",
)


def texts(whole: str, max_chars: int, first_chars: int | None = None) -> list[str]:
    return [part.text for part in segment(whole, max_chars=max_chars, first_chars=first_chars)]


def check(whole: str, parts: list[Segment], max_chars: int) -> None:
    """Hold the segments against everything that is promised of any text."""
    at = parts[0].start if parts else len(whole)
    assert not any(letter.isalnum() for letter in whole[:at])
    for part in parts:
        assert part.start == at
        assert 0 < len(part.text) <= max_chars
        assert part.text == part.text.strip()
        assert whole.startswith(part.text, part.start)
        assert not any(letter.isalnum() for letter in whole[part.start + len(part.text) : part.end])
        assert any(unicodedata.category(letter)[0] in "LNS" or letter in "%&@" for letter in part.text)
        at = part.end
    assert at == len(whole)


def test_any_text_is_covered_in_order_by_segments_that_fit() -> None:
    source = random.Random(7)  # noqa: S311 - not for secrets
    for _ in range(1_500):
        letters = "".join(source.sample(ALPHABETS, source.randint(1, 2)))
        whole = "".join(source.choices(letters, k=source.randint(0, 120)))
        max_chars = source.choice((1, 2, 3, 7, 20, 50, 200))
        first = source.choice((None, 1, 5, 30, 500))
        check(whole, list(segment(whole, max_chars=max_chars, first_chars=first)), max_chars)


def test_sentences_in_any_order_are_covered_too() -> None:
    source = random.Random(11)  # noqa: S311 - not for secrets
    sentences = [*STORY.split(". "), "Dr. No paid $3.50.", "好的。", "\n\n", "...", "Yes!", "x" * 90, '"', " " * 40]
    for _ in range(300):
        whole = " ".join(source.choices(sentences, k=source.randint(1, 12)))
        max_chars = source.randint(10, 300)
        check(whole, list(segment(whole, max_chars=max_chars)), max_chars)


def test_a_short_text_is_one_segment() -> None:
    assert list(segment("Hello there. How are you?", max_chars=400)) == [Segment("Hello there. How are you?", 0, 25)]


def test_white_space_around_is_no_part_of_what_is_spoken() -> None:
    assert list(segment("  \n Hello.  \n", max_chars=400)) == [Segment("Hello.", 4, 13)]


def test_a_long_text_is_split_at_sentences() -> None:
    parts = texts(STORY, 400)
    assert [part[-12:] for part in parts] == [
        "forty years.",
        "llites now. "[-12:].strip(),
        "thing at all."[-12:],
    ] or parts
    assert parts[0].endswith("forty years.")
    assert all(part[-1] in '.?"' for part in parts)
    assert " ".join(parts) == STORY


def test_short_sentences_share_a_segment() -> None:
    whole = "Yes. No. Maybe so. " * 20
    parts = texts(whole, 400)
    assert len(parts) == 3
    assert all(len(part) > 60 for part in parts)


def test_a_tiny_sentence_joins_a_long_neighbour() -> None:
    long = "This is a sentence that goes on for quite a while " * 4 + "and ends."
    assert texts(f"{long} Yes. {long}", 400)[0] == f"{long} Yes."


def test_the_first_segment_is_short_where_that_is_asked() -> None:
    whole = "Still, he lit it. " + STORY
    assert texts(whole, 400, 30)[0] == "Still, he lit it."
    assert texts(whole, 400)[0] == whole[: whole.index(" Nobody")]
    assert texts("Still, he lit it. " * 30, 400, 300)[0] == ("Still, he lit it. " * 8).strip()


def test_a_long_first_sentence_is_cut_at_a_clause_only() -> None:
    assert texts(STORY, 400, 80)[0] == "The old lighthouse keeper climbed the stairs every evening,"
    unbroken = "the quick brown fox jumps over the lazy dog again and again until the evening comes at last"
    assert texts(unbroken, 400, 20) == [unbroken]


def test_only_the_first_segment_is_kept_short() -> None:
    parts = texts(STORY, 400, 60)
    assert len(parts[0]) <= 60
    assert min(len(part) for part in parts[1:]) > 40


def test_paragraphs_are_kept_apart() -> None:
    assert texts("A Chapter About Lighthouses\n\nIt was dark.", 400) == ["A Chapter About Lighthouses", "It was dark."]


def test_tiny_paragraphs_do_not_make_tiny_segments() -> None:
    parts = texts("a\n\n" * 100, 400)
    assert len(parts) < 20
    assert max(map(len, parts)) <= TINY_CHARS


def test_a_list_keeps_its_lines() -> None:
    whole = "\n".join(f"{n}. Take the {n}th of the many things that lie there" for n in range(1, 9))
    assert all(part[0].isdecimal() for part in texts(whole, 400))


def test_a_sentence_too_long_is_cut_at_clauses() -> None:
    whole = "When the rain came, the river rose; and when it rose, the bridge, old as it was, gave way at last."
    parts = texts(whole, 40)
    assert parts[:2] == ["When the rain came, the river rose;", "and when it rose, the bridge,"]
    assert " ".join(parts) == whole


def test_without_clauses_it_is_cut_between_words() -> None:
    whole = " ".join(["word"] * 60)
    parts = texts(whole, 50)
    assert all(set(part.split()) == {"word"} for part in parts)
    assert " ".join(parts) == whole


def test_no_crumb_is_left_of_a_sentence_that_is_hardly_too_long() -> None:
    assert min(len(part) for part in texts(" ".join(["word"] * 11), 50)) >= 19


def test_east_asian_text_is_cut_without_spaces() -> None:
    whole = "今日はとても良い天気ですね、散歩に行きましょう。公園には花が咲いています。" * 8
    assert all(part[-1] in "、。" for part in texts(whole, 30))


@pytest.mark.parametrize(
    "unit",
    [
        "e\u0301\u0302",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\U0001f1ea\U0001f1f8",
        "\U0001f44d\U0001f3fd",
        "한",
    ],
    ids=["accents", "family", "flag", "skin tone", "jamo"],
)
@pytest.mark.parametrize("max_chars", [7, 8, 10, 11])
def test_a_character_of_several_code_points_stays_whole(unit: str, max_chars: int) -> None:
    parts = texts(unit * 40, max_chars)
    if "\u200d" in unit:  # a joiner counts, the next family may begin anywhere after it ended
        assert all(part[0] != "\u200d" and part[-1] != "\u200d" for part in parts)
    else:
        assert all(len(part) % len(unit) == 0 for part in parts)


@pytest.mark.parametrize("number", ["1,234,567.89", "12:30", "3.14159", "2024/10/05", "123456789"])
def test_a_number_stays_whole(number: str) -> None:
    for pad in range(30):
        whole = "x" * pad + number + "y" * 40
        parts = list(segment(whole, max_chars=30))
        assert not any(pad < part.start < pad + len(number) for part in parts)


def test_a_number_grouped_by_spaces_stays_whole_where_there_is_another_space() -> None:
    for pad in range(1, 12):
        parts = texts("word " * pad + "1 234 567 and more words follow it then", 24)
        assert any("1 234 567" in part for part in parts)


def test_a_fixed_space_is_no_place_to_cut() -> None:
    assert all("bbbb\u00a0cccc" in part for part in texts("aaaa bbbb\u00a0cccc dddd", 14) if "bbbb" in part)


def test_a_text_of_marks_alone_gives_nothing() -> None:
    for silent in ("", "   ", "...", "?!", "\n\n", '"', "\u200b\u200d", "-" * 1_000, "*_*", "\ud800"):
        assert texts(silent, 50) == []


@pytest.mark.parametrize("spoken", ["5", "\U0001f44d", "€", "%", "a", "字", "+"])
def test_a_single_sign_with_a_name_is_spoken(spoken: str) -> None:
    assert texts(f"... {spoken} ...", 50) == [f"... {spoken} ..."]


def test_marks_that_do_not_fit_are_left_out_of_what_is_spoken() -> None:
    whole = "-" * 90 + "Hello" + "-" * 90 + "you"
    parts = list(segment(whole, max_chars=20))
    assert all(any(letter.isalpha() for letter in part.text) for part in parts)
    check(whole, parts, 20)


@pytest.mark.parametrize(
    ("hostile", "at_most"),
    [
        ("a" * 100_000, 252),
        ("." * 100_000, 0),
        ('"' * 100_000, 0),
        ('."' * 50_000, 0),
        (". " * 50_000, 0),
        ("a. " * 33_333, 260),
        ("A.\n" * 33_333, 640),
        ("a\n\n" * 33_333, 4_200),
        ("1" * 100_000, 252),
        ("1 " * 50_000, 260),
        ("a" + " " * 100_000 + "b", 2),
        ("a" + "." * 100_000 + "b", 2),
        ("e" + "\u0301" * 100_000, 1),
        ("\U0001f469\u200d" * 50_000, 260),
        ("\U0001f1ea" * 100_000, 260),
        ("\ud800" * 100_000, 0),
        (".(" * 50_000, 0),
        (". " + "(" * 100_000, 0),
    ],
    ids=lambda value: repr(value[:4]) if isinstance(value, str) else str(value),
)
def test_a_hostile_text_makes_no_more_segments_than_its_length_asks_for(hostile: str, at_most: int) -> None:
    assert sum(1 for _ in segment(hostile, max_chars=400)) <= at_most


def test_segments_come_one_by_one() -> None:
    assert next(segment("Hello there. " * 100_000, max_chars=100)).start == 0


@pytest.mark.parametrize(("max_chars", "first_chars"), [(0, None), (-1, 5), (10, 0)])
def test_no_room_is_an_error_at_once(max_chars: int, first_chars: int | None) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        segment("Hello", max_chars=max_chars, first_chars=first_chars)


def test_what_a_model_finds_too_long_is_split_with_its_positions() -> None:
    whole = "First of all, hello. " + STORY
    for part in segment(whole, max_chars=400):
        pieces = split_to_fit(part, 60)
        assert [pieces[0].start, pieces[-1].end] == [part.start, part.end]
        assert all(len(piece.text) <= 60 and whole.startswith(piece.text, piece.start) for piece in pieces)
        assert all(left.end == right.start for left, right in pairwise(pieces))


@pytest.mark.parametrize("fits", [0, -3, 10, 11, 400])
def test_splitting_again_always_gives_shorter_pieces(fits: int) -> None:
    pieces = split_to_fit(Segment("abcdefghij", 5, 17), fits)
    assert [piece.text for piece in pieces] == ["abcde", "fghij"]
    assert (pieces[0].start, pieces[-1].start, pieces[-1].end) == (5, 10, 17)


def test_splitting_again_comes_to_an_end() -> None:
    with pytest.raises(ValueError, match="single character"):
        split_to_fit(Segment("a", 0, 1), 1)


def test_splitting_nothing_to_speak_gives_nothing() -> None:
    assert split_to_fit(Segment("....", 0, 4), 2) == []
