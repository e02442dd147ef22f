"""Text that remembers where each of its characters stood in the text that a caller sent."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

_LETTER_BY_LETTER = -1
"""Width of a run whose characters stand for one character of the source each."""

_CLINGING = frozenset(".,;:!?)]}\u2026\u2019\u201d\u3001\u3002\uff0c\uff01\uff1f")
"""Marks that no space is put before."""


class Edit(NamedTuple):
    """Characters ``start`` to ``end`` of a text give way to ``text``; an insertion where ``start == end``."""

    start: int
    end: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class SpanMap:
    """Runs of characters, in order: where each begins in the text, where in the source, and how wide it is there.

    A run is either letter by letter, or all its characters stand for the same ``widths`` characters of the source.
    Memory is 24 bytes per run; runs that go on from one another are one.
    """

    starts: array[int] = field(default_factory=lambda: array("q"))
    sources: array[int] = field(default_factory=lambda: array("q"))
    widths: array[int] = field(default_factory=lambda: array("q"))

    def run_at(self, position: int) -> int:
        """Give the index of the run that holds the character at a position."""
        return bisect_right(self.starts, position) - 1

    def span(self, position: int) -> tuple[int, int]:
        """Give the source span of the character at a position."""
        run = self.run_at(position)
        source, width = self.sources[run], self.widths[run]
        if width != _LETTER_BY_LETTER:
            return source, source + width
        source += position - self.starts[run]
        return source, source + 1

    def add(self, start: int, source: int, width: int) -> None:
        """Append a run that begins at ``start``; only while the map is made."""
        if self.starts and self.widths[-1] == width:
            walked = start - self.starts[-1] if width == _LETTER_BY_LETTER else 0
            if self.sources[-1] + walked == source:
                return
        self.starts.append(start)
        self.sources.append(source)
        self.widths.append(width)


@dataclass(frozen=True, slots=True)
class MappedText:
    """A text and the map of its characters to the source, which is the text of the caller.

    Characters are only ever replaced, deleted and inserted, so their spans are in the source's order. What replaces
    something stands, each of its characters, for all of what it replaced; what is inserted stands for the empty span
    behind the character before it, and inside of such a replacement for what that replaced.
    """

    text: str
    map: SpanMap

    @classmethod
    def of(cls, text: str) -> MappedText:
        """Give a text that is its own source."""
        spans = SpanMap()
        if text:
            spans.add(0, 0, _LETTER_BY_LETTER)
        return cls(text, spans)

    def to_source(self, char_start: int, char_end: int) -> tuple[int, int]:
        """Give the span of the source, 0 <= start <= end, that characters ``char_start`` to ``char_end`` stand for.

        Deleted characters inside the span belong to it, those at its edges do not. An empty span gives the empty one
        behind the character before it. Takes the logarithm of the number of edits.

        Raises:
            ValueError: This is no span of the text.
        """
        if not 0 <= char_start <= char_end <= len(self.text):
            raise ValueError(f"{char_start} to {char_end} is no span of a text of {len(self.text)} characters.")
        if char_start == char_end:
            point = self.map.span(char_start - 1)[1] if char_start else 0
            return point, point
        return self.map.span(char_start)[0], self.map.span(char_end - 1)[1]

    def from_source(self, position: int) -> int:
        """Give where in this text the first character stands whose source span begins at ``position`` or later.

        The length of the text is given where there is none.
        """
        run = bisect_left(self.map.sources, position)
        after = self.map.starts[run] if run < len(self.map.starts) else len(self.text)
        if not run or self.map.widths[run - 1] != _LETTER_BY_LETTER:
            return after
        return min(after, self.map.starts[run - 1] + position - self.map.sources[run - 1])

    def unit_end(self, position: int) -> int:
        """Give where the characters end that stand for the same of the source, all together, as the one at a position.

        That is behind it where it stands for itself, or where there is none.
        """
        if not 0 <= position < len(self.text):
            return position + 1
        run = self.map.run_at(position)
        if self.map.widths[run] == _LETTER_BY_LETTER:
            return position + 1
        return self.map.starts[run + 1] if run + 1 < len(self.map.starts) else len(self.text)

    def edited(self, edits: Iterable[Edit]) -> MappedText:
        """Give this text with edits made, all in positions of this text; the source stays the same.

        Args:
            edits: In order, none overlapping the one before; insertions at one place come in the order given.

        Raises:
            ValueError: The edits are out of order, overlap, or lie outside of the text.
        """
        pieces: list[str] = []
        spans = SpanMap()
        at = length = 0
        for start, end, new in edits:
            if not at <= start <= end <= len(self.text):
                raise ValueError(f"The edit of {start} to {end} is out of order or outside of the text.")
            length = self._keep(spans, at, start, length)
            pieces += (self.text[at:start], new)
            if new:
                source, stop = self.to_source(start, end) if end > start else self._between(start)
                spans.add(length, source, stop - source)
                length += len(new)
            at = end
        self._keep(spans, at, len(self.text), length)
        return MappedText("".join((*pieces, self.text[at:])), spans)

    def _between(self, at: int) -> tuple[int, int]:
        """Give the span of what is inserted: empty, except between characters that stand for the same source."""
        point = self.to_source(at, at)[1]
        return (min(point, self.map.span(at)[0]) if at < len(self.text) else point), point

    def _keep(self, spans: SpanMap, start: int, end: int, length: int) -> int:
        """Take over the runs of ``start`` to ``end`` behind ``length`` characters, and give the new length."""
        run = self.map.run_at(start)
        at = start
        while at < end:
            source, width = self.map.sources[run], self.map.widths[run]
            if width == _LETTER_BY_LETTER:
                source += at - self.map.starts[run]
            spans.add(length + at - start, source, width)
            run += 1
            at = self.map.starts[run] if run < len(self.map.starts) else end
        return length + end - start


def removal(text: str, start: int, end: int) -> Edit:
    """Give the edit that takes out something between words: not two spaces are left there, nor none."""
    before = text[start - 1 : start]
    if not before or before.isspace():
        return Edit(start, skip_blanks(text, end))
    after = text[end : end + 1]
    return Edit(start, end, "" if not after or after.isspace() or after in _CLINGING else " ")


def skip_blanks(text: str, at: int) -> int:
    """Give the first position from ``at`` on that holds neither a space nor a tab."""
    while at < len(text) and text[at] in " \t":
        at += 1
    return at
