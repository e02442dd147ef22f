"""Which runs of asterisks, underscores and tildes are marks, run by run."""

from __future__ import annotations

import re

import pytest

from voicegw.text.emphasis import Emphasis
from voicegw.text.markdown import unmarked
from voicegw.text.spans import Edit, MappedText


def marks(text: str, start: int = 0, stop: int | None = None) -> list[Edit]:
    """Give the marks of a paragraph, each run read in its order."""
    stop = len(text) if stop is None else stop
    emphasis = Emphasis(text, start, stop)
    for run in re.finditer(r"\*+|_+|~+", text[start:stop]):
        emphasis.add(start + run.start(), start + run.end())
    return sorted(emphasis.edits)


def left(text: str) -> str:
    return MappedText.of(text).edited(marks(text)).text


def test_a_pair_is_taken_from_the_inside() -> None:
    assert marks("*a*") == [Edit(0, 1), Edit(2, 3)]
    assert marks("***a* b**") == [Edit(0, 2), Edit(2, 3), Edit(4, 5), Edit(7, 9)]
    assert marks("****a*") == [Edit(3, 4), Edit(5, 6)]


def test_only_what_is_in_the_paragraph_counts() -> None:
    text = "x*a*y"
    assert marks(text, 1, 4) == [Edit(1, 2), Edit(3, 4)]
    assert marks(text) == []
    assert marks("*a b*", 0, 4) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*a *b* c*", "a b c"),
        ("*a* b* c", "a b* c"),
        ("**a *b** c*", "a *b c*"),
        ("*a **b* c**", "a **b c**"),
        ("**a* b", "**a* b"),
        ("*a** b", "*a** b"),
        ("***a** b", "*a b"),
        ("*a _b* c_", "a b c"),
        ("*a* *b* *c*", "a b c"),
        ("*a* x*b* *c*", "a x*b* c"),
    ],
)
def test_runs_pair_with_the_nearest_that_fits(text: str, expected: str) -> None:
    assert left(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("un**believ**able", "unbelievable"),
        ("**un**believable", "unbelievable"),
        ("un**believable**", "unbelievable"),
        ("un**believ able**", "un**believ able**"),
        ("f**k it **now**", "f**k it now"),
        ("**now** f**k", "now f**k"),
        ("**so f**k it** x", "so f**k it x"),
        ("a*b*c", "a*b*c"),
        ("a***b***c", "a***b***c"),
        ("2**3**4", "2**3**4"),
        ("x**2**y", "x2y"),
        ("a_b_c __d__e", "a_b_c __d__e"),
        ("a~~b~~c", "abc"),
        ("\u4e2d**\u6587**\u5b57 \u4e2d*\u6587*\u5b57", "\u4e2d\u6587\u5b57 \u4e2d\u6587\u5b57"),
        ("\u4e2d**a**\u5b57", "\u4e2da\u5b57"),
    ],
)
def test_inside_of_words_only_a_pair_in_the_same_word_counts(text: str, expected: str) -> None:
    assert left(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Note:**text **more**", "Note:text more"),
        ("**Stop!**Go", "Stop!Go"),
        ("*Sigh.*Then *this*", "Sigh.Then this"),
        ("x:**a** y", "x:a y"),
        ('"*a*" (*b*) [**c**] \u00bf*d*? \u2014*e*\u2014', '"a" (b) [c] \u00bfd? \u2014e\u2014'),
        ('**"a"**, *(b)*.', '"a", (b).'),
        ("x**(a)**y", "x**(a)**y"),
        ("(a)**(b)**(c)", "(a)**(b)**(c)"),
    ],
)
def test_punctuation_lets_marks_open_and_close(text: str, expected: str) -> None:
    assert left(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "(*_*)",
        "*_* *.*",
        "^_^ and ^_^",
        "-_- >_< =_=",
        "**!** *?*",
        "* a*",
        "*a *",
        "a * b * c",
        "~a~ ~~~b~~~",
        "*",
        "****",
    ],
)
def test_where_nothing_is_heard_or_held_nothing_is_marked(text: str) -> None:
    assert left(text) == text


def test_pictures_count_as_something_between() -> None:
    assert left("**\U0001f389** *\u2192*") == "\U0001f389 \u2192"


def test_a_tilde_pairs_with_tildes_only() -> None:
    assert left("~~a** **b~~") == "a** **b"
    assert left("**a~~ b** ~~") == "a~~ b ~~"


@pytest.mark.parametrize("blank", ["\n\n", "\n# x\n", "\n- x\n- ", "\n```\n```\n", "\n---\n", "\n| a | b |\n|--|--|\n"])
def test_emphasis_ends_with_its_paragraph(blank: str) -> None:
    heard = unmarked(MappedText.of(f"*a{blank}b*")).text
    assert heard.startswith("*a")
    assert heard.endswith("b*")
