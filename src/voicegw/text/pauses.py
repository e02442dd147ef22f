"""Pauses that a text asks for: ``[pause 500ms]`` and ``<break time="1.5s"/>``."""

from __future__ import annotations

import re
from typing import NamedTuple

from voicegw.text.spans import Edit, removal

LONGEST_S = 10.0
"""Seconds that one pause lasts at most, whatever is written."""

TOGETHER_S = 600.0
"""Seconds that all pauses of a text last at most; the rest would be hours of silence for a few bytes."""

_TIME = r"([0-9]{1,6}(?:[.,][0-9]{1,6})?|[.,][0-9]{1,6})\s?(m?s)"
_MARK = rf"(?:\[pause\s++{_TIME}\s*+\]|<break\s++time\s*+=\s*+(?P<q>[\"']){_TIME}(?P=q)\s*+/?>(?:</break>)?)"
_ONE = re.compile(_MARK, re.IGNORECASE)
_SEVERAL = re.compile(rf"{_MARK}(?:[ \t]*+{_MARK.replace('q>', 'r>').replace('=q', '=r')})*+", re.IGNORECASE)


class Pause(NamedTuple):
    """A pause in the text that was searched: ``at`` is the position behind its mark."""

    at: int
    seconds: float


def find_pauses(text: str) -> tuple[list[Edit], list[Pause]]:
    """Find the marks of pauses, and the edits that take them out of the text; linear in its length.

    Marks that follow each other are one pause. Times are taken to the nearest bound of 0 to :data:`LONGEST_S`; a
    pause of 0 s is taken out and not given, and so is what exceeds :data:`TOGETHER_S`. A mark that is not written
    as above stays in the text.
    """
    edits: list[Edit] = []
    pauses: list[Pause] = []
    left = TOGETHER_S
    for found in _SEVERAL.finditer(text):
        edits.append(removal(text, found.start(), found.end()))
        wanted = sum(_seconds(mark) for mark in _ONE.finditer(text, found.start(), found.end()))
        seconds = min(wanted, LONGEST_S, left)
        left -= seconds
        if seconds > 0:
            pauses.append(Pause(found.end(), seconds))
    return edits, pauses


def _seconds(mark: re.Match[str]) -> float:
    number, unit = (mark[1], mark[2]) if mark[1] else (mark[4], mark[5])
    return float(number.replace(",", ".")) / (1000 if unit.lower() == "ms" else 1)
