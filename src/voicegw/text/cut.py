"""Cuts what is too long for one utterance where it is heard least."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_CLAUSE = frozenset(",;:\u2013\u060c\u061b")
"""Marks that end a clause where white space follows."""

_WIDE_CLAUSE = frozenset("\u3001\uff0c\uff1b\uff1a\u2014")
"""Marks that end a clause whatever follows: East Asian ones, and the em dash."""

_BOUND_SPACE = frozenset("\u00a0\u202f\u2007")
"""White space that says it is no place for a break."""

_JOINER = "\u200d"


def cuts(text: str, start: int, stop: int, most: int) -> Iterator[int]:
    """Give, in order, where to cut ``text[start:stop]``, which ends without white space, into ``most`` characters.

    A cut lies behind white space, if there is any, and a piece without it has at most ``most`` characters. It is
    looked for at the end of a clause, then at white space, then anywhere but inside a number or a character of
    several code points. Linear in ``stop - start``.
    """
    while stop - start > most:
        # Of a rest that is hardly too long two thirds are taken, so that no crumb is left.
        reach = start + min(most, max(1, (stop - start) * 2 // 3))
        at = clause_end(text, start + (reach - start) // 2, reach) or _last_space(text, start, reach)
        start = at = skip_space(text, at or _anywhere(text, start, reach))
        yield at


def skip_space(text: str, at: int) -> int:
    """Give the first position from ``at`` on that holds no white space."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def clause_end(text: str, low: int, high: int) -> int | None:
    """Give the last position in (low, high] that a clause ends before, None if there is none; high < len(text)."""
    for at in range(high, low, -1):
        mark = text[at - 1]
        if mark in _WIDE_CLAUSE or (mark in _CLAUSE and text[at].isspace()):
            return at
    return None


def _last_space(text: str, low: int, high: int) -> int | None:
    """Give the last position in (low, high] with white space, one that holds a number together only if it must be."""
    bound = None
    for at in range(high, low, -1):
        if text[at].isspace():
            if not _binds(text, at):
                return at
            bound = bound or at
    return bound


def _binds(text: str, at: int) -> bool:
    grouped = text[at - 1].isdecimal() and text[at + 1].isdecimal()  # text ends without white space
    return grouped or text[at] in _BOUND_SPACE


def _anywhere(text: str, low: int, high: int) -> int:
    """Give the last position in (low, high] that cuts no number and no character, ``high`` if every one does."""
    for at in range(high, low, -1):
        if not (_in_character(text, low, at) or _in_number(text, at)):
            return at
    return high


def _in_number(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if after.isdecimal():
        return before.isdecimal() or (before in ".,:/" and text[at - 2 : at - 1].isdecimal())
    return after in ".,:/" and before.isdecimal() and text[at + 1 : at + 2].isdecimal()


def _in_character(text: str, low: int, at: int) -> bool:
    """Tell whether a position lies inside a user-perceived character, by the main rules of UAX #29."""
    before, after = text[at - 1], text[at]
    if _JOINER in (before, after) or unicodedata.category(after).startswith("M"):
        return True
    if "\u1160" <= after <= "\u11ff" or "\U0001f3fb" <= after <= "\U0001f3ff":  # Hangul vowels and tails, skin tones
        return True
    return _flag(before) and _flag(after) and _flags_before(text, low, at) % 2 == 1


def _flag(letter: str) -> bool:
    """Tell whether this is half of a flag, a regional indicator."""
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def _flags_before(text: str, low: int, at: int) -> int:
    count = 0
    while at - count > low and _flag(text[at - count - 1]):
        count += 1
    return count
