"""Which words a text has, where, and at which pitch."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import unicodedata

import pytest

from voicegw_tone import table
from voicegw_tone.words import ENGLISH, GERMAN, NUMBER_HZ, OTHER_HZ, TABLE_HZ, pitch, words


def found(text: str) -> list[str]:
    return [text[word.char_start : word.char_end] for word in words(text)]


def test_the_table_is_what_its_computation_gives() -> None:
    assert table.table() == TABLE_HZ
    assert list(NUMBER_HZ) == [*ENGLISH, *GERMAN]
    assert tuple(NUMBER_HZ.values()) == TABLE_HZ


def test_the_command_beside_the_table_repeats_it() -> None:
    command = [sys.executable, "-m", "voicegw_tone.table"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert printed == f"{TABLE_HZ}\n"


def test_the_mel_bands_overlap_by_half_and_are_area_normalised() -> None:
    filters = table.mel_filters()
    assert filters.shape == (80, 201)
    assert (filters >= 0).all()
    assert filters[60:].sum(axis=1) * 40 == pytest.approx(1.0, rel=0.05)


def test_all_pitches_lie_on_one_grid_and_no_other_word_sounds_like_a_number() -> None:
    assert all(hz % 40 == 0 for hz in (*TABLE_HZ, *OTHER_HZ))
    assert min(abs(other - number) for other in OTHER_HZ for number in TABLE_HZ) >= 40
    assert min(OTHER_HZ) > min(TABLE_HZ)
    assert max(OTHER_HZ) < max(TABLE_HZ)


@pytest.mark.parametrize(
    ("word", "hz"), [("zero", 320), ("NINE", 1440), ("null", 1600), ("FÜNF", 2840), ("Neun", 4480)]
)
def test_numbers_have_the_pitches_of_the_table_in_any_case(word: str, hz: int) -> None:
    assert pitch(word) == hz
    assert pitch(unicodedata.normalize("NFD", word)) == hz


def test_other_words_have_a_pitch_that_never_changes() -> None:
    assert [pitch(word) for word in ("hello", "Straße", "STRASSE", "日")] == [3240, 3080, 3080, 1480]
    assert len({pitch(f"word{n}") for n in range(2000)}) == len(OTHER_HZ)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("?! ... — «»", []),
        ("Hello, world!", ["Hello", "world"]),
        ("it's a well-known rock\u2019n\u2019roll", ["it's", "a", "well-known", "rock\u2019n\u2019roll"]),
        ("'quoted' -dashed- a--b it''s", ["quoted", "dashed", "a", "b", "it", "s"]),
        ("3.14 and 1,000", ["3", "14", "and", "1", "000"]),
        ("你好,世界", ["你", "好", "世", "界"]),
        ("日本語のテスト", list("日本語のテスト")),
        ("안녕 hi", ["안", "녕", "hi"]),
        ("iPhone手机", ["iPhone", "手", "机"]),
        ("\U00020000\U0002a6df", ["\U00020000", "\U0002a6df"]),
        ("か\u3099き", ["か\u3099", "き"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("مَرحبًا بالعالم", ["مَرحبًا", "بالعالم"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("สวัสดีครับ", ["สวัสดีครับ"]),
        ("cafe\u0301 noe\u0308l", ["cafe\u0301", "noe\u0308l"]),
        ("\ud800a\udfffb", ["a", "b"]),
        ("a\x00b\x1bc\u202ed", ["a", "b", "c", "d"]),
        ("hi 😀👩\u200d👩\u200d👧 there 👍🏽", ["hi", "there"]),
    ],
)
def test_words_are_found(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize("letter", ["a", "你", "😀", "\u0301", "a'", "a-", "-", "\ud800", "a\u0301"])
def test_a_hundred_thousand_characters_without_a_space_are_no_burden(letter: str) -> None:
    text = letter * 100_000
    begun = time.process_time()
    many = len(found(text))
    assert many == {"a": 1, "你": 100_000, "a'": 1, "a-": 1, "a\u0301": 1}.get(letter, 0)
    assert time.process_time() - begun < 20, "this only guards against a search that goes back and back"


def test_spans_of_any_text_are_in_order_and_apart() -> None:
    draw = random.Random(7)  # noqa: S311 - repeatable, not a secret
    for _ in range(200):
        text = "".join(chr(draw.choice((draw.randrange(0x250), draw.randrange(0x110000)))) for _ in range(50))
        spans = [edge for word in words(text) for edge in (word.char_start, word.char_end)]
        assert spans == sorted(spans)
        assert all(word.char_start < word.char_end <= len(text) for word in words(text))
