"""What is spoken equals the words that a parser of CommonMark shows, wherever prose does not mean something else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from voicegw.text.markdown import unmarked
from voicegw.text.spans import MappedText

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
WORDS = [
    "one",
    "Two",
    "caf\u00e9",
    "don't",
    "3,14",
    "x2",
    "(aside)",
    '"said"',
    "end.",
    "what?",
    "\u05e9\u05dc\u05d5\u05dd",
]


def shown(tokens: Sequence[Token]) -> Iterator[str]:
    """Give the pieces of text that a reader sees: of code all, of images their description, of HTML nothing."""
    for token in tokens:
        if token.children is not None:
            yield from shown(token.children)
            yield "" if token.type == "image" else "\n"
        elif token.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif token.type in ("text", "text_special", "code_inline", "code_block", "fence"):
            yield token.content


def words_seen(text: str) -> list[str]:
    return "".join(shown(PARSER.parse(text))).split()


def words_heard(text: str) -> list[str]:
    return unmarked(MappedText.of(text)).text.split()


class Writer:
    """Writes documents that are Markdown throughout."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - the same documents each time

    def words(self, least: int = 1, most: int = 4) -> str:
        return " ".join(self._chance.choices(WORDS, k=self._chance.randint(least, most)))

    def inline(self, depth: int = 2) -> str:
        return " ".join(self.span(depth) for _ in range(self._chance.randint(1, 4)))

    def span(self, depth: int) -> str:
        if depth == 0:
            return self.words()
        inner = self.inline(depth - 1)
        kinds = [
            self.words(),
            f"*{self.words()}*",
            f"**{inner}**",
            f"__{self.words()}__",
            f"_{self.words()}_",
            f"~~{self.words()}~~",
            f"`{self.words()}`",
            f"``{self.words()} ` {self.words()}``",
            f"[{self.words()}](https://x.org/a_b_(c)*d 'a *title*')",
            f"![{self.words()}](<a b.png>)",
            f"[{self.words()}][ref]",
            f"<b>{self.words()}</b>",
            f"\\*{self.words()}\\*",
            f"{self.words()} &amp; {self.words()}",
            f"{self.words()} <!-- *no* --> {self.words()}",
        ]
        return self._chance.choice(kinds)

    def block(self) -> str:
        lines = [self.inline(), self.inline()]
        rows = "\n".join(f"| {self.words()} | {self.inline(1)} |" for _ in range(2))
        kinds = [
            "\n".join(lines),
            f"{'#' * self._chance.randint(1, 6)} {lines[0]}",
            f"# {self.words()} ##",
            "\n".join(f"- {line}" for line in lines),
            "\n".join(f"* {line}\n  + {self.inline()}" for line in lines),
            "\n".join(f"> {line}" for line in lines),
            f"> # {lines[0]}\n>\n> - {lines[1]}",
            f"```py\n{self.words()} **kw** # <b>\n```",
            f"~~~\n`{self.words()}`\n~~~",
            "---",
            f"{self.words()}\n===",
            f"| {self.words()} | {self.words()} |\n|:--|--:|\n{rows}",
            "<!-- over\n\nlines -->",
        ]
        return self._chance.choice(kinds)

    def document(self) -> str:
        blocks = [self.block() for _ in range(self._chance.randint(1, 6))]
        return "\n\n".join([*blocks, "[ref]: https://x.org 'T'"])


def without_commas(words: list[str]) -> list[str]:
    """Leave out the commas between the cells of a row, which are heard only."""
    return [word.rstrip(",") for word in words]


@pytest.mark.parametrize("seed", range(300))
def test_a_document_is_heard_as_it_is_shown(seed: int) -> None:
    document = Writer(seed).document()
    assert without_commas(words_heard(document)) == without_commas(words_seen(document))


@pytest.mark.parametrize("seed", range(60))
def test_line_ends_of_any_kind_make_no_difference(seed: int) -> None:
    document = Writer(seed).document()
    expected = words_heard(document)
    assert words_heard(document.replace("\n", "\r\n")) == expected
    assert words_heard(document.replace("\n", "\r")) == expected


@pytest.mark.parametrize("seed", range(60))
def test_a_spoken_word_without_marks_in_it_is_found_where_it_was_written(seed: int) -> None:
    document = Writer(seed).document()
    mapped = unmarked(MappedText.of(document))
    at = 0
    for word in mapped.text.split():
        at = mapped.text.index(word, at)
        start, end = mapped.to_source(at, at + len(word))
        bare = word.rstrip(",")
        assert (
            document[start : start + len(bare)] == bare
            or "&" in word
            or any(mark in document[start:end] for mark in "\\<|")
        )
        at += len(word)


def test_the_oracle_sees_what_it_should() -> None:
    assert words_seen("# A *b* `c`\n\n![d](e) [f](g) <b>h</b>\n\n```x\ni\n```") == ["A", "b", "c", "d", "f", "h", "i"]
