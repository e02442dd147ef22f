"""Finding words and phrases in one walk, beside a search that tries everything everywhere."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from voicegw.text.wordtrie import WordTrie, tokens

LETTERS = [
    "a",
    "B",
    "b",
    " ",
    " ",
    "  ",
    "\n",
    ".",
    "-",
    "'",
    "\u6771",
    "\u4eac",
    "\u0e01",
    "\u0301",
    "5",
    "_",
    "\u200d",
    "\u00df",
]
UNSPACED = "\u6771\u4eac\u0e01"


def spelled(text: str) -> list[tuple[str, bool]]:
    """Give the tokens of a text in small letters, with whether white space stands before each but the first."""
    read = tokens(text)
    befores = [False, *(one.end < two.start for one, two in pairwise(read))]
    return [(text[each.start : each.end].casefold(), before) for each, before in zip(read, befores, strict=True)]


def slow_find(words: list[str], text: str) -> list[tuple[int, int]]:
    """Find the longest word at each place by comparing every word with every stretch of tokens."""
    read = tokens(text)
    found, at = [], 0
    while at < len(read):
        ends = []
        for last in range(at, len(read)):
            start, end = read[at].start, read[last].end
            if any(spelled(word) == spelled(text[start:end]) for word in words) and whole(text, start, end):
                ends.append((last, end))
        if ends:
            found.append((read[at].start, ends[-1][1]))
        at = ends[-1][0] + 1 if ends else at + 1
    return found


def whole(text: str, start: int, end: int) -> bool:
    """Tell whether a stretch is a whole word where it stands: what is around it does not belong to it."""
    before, after = text[start - 1 : start], text[end : end + 1]
    first, last = text[start], text[end - 1]
    if before and sticks(before) and first not in UNSPACED:
        return False
    if after in ("\u0301", "\u200d", "_") or (after and sticks(after) and last not in UNSPACED):
        return False
    contracted = after == "'" and sticks(last) and text[end + 1 : end + 2].isalpha()
    return not contracted


def sticks(letter: str) -> bool:
    return letter in "\u0301\u200d_" or (letter.isalnum() and letter not in UNSPACED)


@pytest.mark.parametrize("seed", range(300))
def test_one_walk_finds_what_a_slow_search_finds(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same texts each time
    text = "".join(chance.choices(LETTERS, k=chance.randint(1, 24)))
    words = ["".join(chance.choices(LETTERS, k=chance.randint(1, 4))).strip() for _ in range(6)]
    words = [word for word in words if tokens(word)]
    trie: WordTrie[str] = WordTrie()
    for word in words:
        trie.add(word, word, exact=False)
    assert [(start, end) for start, end, _ in trie.find(text)] == slow_find(words, text)


def find(words: list[str], text: str) -> list[str]:
    trie: WordTrie[str] = WordTrie()
    for word in words:
        trie.add(word, word, exact=False)
    return [text[start:end] for start, end, _ in trie.find(text)]


def test_tokens_are_words_marks_and_single_letters_of_scripts_without_spaces() -> None:
    text = "Don't_x, \u6771\u4eac\u0e01a5  (.NET)"
    assert [text[token.start : token.end] for token in tokens(text)] == [
        *("Don", "'", "t_x", ",", "\u6771", "\u4eac", "\u0e01", "a5", "(", ".", "NET", ")")
    ]
    assert [token.key for token in tokens(" A  b-C")] == ["a", " b", "-", "c"]


def test_white_space_before_the_text_is_none_before_the_first_word() -> None:
    assert find(["a b"], "  a b") == ["a b"]
    assert find([" a b "], "x a\tb") == ["a\tb"]


def test_the_first_value_of_a_word_stays() -> None:
    trie: WordTrie[int] = WordTrie()
    for value, (word, exact) in enumerate([("Us", False), ("US", False), ("US", True), ("US", True), ("us", True)]):
        trie.add(word, value, exact=exact)
    assert [value for _, _, value in trie.find("US us Us uS")] == [2, 4, 0, 0]


def test_an_exact_word_that_does_not_fit_leaves_the_shorter_one() -> None:
    trie: WordTrie[int] = WordTrie()
    trie.add("new", 1, exact=False)
    trie.add("New York", 2, exact=True)
    assert [value for _, _, value in trie.find("new york New York")] == [1, 2]


def test_values_may_be_false() -> None:
    trie: WordTrie[int] = WordTrie()
    trie.add("a", 0, exact=False)
    trie.add("B", 0, exact=True)
    assert list(trie.find("a B b")) == [(0, 1, 0), (2, 3, 0)]


def test_an_empty_trie_reads_nothing() -> None:
    trie: WordTrie[int] = WordTrie()
    assert list(trie.find("a b c")) == []


@pytest.mark.parametrize("apostrophe", ["'", "\u2019"])
def test_an_apostrophe_goes_on_with_a_word_unless_it_is_a_possessive(apostrophe: str) -> None:
    for ending, whole_word in [("s", True), ("s.", True), ("", True), ("t", False), ("ll", False), ("sa", False)]:
        assert find(["bob"], f"Bob{apostrophe}{ending}") == (["Bob"] if whole_word else [])
    assert find(["o"], f"rock{apostrophe}o{apostrophe} x") == ["o"]
    assert find(["c++"], f"C++{apostrophe}t") == ["C++"]
