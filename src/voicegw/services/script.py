"""What a stream says, in its order: segments of text, and the pauses between them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TypeAlias

from voicegw.backend import Mark
from voicegw.text.segment import Segment, segment
from voicegw.text.stages import Prepared


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence that the text asks for; ``seconds`` as the listener hears it, whatever the speed."""

    seconds: float


Line: TypeAlias = Segment | Pause
"""What is heard next."""


def lines(prepared: Prepared, *, max_chars: int, first_chars: int | None = None) -> Iterator[Line]:
    """Divide a text at its pauses, and what lies between them as :func:`voicegw.text.segment.segment` does.

    Positions are those of the whole text. ``first_chars`` bounds the first segment alone.
    """
    text = prepared.text.text
    begun = False
    for start, end, pause in _stretches(prepared):
        first = None if begun else first_chars
        for part in segment(text[start:end], max_chars=max_chars, first_chars=first):
            begun = True
            yield replace(part, start=start + part.start, end=start + part.end)
        if pause is not None:
            yield pause


def pronunciations(prepared: Prepared) -> tuple[Mark, ...]:
    """Give the marks that tell how words are said, in order of their places in the whole text."""
    return tuple(mark for mark in prepared.marks if mark.kind == "ipa")


def marks_of(part: Segment, marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Give those of the marks that lie in a segment, in positions of its own text.

    One that reaches beyond it is left out: half a word has no pronunciation. ``marks`` do not overlap.
    """
    first = bisect_left(marks, part.start, key=lambda mark: mark.start)
    following = (marks[index] for index in range(first, len(marks)))
    inside = takewhile(lambda mark: mark.end <= part.start + len(part.text), following)
    return tuple(replace(mark, start=mark.start - part.start, end=mark.end - part.start) for mark in inside)


def written(prepared: Prepared, source: str, start: int, end: int) -> str:
    """Give what the caller wrote in ``source`` for characters of the prepared text; what lies outside is left out."""
    length = len(prepared.text.text)
    first = min(max(start, 0), length)
    at, stop = prepared.text.to_source(first, min(max(end, first), length))
    return source[at:stop]


def together(prepared: Prepared, at: int) -> int:
    """Give where the words end that stand together for something the caller wrote, by the place of one character.

    Marks behind the last of them are left out, for nobody hears them.
    """
    end = prepared.text.unit_end(at)
    while end > at + 1 and not prepared.text.text[end - 1].isalnum():
        end -= 1
    return end


def _stretches(prepared: Prepared) -> Iterator[tuple[int, int, Pause | None]]:
    """Give where the text begins and ends before each pause, and after the last."""
    begin = 0
    for mark in prepared.marks:
        if mark.kind == "pause":
            yield begin, mark.start, Pause(float(mark.value))
            begin = mark.start
    yield begin, len(prepared.text.text), None
