"""The lexicon: which words it finds, for whom, and how it tells of bad entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voicegw.text.lexicon import LONGEST_CHARS, Entry, Lexicon, Match


def said(words: dict[str, Any], text: str, language: str | None = None, voice: str | None = None) -> str:
    """Say a text with a lexicon for every language; what is found is in angle brackets."""
    return spoken(Lexicon.of({"*": words}), text, language, voice)


def spoken(lexicon: Lexicon, text: str, language: str | None = None, voice: str | None = None) -> str:
    at, pieces = 0, []
    for match in lexicon.find(text, language=language, voice=voice):
        pieces += [text[at : match.start], f"<{match.entry.say}>"]
        at = match.end
    return "".join((*pieces, text[at:]))


@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("GIF", "a gif, a GIF's Gif", "a <!>, a <!>'s <!>"),
        ("GIF", "gifs snake_gif gif2 2gif gif_", "gifs snake_gif gif2 2gif gif_"),
        ("GIF", "e-gif (gif) \u201cgif\u201d gif\u2019s", "e-<!> (<!>) \u201c<!>\u201d <!>\u2019s"),
        ("don", "don't don\u2019t l'don don", "don't don\u2019t l'<!> <!>"),
        ("New York", "new york NEW\n YORK NewYork New-York", "<!> <!> NewYork New-York"),
        ("C++", "C++, c++ C++20 C+ + (C++)", "<!>, <!> C++20 C+ + (<!>)"),
        ("C#", "C# C#x C", "<!> C#x C"),
        (".NET", ".NET ASP.NET (.net)", "<!> ASP.NET (<!>)"),
        ("AT&T", "AT&T at&t AT & T", "<!> <!> AT & T"),
        ("U.S.", "U.S. U.S.A.", "<!> U.S.A."),
        ("stra\u00dfe", "STRASSE Stra\u00dfe", "<!> <!>"),
        ("caf\u00e9", "cafe\u0301 caf\u00e9 cafe cafes\u0301", "<!> <!> cafe cafes\u0301"),
        ("cafe", "cafe\u0301 cafe", "cafe\u0301 <!>"),
        ("\u0301a", "x\u0301a \u0301a", "x\u0301a <!>"),
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940",
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u0939\u093f",
            "<!> \u0939\u093f",
        ),
        ("\u0939", "\u0939\u093f \u0939", "\u0939\u093f <!>"),
        ("\u6771\u4eac", "\u6771\u4eac\u90fd \u5317\u6771\u4eac", "<!>\u90fd \u5317<!>"),
        ("AI", "\u7528AI\u505a AIR", "\u7528<!>\u505a AIR"),
        ("\uc11c\uc6b8", "\uc11c\uc6b8\uc740", "<!>\uc740"),
        ("\u0645\u06cc", "\u0645\u06cc\u200c\u062e \u0645\u06cc", "\u0645\u06cc\u200c\u062e <!>"),
        ("x", "\ud800x \ud800 x", "\ud800<!> \ud800 <!>"),
        ("a", "", ""),
    ],
)
def test_whole_words_are_found_whatever_their_case(word: str, text: str, expected: str) -> None:
    assert said({word: "!"}, text) == expected


def test_the_longest_phrase_wins_and_the_search_goes_on_behind_it() -> None:
    words = {"New": "n", "New York": "ny", "New York City Hall": "nych", "York": "y", "City": "c"}
    assert said(words, "New York City") == "<ny> <c>"
    assert said(words, "new york city hall york") == "<nych> <y>"
    assert said(words, "New New York") == "<n> <ny>"
    assert said(words, "York New") == "<y> <n>"


def test_a_phrase_that_breaks_off_leaves_the_shorter_word() -> None:
    assert said({"a": "1", "a b c d": "4"}, "a b c x a b c d") == "<1> b c x <4>"


def test_an_exact_entry_wants_its_capitals_and_goes_before_others() -> None:
    exact = {"US": {"say": "U S", "exact": True}}
    assert said(exact, "US us Us") == "<U S> us Us"
    lexicon = Lexicon.of({"en": exact, "*": {"us": "uss"}})
    assert spoken(lexicon, "US us", "en") == "<U S> <uss>"
    assert said({"New York": {"say": "!", "exact": True}}, "New\t York new York") == "<!> new York"


def test_an_entry_of_sounds_is_given_as_such() -> None:
    found = list(Lexicon.of({"*": {"tomato": {"ipa": "t\u0259"}}}).find("a Tomato"))
    assert found == [Match(2, 8, Entry("tomato", ipa="t\u0259"))]


def test_the_voice_goes_first_then_the_closer_language() -> None:
    lexicon = Lexicon.of(
        {
            "*": {"a": "every", "b": "every", "c": "every", "d": "every"},
            "en": {"a": "en", "b": "en", "c": "en"},
            "en-GB": {"a": "gb", "b": "gb"},
            "voices": {"alloy": {"*": {"a": "alloy"}, "en": {"d": "alloy en"}}},
        }
    )
    text = "a b c d"
    assert spoken(lexicon, text) == "<every> <every> <every> <every>"
    assert spoken(lexicon, text, "de") == "<every> <every> <every> <every>"
    assert spoken(lexicon, text, "EN-gb") == "<gb> <gb> <en> <every>"
    assert spoken(lexicon, text, "en-GB-oed") == "<gb> <gb> <en> <every>"
    assert spoken(lexicon, text, "en-US", "alloy") == "<alloy> <en> <en> <alloy en>"
    assert spoken(lexicon, text, "en-US", "other") == "<en> <en> <en> <every>"
    assert spoken(lexicon, text, None, "alloy") == "<alloy> <every> <every> <every>"


def test_names_that_callers_make_up_cost_no_memory() -> None:
    lexicon = Lexicon.of({"en": {"a": "1"}})
    for number in range(100):
        assert spoken(lexicon, "a", f"en-x{number}", f"voice {number}") == "<1>"
        assert spoken(lexicon, "a", f"x{number}") == "a"
    assert len(lexicon._tries) == 2


def test_an_empty_lexicon_finds_nothing() -> None:
    assert list(Lexicon.of({}).find("a b c")) == []


def test_yaml_takes_every_word_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.yaml"
    path.write_text(
        "no:\n  no: nei\n  1.10: en ti\n  on: p\u00e5\n"
        "'*':\n  US: {say: U S, exact: true}\n  it: {say: I T, exact: false}\n",
        "utf-8",
    )
    lexicon = Lexicon.load(path)
    assert spoken(lexicon, "No 1.10 on US us it", "no") == "<nei> <en ti> <p\u00e5> <U S> us <I T>"


def test_json_is_read_too_and_an_empty_file_is_an_empty_lexicon(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.json"
    path.write_text(json.dumps({"*": {"a": "\u00e4"}}), "utf-8")
    assert spoken(Lexicon.load(path), "a") == "<\u00e4>"
    (tmp_path / "empty.yml").write_text("# nothing yet\n", "utf-8")
    assert list(Lexicon.load(tmp_path / "empty.yml").find("a")) == []


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ([], "the whole must be a mapping, not list"),
        ({"en": "x"}, "'en' must be a mapping, not str"),
        ({False: {}}, "the key False in the whole must be text; put it in quotes"),
        ({"en": {5: "five"}}, "the key 5 in 'en' must be text"),
        ({"en": {"": "x"}}, "the key '' in 'en' must be text"),
        ({"voices": []}, "'voices' must be a mapping"),
        ({"voices": {"alloy": 1}}, "'alloy' must be a mapping"),
        ({"voices": {"alloy": {"en": {"a": ""}}}}, "the entry 'alloy: en: a' needs a text of 1 to"),
        ({"en": {"a": 5}}, "the entry 'en: a' needs a text of 1 to"),
        ({"en": {"a": None}}, "the entry 'en: a' needs a text of 1 to"),
        ({"en": {"a": " "}}, "the entry 'en: a' needs a text of 1 to"),
        ({"en": {"a": {"ipa": ["x"]}}}, "the entry 'en: a' needs a text of 1 to 200 characters for 'ipa'"),
        ({"en": {"a": "x" * (LONGEST_CHARS + 1)}}, "the entry 'en: a' needs a text of 1 to"),
        ({"en": {"b" * (LONGEST_CHARS + 1): "x"}}, "the entry 'en: b*' needs a word of 1 to"),
        ({"en": {" ": "x"}}, "the entry 'en:  ' needs a word of 1 to"),
        ({"en": {"a": {}}}, "the entry 'en: a' needs either 'say' or 'ipa'"),
        ({"en": {"a": {"say": "x", "ipa": "y"}}}, "the entry 'en: a' needs either 'say' or 'ipa'"),
        ({"en": {"a": {"say": "x", "colour": 1, 2: 3}}}, "the entry 'en: a' has unknown keys: 2, colour"),
        ({"en": {"a": {"say": "x", "exact": "yes"}}}, "the entry 'en: a' needs true or false for 'exact'"),
    ],
)
def test_a_bad_entry_is_named(tree: Any, told: str) -> None:
    with pytest.raises(ValueError, match="^" + told.replace("(", r"\(")):
        Lexicon.of(tree)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.yaml", "en: {a: [}", "line 1, column"),
        ("a.yaml", "en:\n  a: {sy: x}\n", "the entry 'en: a' has unknown keys: sy"),
        ("a.json", '{"en": ', "Expecting value"),
        ("a.json", '["en"]', "must be a mapping, not list"),
        ("a.yaml", "- en", "must be a mapping, not list"),
        ("a.yaml", "a: b\n---\nc: d\n", "expected a single document"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, name: str, content: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=f"The lexicon .*{name} cannot be used: ") as caught:
        Lexicon.load(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot be used"):
        Lexicon.load(tmp_path / "a.yaml")
    with pytest.raises(FileNotFoundError):
        Lexicon.load(tmp_path / "none.yaml")


@pytest.mark.timeout(30)
def test_thousands_of_entries_and_a_long_text_are_one_walk() -> None:
    words = {f"word{number}": f"w{number}" for number in range(5000)}
    words |= {f"word{number} word{number + 1} end": "!" for number in range(5000)}
    lexicon = Lexicon.of({"*": words})
    text = " ".join(f"word{number} x" for number in range(8000))
    assert len(list(lexicon.find(text))) == 5000


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text", ["a " * 50_000, "a" * 100_000, "'" * 100_000, "\u0301" * 100_000, " " * 100_000, "\u6771" * 100_000]
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    lexicon = Lexicon.of({"*": {"a " * 20 + "b": "!", "\u6771" * 20 + "x": "!", "'" * 20 + "x": "!"}})
    assert list(lexicon.find(text)) == []
