"""Word times: spans that are the words, in order, never after their audio."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from backends.espeak.tests.speaking import Take, speak
from voicegw.backend import AudioChunk, WordTiming
from voicegw_espeak import EspeakBackend
from voicegw_espeak.library import Mark, MarkKind
from voicegw_espeak.words import WordTrack


def check(take: Take) -> None:
    """Words go forward in text and time, within both, each before the chunk in which it starts."""
    made = at = char = 0
    for event in take.events:
        if isinstance(event, AudioChunk):
            made += len(event.pcm)
        elif isinstance(event, WordTiming):
            assert made <= event.start
            assert at <= event.start <= event.end <= len(take.pcm)
            assert char <= event.char_start < event.char_end <= len(take.text)
            at, char = event.end, event.char_end
    assert all(word == word.strip() and word for word in take.words)


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Hello big world. Second one!", "en", ["Hello", "big", "world", "Second", "one"]),
        ("naïve café, über 😀 end", "en", ["naïve", "café", "über", "😀", "end"]),
        ("one \U0001f469\u200d\U0001f4bb two", "en", ["one", "\U0001f469\u200d\U0001f4bb", "two"]),
        ("a\x00b \x01 1p \ud800 c\u0530d", "en", ["a", "b", "1", "p", "c", "d"]),
        ("  leading \n\n newpara\tand  x ", "en", ["leading", "newpara", "and", "x"]),
        ("it's Smith\u2019s dog", "en", ["it's", "Smith\u2019s", "dog"]),
        ("el pingüino comió piñas", "es", ["el", "pingüino", "comió", "piñas"]),
        ("привет мир", "ru", ["привет", "мир"]),
        ("мир in english", "en", ["мир", "in", "english"]),  # foreign script: spelt, one word all the same
        ("in 2024 we", "en", ["in", "2024", "we"]),
        ("stop. go. on", "en", ["stop", "go", "on"]),  # the library's mark of "go" is on the space
        ("1 😀 end 100% x", "en", ["1", "😀", "end", "100", "%", "x"]),
        ("twenty-one on 2024-01-02, 3.50", "en", ["twenty-one", "on", "2024-01-02", "3.50"]),
        ("l'homme d'aujourd'hui", "fr", ["l'homme", "d'aujourd'hui"]),
        ("one שלום two", "en", ["one", "שלום", "two"]),
    ],
)
async def test_spans_are_the_words(espeak: EspeakBackend, text: str, language: str, words: list[str]) -> None:
    take = await speak(espeak, text, language=language, words=True)
    check(take)
    assert take.words == words


async def test_spans_hold_among_any_characters(espeak: EspeakBackend) -> None:
    chance = random.Random(5)  # noqa: S311 - not a secret
    odd = "😀 \x07\t\u00ad\u200bñ好\u0301\ufeff"
    plain = ["apple", "river", "stone", "cloud", "tiger"]
    for _ in range(30):
        text = "".join(f" {chance.choice(plain)} {''.join(chance.choices(odd, k=3))}" for _ in range(8))
        take = await speak(espeak, text, words=True)
        check(take)
        spoken = [take.text[timing.char_start : timing.char_end] for timing in take.timings]
        assert [word for word in spoken if word in plain] == re.findall("|".join(plain), text)


async def test_a_word_is_where_its_sound_is(espeak: EspeakBackend) -> None:
    take = await speak(espeak, "Stop. Go.", words=True, volume=100)
    first, second = take.timings
    assert np.abs(take.pcm[first.end + 200 : second.start - 200].astype(int)).max() < 64
    assert second.start - first.end > 2205  # the pause of a full stop belongs to no word
    for timing in (first, second):
        assert np.abs(take.pcm[timing.start : timing.end].astype(int)).max() > 5000


async def test_words_come_only_when_asked_for(espeak: EspeakBackend) -> None:
    with_words = await speak(espeak, "Hello there, big world.", words=True)
    without = await speak(espeak, "Hello there, big world.")
    assert len(with_words.timings) == 4
    assert not without.timings
    assert abs(len(with_words.pcm) - len(without.pcm)) < 300  # espeak never says it quite the same twice


def test_a_word_that_never_ends_ends_with_the_audio() -> None:
    track = WordTrack("hey")
    assert track.push(np.full(10, 900, np.int16), [Mark(MarkKind.WORD, 2, 0, 3)]) == []
    timing, chunk = track.finish()
    assert timing == WordTiming(2, 10, 0, 3)
    assert isinstance(chunk, AudioChunk)


def test_a_silent_word_lasts_until_its_mark() -> None:
    track = WordTrack("hey")
    marks = [Mark(MarkKind.WORD, 2, 0, 3), Mark(MarkKind.SENTENCE, 2, 0, 0), Mark(MarkKind.END, 8, 0, 0)]
    timing, chunk = track.push(np.zeros(10, np.int16), marks)
    assert timing == WordTiming(2, 8, 0, 3)
    assert isinstance(chunk, AudioChunk)
    assert track.finish() == []


def test_a_stray_mark_before_the_first_word_is_that_word() -> None:
    track = WordTrack(" ...hey")
    track.push(np.full(10, 900, np.int16), [Mark(MarkKind.WORD, 2, 0, 1), Mark(MarkKind.WORD, 3, 1, 1)])
    timing, *chunks = track.push(np.full(10, 900, np.int16), [Mark(MarkKind.END, 20, 6, 6)])
    assert timing == WordTiming(2, 20, 4, 7)
    assert len(chunks) == 2
    assert track.finish() == []


def test_a_stray_mark_at_the_end_is_no_word() -> None:
    track = WordTrack("hey ")
    marks = [Mark(MarkKind.WORD, 0, 0, 3), Mark(MarkKind.WORD, 5, 3, 4)]
    assert track.push(np.full(10, 900, np.int16), marks) == []
    timing, chunk = track.finish()
    assert timing == WordTiming(0, 10, 0, 3)
    assert isinstance(chunk, AudioChunk)


def test_spans_that_stand_early_are_moved_to_their_words() -> None:
    track = WordTrack("a going -")
    marks = [Mark(MarkKind.WORD, 0, 0, 1), Mark(MarkKind.WORD, 5, 1, 4), Mark(MarkKind.WORD, 8, 7, 9)]
    track.push(np.full(10, 900, np.int16), marks)
    spans = [(event.char_start, event.char_end) for event in track.finish() if isinstance(event, WordTiming)]
    assert spans == [(8, 9)]
