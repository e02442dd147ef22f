"""All stages in their order: the text that is spoken, its marks, and the way back to what the caller wrote."""

from __future__ import annotations

import random

import pytest

from voicegw.backend.contract import Mark
from voicegw.text.lexicon import Lexicon
from voicegw.text.stages import Prepared, prepare

LEXICON = Lexicon.of(
    {
        "*": {"nginx": "engine x"},
        "en": {"tomato": {"ipa": "t\u0259"}, "New York": "Noo Yawk"},
        "voices": {"alloy": {"en": {"nginx": "N jinx"}}},
    }
)


def pause(at: int, value: str) -> Mark:
    return Mark(at, at, "pause", value)


def source_of(source: str, prepared: Prepared, word: str) -> str:
    at = prepared.text.text.index(word)
    start, end = prepared.text.to_source(at, at + len(word))
    return source[start:end]


def test_a_plain_text_is_given_as_it_is() -> None:
    prepared = prepare("Hello, world.")
    assert (prepared.text.text, prepared.marks) == ("Hello, world.", ())
    assert prepared.text.to_source(7, 12) == (7, 12)


def test_stages_come_in_order_and_words_are_found_in_the_source() -> None:
    source = "**Ask** `nginx` [pause 500ms] about the *tomato* in [New\nYork](https://x.org) \U0001f600."
    prepared = prepare(source, lexicon=LEXICON, language="en-US")
    assert prepared.text.text == "Ask engine x about the tomato in Noo Yawk ."
    assert prepared.marks == (pause(13, "0.5"), Mark(23, 29, "ipa", "t\u0259"))
    assert source_of(source, prepared, "engine") == "nginx"
    assert source_of(source, prepared, "Ask") == "Ask"
    assert source_of(source, prepared, "Noo") == "New\nYork"
    assert source_of(source, prepared, "tomato") == "tomato"


def test_the_lexicon_follows_language_and_voice() -> None:
    assert prepare("nginx tomato", lexicon=LEXICON).text.text == "engine x tomato"
    assert prepare("nginx tomato", lexicon=LEXICON).marks == ()
    spoken = prepare("nginx", lexicon=LEXICON, language="en", voice="alloy")
    assert spoken.text.text == "N jinx"
    assert prepare("nginx tomato", language="en").text.text == "nginx tomato"


def test_without_cleaning_marks_stay_and_pauses_go() -> None:
    prepared = prepare("**a** <break time='1s'/> [b](c) \U0001f600", clean="none")
    assert (prepared.text.text, prepared.marks) == ("**a** [b](c) \U0001f600", (pause(6, "1"),))


@pytest.mark.parametrize(
    ("text", "spoken", "marks"),
    [
        ("[pause 1s]# Title", "Title", (pause(0, "1"),)),
        ("**a**[pause 1s]", "a", (pause(1, "1"),)),
        ("*a [pause 1s] b*", "a b", (pause(2, "1"),)),
        ("`a [pause 1s] b`", "a b", (pause(2, "1"),)),
        ("a [pause 1s] **b**", "a b", (pause(2, "1"),)),
        ("[a [pause 1s] b](c)", "a b", (pause(2, "1"),)),
        ("```\na\n[pause 1s]\n```\nb", "a\n\nb", (pause(2, "1"),)),
        ("[pause 2s]", "", (pause(0, "2"),)),
        ("a [pause 1s] \U0001f600 [pause 2s] b", "a b", (pause(2, "3"),)),
        ("a [pause 8s] \U0001f600 [pause 7s] b", "a b", (pause(2, "10"),)),
        ("a [pause 1250ms] tomato", "a tomato", (pause(2, "1.25"), Mark(2, 8, "ipa", "t\u0259"))),
        ("new [pause 1s] york nginx", "Noo Yawk engine x", (pause(8, "1"),)),
        (
            "nginx [pause 1s] tomato nginx tomato",
            "engine x tomato engine x tomato",
            (pause(9, "1"), Mark(9, 15, "ipa", "t\u0259"), Mark(25, 31, "ipa", "t\u0259")),
        ),
    ],
)
def test_marks_are_in_positions_of_the_spoken_text(text: str, spoken: str, marks: tuple[Mark, ...]) -> None:
    prepared = prepare(text, lexicon=LEXICON, language="en")
    assert (prepared.text.text, prepared.marks) == (spoken, marks)


@pytest.mark.parametrize("text", ["", " ", "\U0001f600", "---", "[pause 1s]", "<!-- x -->", "``` \n```"])
def test_a_text_can_be_left_without_a_word(text: str) -> None:
    assert not prepare(text).text.text.strip()


@pytest.mark.parametrize("seed", range(100))
def test_words_between_marks_always_find_themselves(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same texts each time
    wraps = [
        "%s",
        "**%s**",
        "*%s*",
        "`%s`",
        "[%s](u_v)",
        "<b>%s</b>",
        "%s \U0001f600",
        "[pause 1s] %s",
        "~~%s~~",
        "\n# %s\n",
    ]
    words = [f"word{number}" for number in range(20)]
    source = " ".join(chance.choice(wraps) % word for word in words)
    prepared = prepare(source, lexicon=Lexicon.of({"*": {"word7": "seven \u05d0", "word9": {"ipa": "9"}}}))
    assert prepared.text.text.split() == [*words[:7], "seven", "\u05d0", *words[8:]]
    for word in (*words[:7], *words[8:]):
        assert source_of(source, prepared, word) == word
    assert source_of(source, prepared, "seven") == "word7"
    marked = [prepared.text.text[mark.start : mark.end] for mark in prepared.marks if mark.kind == "ipa"]
    assert marked == ["word9"]
    assert [mark.start for mark in prepared.marks] == sorted(mark.start for mark in prepared.marks)


@pytest.mark.timeout(30)
def test_a_long_text_goes_through_all_stages() -> None:
    source = "Some **bold** text with nginx, a [link](https://x.org/y) and a pause [pause 10ms] in it.\n" * 1200
    prepared = prepare(source, lexicon=LEXICON)
    assert prepared.text.text.count("engine x") == len(prepared.marks) == 1200
    start, end = prepared.text.to_source(len(prepared.text.text) - 4, len(prepared.text.text) - 2)
    assert source[start:end] == "it"
