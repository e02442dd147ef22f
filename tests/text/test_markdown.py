"""What is left of Markdown for a listener, and all the prose that only looks like it."""

from __future__ import annotations

import random
import sys
from types import FrameType
from typing import Any

import pytest

from voicegw.text.markdown import unmarked
from voicegw.text.spans import MappedText


def clean(text: str) -> str:
    return unmarked(MappedText.of(text)).text


PROSE = [
    "2 * 3 * 4 = 24, 2*3*4, 5*x*y, 2**3**4, (a)*(b)*(c) and pi * r^2.",
    "snake_case_names, _private, 5_000, a_b_c@d_e.org, x_y and ____ blanks ____ to fill in.",
    "C#, #1, #hashtag, F# minor, C ++ and 50% #",
    "a - b, a-b, -5 degrees, --flag, 1990-2000 and a \u2013 b \u2014 c.",
    "1. First\n2. Second\n10) Tenth",
    "math like a<b and b>c, x < y, y > x, a<b>c, vector<int>, Dear <name>, <3, ->, =>, >:( and <b and c>.",
    ">5 people\n>=6 people\n>:(\n-1\n+1\n*x",
    "*.txt, *.py, *args, **kwargs and f(*args, **kwargs).",
    "file*.txt, a footnote*, a 5* hotel, a 4* hotel and file*.py.",
    "It's 'quoted' \"here\" \u2018and\u2019 \u201cthere\u201d, rock 'n' roll\u2026 and so... on.",
    "3,14 and 1.000,50 \u20ac, 7:30, 50/50, AT&T, Q&A, R&D; \u00a7 5 & more.",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f\uff01 5 * 3 \u306f15\u3067\u3059\u3002",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 * 3\u060c \u05e9\u05dc\u05d5\u05dd!",
    "[laughs] and [sic], array[0], x[i][j], [1][2], [Bob]: hello, [a] (b), (c)[d] and [].",
    "f**k this s**t, f***ing s***ty, ***** five stars",
    "A lone ` backtick, ``two, ~5 minutes, ~/home, a ~ b and ~~~~ waves.",
    "a | b | c\nd || e",
    "C:\\temp\\new, \\n, \\\\server\\share and 100\\%.",
    "&nosuchthing; &#; & ; &amp and &#0000000000;",
    "http:// and https://! and www. and awww.cute, ahttp:/x.",
    "\u00a9 2024 \u00ae \u2122 \u2192 \u266f \u2654 \u2713 \u266a \u203c \u00bd \u2103 \u221e",
    "- \n+\n#\n## \n==\n--",
    "Line one\r\nLine two\rLine three\n\n\tLine four  \n",
    "\ud800 lone \udfff surrogates \x00 and \u200d joiners \ufe0f",
    "",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_comes_through_untouched(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**bold**, *it*, ***both***, __b__, _i_, ~~struck~~", "bold, it, both, b, i, struck"),
        ("**bold with *it* inside** and *it with **bold** inside*", "bold with it inside and it with bold inside"),
        ("***a** b* and *a **b***", "a b and a b"),
        ('*a _b_ c* (*d*) "_e_" **f**: *g*, _h_.', 'a b c (d) "e" f: g, h.'),
        ("un**believ**able **bo**ld **bold**s", "unbelievable bold bolds"),
        ("**this f**k thing** and **5*3*2**", "this f**k thing and 5*3*2"),
        ("in**credib**le a**b c**d **e**", "incredible a**b c**d e"),
        ("*args, then *really*", "*args, then really"),
        ("**kwargs and **really**", "**kwargs and really"),
        ("*one\ntwo*", "one\ntwo"),
        ("*one\n\ntwo*", "*one\n\ntwo*"),
        ("****four****", "four"),
        (
            "\u3053\u308c\u306f**\u300c\u5f37\u8abf\u300d**\u3067\u3059",
            "\u3053\u308c\u306f\u300c\u5f37\u8abf\u300d\u3067\u3059",
        ),
        ("\u4e2d*\u5f3a*\u4e2d", "\u4e2d\u5f3a\u4e2d"),
        ("*\u0645\u0631\u062d\u0628\u0627*", "\u0645\u0631\u062d\u0628\u0627"),
        ("a **** ** ** b", "a **** ** ** b"),
        ("**a *b** c", "a *b c"),
    ],
)
def test_emphasis_is_not_read(text: str, spoken: str) -> None:
    assert clean(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("# Title", "Title"),
        ("###### Deep ##", "Deep"),
        ("## C#", "C#"),
        ("# About *x*\nText", "About x\nText"),
        ("####### seven", "####### seven"),
        ("- a\n* b\n+ c\n\u2022 d\n  - e", "a\nb\nc\nd\ne"),
        ("- [ ] to do\n- [x] done", "to do\ndone"),
        ("- - nested", "nested"),
        ("- *a\n- b*", "*a\nb*"),
        ("1. **Bold**: text\n2. *x", "1. Bold: text\n2. *x"),
        ("> quoted *over\n> lines*\n>> deeper\n>\n>**bold**", "quoted over\nlines\ndeeper\n\nbold"),
        ("> # Title\n> - item", "Title\nitem"),
        ("a\n\n---\n\nb\n***\nc\n_ _ _\nd\n===\n", "a\n\n\nb\nc\nd\n"),
        ("- - -\n- - x", "x"),
        ("# #", "#"),
    ],
)
def test_marks_of_lines_are_not_read(text: str, spoken: str) -> None:
    assert clean(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("```python\nx = **y** # <b>\n```\nafter **it**", "x = **y** # <b>\nafter it"),
        ("~~~\na*b*\n```\n~~~", "a*b*\n```\n"),
        ("````\n```\n````\nx", "```\nx"),
        ("```\nnever *closed*", "never *closed*"),
        ("- ```sh\n  ls *\n  ```\n*x*", "  ls *\nx"),
        ("> ```\n> a *b*\nc\n> ```\n> *d*", "a *b*\nc\nd"),
        ("text\n```js\r\nx\r\n```\r\n", "text\nx\r\n"),
        ("run `pip install *x*` now", "run pip install *x* now"),
        ("``a ` b`` and `c``d`", "a ` b and c``d"),
        ("`a` `` b", "a `` b"),
        ("`<b>` `[a](b)` `https://x.org/y` `\\*`", "<b> [a](b) https://x.org/y \\*"),
        ("```one line``` *x*", "one line x"),
        ("*a `b* c` d*", "a b* c d"),
    ],
)
def test_code_is_spoken_as_it_is_without_its_fences(text: str, spoken: str) -> None:
    assert clean(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("[the *text*](https://x.org/a_(b)_c \"title\"), [b](<a b>), [c]( /d 'e' )", "the text, b, c"),
        ("[a](b (title)) ![alt text](pic.png) ![](x)", "a alt text "),
        ("[![alt](pic)](url) [x [y](z) w](v)", "alt x y w"),
        ("[a](b c) [d](e", "[a](b c) [d](e"),
        ("*[a](b*c)* [d](e_f_g)", "a d"),
        (
            "[Full][r], [collapsed][], [Short  Cut] [no][none]\n\n[r]: ht://x 'T'\n[collapsed]: </x>\n[short cut]: #y",
            "Full, collapsed, Short  Cut [no][none]\n\n",
        ),
        ("[[a] b] [a]\n\n[[a] b]: /x\n[a]: /y", "[a b] a\n\n[a b]: /x\n"),
        ("[" + "a" * 101 + "] [b]\n[b]: /x", "[" + "a" * 101 + "] b\n"),
        (
            "fact[^1], other[^note].\n\n[^1]: The *source*.\n[^note]: http://x.org/y",
            "fact, other.\n\nThe source.\nx.org",
        ),
        ("see https://www.example.com/a_b_(c)?q=*1.", "see example.com*1."),
        (
            "(http://a.org/b), <https://u:p@c.org:80/d?e>, www.d.org/x; *https://e.org/*!",
            "(a.org), c.org, d.org; e.org!",
        ),
        (
            "ftp://f.org/g_h_i HTTPS://G.ORG. http://localhost:8000/x http://h.org/a(b)).",
            "f.org G.ORG. localhost h.org).",
        ),
        ("https://m\u00fcnchen.de/\u00e4 https://i.org\u3002 https://x.org/__", "m\u00fcnchen.de i.org\u3002 x.org__"),
        ("<me@x.org> <mailto:you@x.org> me_and_you@x_y.org", "me@x.org you@x.org me_and_you@x_y.org"),
        ("[https://x.org/y](https://x.org/y)", "x.org"),
    ],
)
def test_of_addresses_only_what_a_listener_needs_is_read(text: str, spoken: str) -> None:
    assert clean(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (
            "H<sub>2</sub>O, <b>bold</b>, <i>it</i>, <a href='x'>y</a>, <span class=\"z\">s</span>",
            "H2O, bold, it, y, s",
        ),
        ("one<br>two<br/>three <hr /> four<div>five", "one two three four five"),
        ("<p>x</p> a<p>b a<b>c", "x a b a<b>c"),
        ("<custom-tag>x</custom-tag> <speak/> <prosody rate='slow'>y", "x y"),
        ("<div hidden>x</div> <img src=x.png alt=y>", "x "),
        ("a <!-- hidden *text* --> b<!-- x -->c", "a b c"),
        ("<!-- over\n\nlines -->\n# Title", "Title"),
        ("<!-- a --> b *c*", "b c"),
        ("x\n<!-- a\nb --> *c*", "x\nc"),
        ("<!-- never ends\n\n<!-- *x*\n<!-- y", "<!-- never ends\n\n<!-- x\n<!-- y"),
        ("a <!-- b <!-- *c*", "a <!-- b <!-- c"),
        ("&amp; &lt;b&gt; &copy; &#65;&#x42; &nbsp;x &#0; &#1; &#10;", "& <b> \u00a9 AB \u00a0x \ufffd &#1; &#10;"),
        (
            "\\*no\\* \\_x\\_ \\# 1\\. \\[a\\](b) \\<b\\> \\`c\\` \\``d`` e\\\nf",
            "*no* _x_ # 1. [a](b) <b> `c` ``d`` e\nf",
        ),
        ("end\\", "end\\"),
    ],
)
def test_tags_comments_and_escapes_are_not_read(text: str, spoken: str) -> None:
    assert clean(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("| Name | Age |\n|------|:---:|\n| *Bob* | 5 |\n|  | 6 |\n\n| x", "Name, Age\nBob, 5\n6\n\n| x"),
        ("Name | Age\n--- | ---\nBob. | 5\nEve |\ntext | more\n\na | b", "Name, Age\nBob. 5\nEve\ntext, more\n\na | b"),
        ("| a \\| b | `c` |\n| - | - |\n| | |", "a | b, c\n"),
        ("| a | b | c |", "a, b, c"),
        ("> | a | b |\n> |---|---|\n> | c | d |", "a, b\nc, d"),
        ("a | b\n---|---\nc | d\nno pipes *here*\nx | y", "a, b\nc, d\nno pipes here\nx | y"),
        ("| *a | b* |\n|---|---|", "*a, b*\n"),
    ],
)
def test_tables_are_read_row_by_row(text: str, spoken: str) -> None:
    assert clean(text) == spoken


