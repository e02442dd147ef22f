"""How words are said that models say wrongly: a lexicon per language and voice, written by the operator."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicegw.text.wordtrie import WordTrie, tokens

EVERY = "*"
"""Stands for every language."""

LONGEST_CHARS = 200
"""Characters that a word or phrase, and what is said for it, has at most."""

_VOICES = "voices"
_KEYS = frozenset({"say", "ipa", "exact"})

Table = Mapping[str, "Entry"]
"""Entries of one language by the word as it is written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How a word or phrase is said.

    Attributes:
        word: As the lexicon has it.
        say: The text that is spoken in its place, or None.
        ipa: Its sounds in the International Phonetic Alphabet, or None; one of the two is given.
        exact: Whether small and capital letters must be as in ``word``.
    """

    word: str
    say: str | None = None
    ipa: str | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Characters ``start`` to ``end`` of a text are said as ``entry`` tells."""

    start: int
    end: int
    entry: Entry


class Lexicon:
    """Entries by language, and by voice and language.

    Args:
        languages: Tables by BCP 47 tag; ``*`` holds for every language.
        voices: The same by name of a voice, which goes before what holds for all.
    """

    def __init__(self, languages: Mapping[str, Table], voices: Mapping[str, Mapping[str, Table]] | None = None) -> None:
        self._languages = {tag.lower(): table for tag, table in languages.items()}
        self._voices = {
            voice: {tag.lower(): table for tag, table in tables.items()} for voice, tables in (voices or {}).items()
        }
        self._tries: dict[tuple[tuple[str | None, str], ...], WordTrie[Entry]] = {}

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read a lexicon from a file of JSON (``.json``) or YAML, where every word may stand without quotes.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not valid; the message names the file and the entry.
        """
        try:
            text = path.read_text("utf-8")
            return cls.of(json.loads(text) if path.suffix.lower() == ".json" else _yaml(text))
        except ValueError as error:
            raise ValueError(f"The lexicon {path} cannot be used: {error}") from error

    @classmethod
    def of(cls, tree: Any) -> Lexicon:
        """Make a lexicon of a mapping of plain values.

        ``{"en": {"nginx": "engine x", "tomato": {"ipa": "t\u0259\u02c8m\u0251\u02d0to\u028a"},
        "US": {"say": "U S", "exact": true}}, "*": {...}, "voices": {"alloy": {"en": {...}}}}``. Keys are BCP 47 tags,
        ``*`` for every language, and ``voices`` for what holds for one voice. A word is given the text that is said
        for it, or a mapping with ``say`` or ``ipa``, and ``exact: true`` if capitals must be as written.

        Raises:
            ValueError: An entry is not valid; the message names it.
        """
        languages = dict(_mapping(tree, "the whole"))
        voices = _mapping(languages.pop(_VOICES, {}), f"'{_VOICES}'")
        return cls(
            _tables(languages, ""),
            {voice: _tables(_mapping(tables, f"'{voice}'"), f"{voice}: ") for voice, tables in voices.items()},
        )

    def find(self, text: str, *, language: str | None = None, voice: str | None = None) -> Iterator[Match]:
        """Find the words of the lexicon in a text, in order; of those that begin at one place the longest.

        Whole words are found, whatever their case unless the entry says so, and phrases with any white space between
        their words. In scripts without spaces any sequence of characters is found. What holds for the voice goes
        before what holds for all, then the closer language (``en-GB``, ``en``, ``*``). Without a language only ``*``
        holds. Linear in the length of the text, whatever the size of the lexicon.
        """
        for start, end, entry in self._trie(language, voice).find(text):
            yield Match(start, end, entry)

    def ready(self, *, language: str | None = None, voice: str | None = None) -> bool:
        """Tell whether :meth:`find` was called for these before; the first time it takes 5 us for every entry more."""
        return tuple(self._holding(language, voice)) in self._tries

    def _trie(self, language: str | None, voice: str | None) -> WordTrie[Entry]:
        """Give the words that hold; there are only as many combinations as the lexicon has tables for."""
        holding = tuple(self._holding(language, voice))
        if holding not in self._tries:
            trie: WordTrie[Entry] = WordTrie()
            for owner, tag in holding:
                tables = self._languages if owner is None else self._voices[owner]
                for entry in tables[tag].values():
                    for form in {unicodedata.normalize("NFC", entry.word), unicodedata.normalize("NFD", entry.word)}:
                        trie.add(form, entry, exact=entry.exact)
            self._tries[holding] = trie
        return self._tries[holding]

    def _holding(self, language: str | None, voice: str | None) -> Iterator[tuple[str | None, str]]:
        """Name the tables that hold, the first one before the others: whose it is, and its language."""
        tags = [*_broader(language.lower() if language else ""), EVERY]
        owners = [(voice, self._voices[voice])] if voice is not None and voice in self._voices else []
        for owner, tables in (*owners, (None, self._languages)):
            yield from ((owner, tag) for tag in tags if tag in tables)


def _broader(tag: str) -> Iterator[str]:
    """Give a tag, then the tags of the languages that hold it: ``zh-hant-tw``, ``zh-hant``, ``zh``."""
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]


def _yaml(text: str) -> Any:
    """Read YAML with all scalars as text, so that ``no``, ``on`` and ``1.10`` are words like others."""
    import yaml

    loader = yaml.BaseLoader(text)
    try:
        return loader.get_single_data() or {}
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    finally:
        loader.dispose()


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a mapping, not {type(value).__name__}.")  # noqa: TRY004 - a bad file's one error
    for key in value:
        if not isinstance(key, str) or not key:
            raise ValueError(f"the key {key!r} in {what} must be text; put it in quotes.")
    return value


def _tables(tree: Mapping[str, Any], where: str) -> dict[str, Table]:
    return {
        tag: {word: _entry(word, value, f"{where}{tag}: {word}") for word, value in _mapping(table, f"'{tag}'").items()}
        for tag, table in tree.items()
    }


def _entry(word: str, value: Any, where: str) -> Entry:
    fields = value if isinstance(value, Mapping) else {"say": value}
    unknown = sorted(str(key) for key in fields if key not in _KEYS)
    if unknown:
        raise ValueError(f"the entry '{where}' has unknown keys: {', '.join(unknown)}.")
    if ("say" in fields) == ("ipa" in fields):
        raise ValueError(f"the entry '{where}' needs either 'say' or 'ipa'.")
    if len(word) > LONGEST_CHARS or not tokens(word):
        raise ValueError(f"the entry '{where[:LONGEST_CHARS]}' needs a word of 1 to {LONGEST_CHARS} characters.")
    key = "say" if "say" in fields else "ipa"
    exact = fields.get("exact", False)
    if exact not in (True, False, "true", "false"):
        raise ValueError(f"the entry '{where}' needs true or false for 'exact'.")
    return Entry(word, exact=exact in (True, "true"), **{key: _said(fields[key], key, where)})


def _said(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_CHARS:
        raise ValueError(f"the entry '{where}' needs a text of 1 to {LONGEST_CHARS} characters for '{key}'.")
    return value
