"""Finds many words and phrases in a text in one walk over its words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fff\u3005-\u31ff\u3400-\u9fff\ua960-\ua97f"
    "\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Hangul (whose particles cling to words), Han and kana: scripts without word spaces."""

_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
_UNSPACED_LETTER = re.compile(rf"[{_UNSPACED}]")
_CONTRACTED = re.compile(r"['\u2019](?!s\b)[^\W\d_]", re.IGNORECASE)
_JOINERS = frozenset("_\u200c\u200d")


class _Token(NamedTuple):
    """A word, or a mark; ``key`` tells small letters not from capitals, but a token behind white space from others."""

    start: int
    end: int
    key: str


class _Node(Generic[T]):
    """What words with a common beginning go on with, and what the word is given that ends here."""

    __slots__ = ("exact", "folded", "next")

    def __init__(self) -> None:
        self.next: dict[str, _Node[T]] = {}
        self.exact: dict[str, T] = {}
        self.folded: list[T] = []


class WordTrie(Generic[T]):
    """Values by word or phrase. The first value that a word is given stays."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, word: str, value: T, *, exact: bool) -> None:
        """Give a word its value, in any case of its letters or only exactly as written."""
        node = self._root
        spelled = tokens(word)
        for token in spelled:
            node = node.next.setdefault(token.key, _Node())
        if exact:
            node.exact.setdefault(_spelling(word, spelled[0].start, spelled[-1].end), value)
        elif not node.folded:
            node.folded.append(value)

    def find(self, text: str) -> Iterator[tuple[int, int, T]]:
        """Give, in order, the spans of the words in a text with their values; the longest one at each place.

        Takes as many steps as the text has words, times the words of the longest phrase that begins there.
        """
        if not self._root.next:
            return
        read = tokens(text)
        at = 0
        while at < len(read):
            count, value = self._longest(text, read, at)
            if value:
                yield read[at].start, read[at + count - 1].end, value[0]
            at += count

    def _longest(self, text: str, read: list[_Token], at: int) -> tuple[int, list[T]]:
        """Give how many tokens the longest word from ``at`` on has, and its value; one token if there is none."""
        found: list[T] = []
        best = 1
        node, start = self._root.next.get(read[at].key.lstrip()), read[at].start
        count = 1
        while node is not None:
            if value := _value(node, text, start, read[at + count - 1].end):
                best, found = count, value
            node = node.next.get(read[at + count].key) if at + count < len(read) else None
            count += 1
        return best, found


def tokens(text: str) -> list[_Token]:
    """Divide a text into words and marks; in scripts without spaces every character is one."""
    found: list[_Token] = []
    last = 0
    for token in _TOKEN.finditer(text):
        key = token[0].casefold()
        found.append(_Token(token.start(), token.end(), f" {key}" if found and token.start() > last else key))
        last = token.end()
    return found


def _value(node: _Node[T], text: str, start: int, end: int) -> list[T]:
    """Give what the word that ends here has as its value in this place, if it is a whole word."""
    if not (node.exact or node.folded) or not (_begins(text, start) and _ends(text, end)):
        return []
    exact = node.exact.get(_spelling(text, start, end)) if node.exact else None
    return node.folded if exact is None else [exact]


def _spelling(text: str, start: int, end: int) -> str:
    return " ".join(text[start:end].split())


def _begins(text: str, at: int) -> bool:
    """Tell whether a word can begin at a position."""
    return at == 0 or not _sticks(text[at - 1]) or _UNSPACED_LETTER.match(text[at]) is not None


def _ends(text: str, at: int) -> bool:
    """Tell whether a word can end at a position: no letter goes on there, no accent, no ``'t`` of ``don't``."""
    if at == len(text):
        return True
    if unicodedata.category(text[at])[0] == "M" or text[at] in _JOINERS:
        return False
    if _sticks(text[at]) and not _UNSPACED_LETTER.match(text[at - 1]):
        return False
    return not (_sticks(text[at - 1]) and _CONTRACTED.match(text, at))


def _sticks(letter: str) -> bool:
    """Tell what is part of a word together with its neighbours."""
    if letter in _JOINERS or unicodedata.category(letter)[0] == "M":
        return True
    return letter.isalnum() and not _UNSPACED_LETTER.match(letter)
