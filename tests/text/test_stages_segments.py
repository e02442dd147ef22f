"""The way of a word: written by a caller, prepared, cut into segments, timed by a model, and shown to the caller."""

from __future__ import annotations

import random
import re

import pytest

from voicegw.text.lexicon import Lexicon
from voicegw.text.segment import segment
from voicegw.text.stages import prepare

SOURCE = """# Release **notes**

Hello *there*! The server [nginx](https://nginx.org "engine") is *fast*. [pause 700ms] It was 3,14 times faster
than `old_server` \U0001f680\U0001f680, see https://www.example.com/a_b/c?d=e for the numbers.

- first **item**
- second item <!-- not this -->

| name | speed |
|------|-------|
| nginx | 5 ms |
"""
LEXICON = Lexicon.of({"*": {"nginx": "engine x", "ms": "milliseconds"}})


def timed_words(source: str, max_chars: int) -> list[tuple[str, str]]:
    """Give each word as it is spoken, segment by segment, with what it stands for in the source."""
    prepared = prepare(source, lexicon=LEXICON)
    words = []
    for part in segment(prepared.text.text, max_chars=max_chars):
        for word in re.finditer(r"\w[\w,.']*\w|\w", part.text):
            start, end = prepared.text.to_source(part.start + word.start(), part.start + word.end())
            words.append((word[0], source[start:end]))
    return words


@pytest.mark.parametrize("max_chars", [20, 60, 1000])
def test_every_spoken_word_leads_back_to_what_was_written(max_chars: int) -> None:
    words = timed_words(SOURCE, max_chars)
    respelled = {"engine": "nginx", "x": "nginx", "milliseconds": "ms"}
    assert all(written == respelled.get(spoken, spoken) for spoken, written in words)
    assert " ".join(spoken for spoken, _ in words) == (
        "Release notes Hello there The server engine x is fast It was 3,14 times faster than old_server see example.com"
        " for the numbers first item second item name speed engine x 5 milliseconds"
    )


def test_a_pause_lies_between_the_segments_around_it() -> None:
    prepared = prepare(SOURCE)
    (pause,) = prepared.marks
    assert prepared.text.text[: pause.start].endswith("is fast. ")
    assert prepared.text.text[pause.start :].startswith("It was")


def test_nothing_written_comes_twice_or_out_of_order() -> None:
    prepared = prepare(SOURCE, lexicon=LEXICON)
    spans = [prepared.text.to_source(at, at + 1) for at in range(len(prepared.text.text))]
    assert spans == sorted(spans)
    assert spans[-1][1] <= len(SOURCE)


@pytest.mark.parametrize("seed", range(60))
def test_noise_is_prepared_and_cut_without_a_fault(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same texts each time
    source = "".join(chr(chance.choice([chance.randrange(128), chance.randrange(0x110000)])) for _ in range(400))
    prepared = prepare(source, lexicon=LEXICON, language="en")
    text = prepared.text
    for part in segment(text.text, max_chars=50):
        start, end = text.to_source(part.start, part.start + len(part.text))
        assert 0 <= start <= end <= len(source)
    assert all(0 <= mark.start <= mark.end <= len(text.text) for mark in prepared.marks)


def test_preparing_twice_changes_nothing_more_in_prose() -> None:
    once = prepare(SOURCE.replace("old_server", "old server")).text.text
    assert prepare(once).text.text == once
