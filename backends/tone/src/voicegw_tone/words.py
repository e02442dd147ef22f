"""Which words a text has, and the pitch of each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")

# Middles of the mel bands 8, 11, ..., 65 of a speech recogniser's 80 (slaney scale, 16 kHz, windows of 400 samples), so
# that one band hears one word. Computed; repeat with: python -m voicegw_tone.table
TABLE_HZ = (
    *(320, 440, 560, 680, 800, 880, 1000, 1120, 1280, 1440),
    *(1600, 1800, 2000, 2240, 2520, 2840, 3200, 3560, 4000, 4480),
)
GRID_HZ = 40
NUMBER_HZ = dict(zip(ENGLISH + GERMAN, TABLE_HZ, strict=True))
OTHER_HZ = tuple(hz for hz in range(TABLE_HZ[0], TABLE_HZ[-1] + 1, GRID_HZ) if hz not in TABLE_HZ)
"""What is left for all other words: 40 Hz and more away from every number."""

# Scripts without spaces between words: kana, Hangul syllables, Han and its extensions, half-width kana.
_SINGLE = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_SINGLE += "\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
# Marks that belong to the letter before them and that \w leaves out: accents, Hebrew and Arabic points, the vowel signs
# of the Indic and South-East Asian scripts, joiners.
_MARK = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711\u0730-\u074a"
_MARK += "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a4d\u0a81-\u0acd"
_MARK += "\u0b01-\u0bcd\u0c00-\u0ccd\u0d00-\u0dca\u0dcf-\u0df3\u0e31-\u0e4e\u0eb1-\u0ecd\u0f18-\u0fbc\u102b-\u103e"
_MARK += "\u17b4-\u17d3\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d\u20d0-\u20ff\ufe20-\ufe2f"
_LETTER = rf"(?:(?![{_SINGLE}])\w[{_MARK}]*)"
_WORD = re.compile(rf"[{_SINGLE}][\u3099\u309a\ufe00-\ufe0f]*|{_LETTER}+(?:['\u2019\u2010\u2011-]{_LETTER}+)*")


@dataclass(frozen=True, slots=True)
class TextWord:
    """A word of a text: the span of its characters and the pitch at which it is spoken, a multiple of 40 Hz."""

    char_start: int
    char_end: int
    hz: int


def words(text: str) -> Iterator[TextWord]:
    """Find the words of a text, in order.

    A word is a run of letters, digits and marks, inner apostrophes and hyphens included; in Chinese, Japanese and
    Korean every character is one. Anything else (punctuation, emoji, control characters, lone surrogates) is silent.
    """
    for match in _WORD.finditer(text):
        yield TextWord(match.start(), match.end(), pitch(match.group()))


def pitch(word: str) -> int:
    """Give a word's frequency in Hz, whatever its case: a number's from the table, any other's by a stable hash."""
    return _pitch(unicodedata.normalize("NFC", word).casefold())


@lru_cache(maxsize=4096)
def _pitch(word: str) -> int:
    hz = NUMBER_HZ.get(word)
    if hz is not None:
        return hz
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return OTHER_HZ[int.from_bytes(digest, "big") % len(OTHER_HZ)]