def test_each_spoken_word_is_found_in_the_source() -> None:
    source = "# **Big** _news_\n\n- see [the *docs*](https://x.org/d) \U0001f389 or `run()`\n\n"
    source += "| a | b |\n|--|--|\n| caf\u00e9 &amp; | d |"
    mapped = unmarked(MappedText.of(source))
    assert mapped.text == "Big news\n\nsee the docs or run()\n\na, b\ncaf\u00e9 &, d"
    for word in ("Big", "news", "see", "the", "docs", "or", "run()", "a", "b", "caf\u00e9"):
        at = mapped.text.index(word)
        start, end = mapped.to_source(at, at + len(word))
        assert source[start:end] == word
    at = mapped.text.index("&")
    start, end = mapped.to_source(at, at + 1)
    assert source[start:end] == "&amp;"


def test_a_text_that_was_edited_before_keeps_its_first_source() -> None:
    from voicegw.text.spans import Edit

    mapped = unmarked(MappedText.of("XX**a** b").edited([Edit(0, 2)]))
    assert (mapped.text, mapped.to_source(0, 1), mapped.to_source(2, 3)) == ("a b", (4, 5), (8, 9))


PIECES = [
    "*",
    "**",
    "_",
    "`",
    "```",
    "\n",
    "\n\n",
    " ",
    "a",
    "b c",
    "[",
    "](",
    ")",
    "<",
    ">",
    "<b>",
    "</b>",
    "<!--",
    "-->",
]
PIECES += [
    "|",
    "-",
    "---",
    "#",
    "# ",
    "- ",
    "> ",
    "\\",
    "&amp;",
    "http://x.org/",
    "!",
    "[^1]",
    "~~",
    "\U0001f600",
    "\u200d",
]
PIECES += ["\u6f22", "\ud800", "[a]: /b\n", "[a]", "1. ", "\ufe0f\u20e3", "5", "\r", "\u0301", ".", "[pause 1s]"]


