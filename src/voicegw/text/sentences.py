"""Where sentences end, by punctuation and small tables; every rule that doubts says no, for a cut is heard."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NEWLINES = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_NEWLINE = re.compile(rf"\r\n|[{_NEWLINES}]")

_OPEN = "\"'\u201c\u2018\u201e\u201a\u00ab\u2039([{\u3008\u300a\u300c\u300e\u3010\u3014\uff08\uff3b\uff5b\u00bf\u00a1"
# German closes with what English opens, and may turn guillemets round.
_CLOSE = (
    "\"'\u201d\u2019\u00bb\u203a\u201c\u2018\u00ab\u2039)]}"
    "\u3009\u300b\u300d\u300f\u3011\u3015\uff09\uff3d\uff5d\uff02\uff07"
)

_UNSPACED = "\u061f\u06d4\u0964\u0965\u3002\uff01\uff1f\uff61"
"""Marks that end a sentence though no space follows: Arabic and Urdu, danda, East Asian."""

_DOTS = ".\uff0e\u2026\u2025"
_STRONG = "!?\u203d\u2047\u2048\u2049"

_MARKS = re.escape(_DOTS + _STRONG + _UNSPACED)
_END = re.compile(rf"([{_MARKS}]+)([{re.escape(_CLOSE)}]*)(\s*)|[{_NEWLINES}]\s*")
_OPENERS = re.compile(rf"[{re.escape(_OPEN)}]*")

_SURELY = frozenset(_UNSPACED)

_WIDE_FROM = "\u2e80"
"""First character of the East Asian blocks, which are written without spaces."""

_LOOK_BACK = 24
"""Characters before a full stop in which its word is looked for; longer than any abbreviation."""

_SHORT_WORD = 3
"""Letters up to which an unknown word before a full stop and a small letter is taken for an abbreviation."""

_LONGEST_DOTTED = 8
"""Characters up to which a word with full stops inside is taken for an abbreviation."""

_ORDINAL_DIGITS = 2
"""Digits up to which a number before a full stop is an ordinal or counts a list: ``3. Oktober``, ``1. Buy milk``."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WITHIN = _words(
    # English
    "mr mrs ms dr prof rev hon gov gen col capt cmdr lt sgt adm maj sen rep pres messrs st mt ft vs viz cf approx dept"
    # Spanish and Portuguese
    " sr sra srta sres dra dña ud uds vd vds lic ing arq profa exmo exma eng pág págs aprox av avda gral núm tel"
    # German
    " hr fr bzw ca evtl ggf inkl exkl str bspw vgl sog zzgl dipl mag"
    # French
    " mm mme mmes mlle mlles mgr env bd hab"
    # Hindi
    " डॉ प्रो श्री"
)
"""Abbreviations that something always follows."""

_BEFORE_NUMBER = _words(
    "no nr nº n.º num núm vol vols p pp pág págs art arts fig figs sec ch cap caps ed abs kap bd"
    " jan feb mar apr jun jul aug sep sept oct nov dec ene abr ago dic set out dez okt"
)
"""Words that are abbreviations before a number only."""

_MAY_END = _words("etc usw inc ltd corp co bros jr al ff a.m p.m u.s.w")
"""Abbreviations with which a sentence can end."""


def sentence_ends(text: str) -> Iterator[tuple[int, bool]]:
    """Give, in order, where the next sentence begins, and whether a blank line lies before it.

    White space belongs to the sentence before it. The end of the text is always the last one given. Linear in the
    length of the text, whatever it holds.
    """
    for found in _END.finditer(text):
        begin = found.end()
        if begin == len(text):
            break
        space = found[3] if found[1] else found[0]
        lines = 0 if space in {"", " "} else len(_NEWLINE.findall(space))
        if _ends_line(text, begin, lines) or (found[1] and _ends(text, found)):
            yield begin, lines > 1
    yield len(text), False


def _ends_line(text: str, begin: int, lines: int) -> bool:
    """Tell whether line breaks end a sentence: a blank line does, one before a small letter only wraps the text."""
    return lines > 1 or (lines == 1 and not _next_letter(text, begin).islower())


def _ends(text: str, found: re.Match[str]) -> bool:
    """Tell whether marks, with the closing quotes and the white space after them, end a sentence."""
    mark, closers, space = found.groups()
    if not _SURELY.isdisjoint(mark):
        return True
    begin = found.end()
    if not space and (text[begin] < _WIDE_FROM or text[begin].isdecimal()):
        return False
    if mark.strip(_DOTS) and not closers:
        return True
    following = _next_letter(text, begin)
    if mark != "." or closers:
        return not following.islower()
    return _full_stop_ends(_word_before(text, found.start()), following)


def _next_letter(text: str, begin: int) -> str:
    """Give what follows the opening quotes and brackets, "" at the end of the text."""
    opened = _OPENERS.match(text, begin)
    at = begin if opened is None else opened.end()
    return text[at : at + 1]


def _word_before(text: str, stop: int) -> str:
    """Give the word that a full stop follows, in small letters, without what opens before it."""
    words = text[max(0, stop - _LOOK_BACK) : stop].rsplit(None, 1)
    return words[-1].lstrip(_OPEN).casefold() if words else ""


def _full_stop_ends(word: str, following: str) -> bool:
    """Tell whether a single full stop after ``word`` ends a sentence."""
    if word in _WITHIN or (following.isdecimal() and word in _BEFORE_NUMBER):
        return False
    if word.isdecimal():
        return len(word) > _ORDINAL_DIGITS and not following.islower()
    if following.islower():
        return len(word) > _SHORT_WORD and not _dotted(word)
    return word in _MAY_END or not (_initial(word) or _dotted(word))


def _dotted(word: str) -> bool:
    """Tell an abbreviation with full stops inside (``e.g``, ``p.ej``) from an address or an amount."""
    return "." in word and len(word) <= _LONGEST_DOTTED and not word[-1].isdecimal()


def _initial(word: str) -> bool:
    """Tell whether this is a single letter, of a script that has capitals, but not the English pronoun."""
    return len(word) == 1 and word.upper() != word and word != "i"