@pytest.mark.parametrize("seed", range(400))
def test_any_mixture_of_marks_keeps_spans_in_order_and_adds_next_to_nothing(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same texts each time
    source = "".join(chance.choices(PIECES, k=chance.randint(1, 40)))
    mapped = unmarked(MappedText.of(source))
    spans = [mapped.to_source(at, at + 1) for at in range(len(mapped.text))]
    assert spans == sorted(spans)
    assert all(0 <= start <= end <= len(source) for start, end in spans)
    for letter, (start, end) in zip(mapped.text, spans, strict=True):
        assert letter == source[start:end] or letter in " ,&"
    words = [letter for letter in mapped.text if letter in "c5\u6f22"]
    assert all(letter in source for letter in words)


HOSTILE = [
    "*",
    "[",
    "`",
    "<",
    "_",
    "~",
    "](",
    "[a](",
    "![",
    '[a](b "',
    "[a](b '",
    "[^",
    "(",
    "[a]",
    "[x]: /u\n",
    "**a",
    "a**a",
]
HOSTILE += [
    " *a",
    "a* ",
    "a*b ",
    "***a* ",
    "*a **b ",
    "**a*b",
    "`a``",
    "a`b ``c ",
    '<a b="',
    "<!--",
    "<!--\n",
    "<b>",
    "<b></b>",
]
HOSTILE += [
    "&",
    "&a",
    "> ",
    "- ",
    "-\t",
    "- [ ] ",
    "|",
    "|a\n",
    "| a ",
    "#",
    "# ",
    "a #",
    "http://",
    "http://a@",
    "http://a.b(",
    "www.a",
]
HOSTILE += [
    "\\",
    "\\`",
    "\U0001f389 ",
    "\U0001f468\u200d",
    "1\ufe0f\u20e3",
    "```\n",
    "~~~",
    "\r",
    "\n",
    " ",
    "\t>",
    "1. ",
    "x",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_end(hostile: str) -> None:
    text = (hostile * 100_000)[:100_000]
    assert len(clean(text)) <= len(text) * 2


@pytest.mark.timeout(20)
def test_deep_nesting_ends() -> None:
    deep = 20_000
    assert clean("[" * deep + "a" + "](b)" * deep) == "a"
    assert clean("*a **b " * deep + "c** d*" * deep).count("a") == deep
    assert clean("[" * deep + "a" + "]" * deep + "\n[x]: /y") == "[" * deep + "a" + "]" * deep + "\n"


def steps(text: str, only: str = "") -> int:
    """Count the calls of functions, or of those of one name, that cleaning a text takes."""
    count = 0

    def seen(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            name = argument.__name__ if event == "c_call" else frame.f_code.co_name
            count += only in ("", name)

    sys.setprofile(seen)
    try:
        clean(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("hostile", HOSTILE)
def test_twice_the_text_takes_no_more_than_about_twice_the_steps(hostile: str) -> None:
    assert steps(hostile * 800) <= 2.2 * steps(hostile * 400) + 200


@pytest.mark.parametrize("hostile", ["<!--\n", "a <!-- "])
def test_the_end_of_comments_is_looked_for_once_in_vain(hostile: str) -> None:
    assert steps(hostile * 100, "find") <= 2
