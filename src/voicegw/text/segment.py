"""Splits a long text into segments that a model speaks one after the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from voicegw.text.cut import clause_end, cuts, skip_space
from voicegw.text.sentences import sentence_ends

PACKED_CHARS = 160
"""Characters up to which short sentences share a segment: about 10 s of speech."""

TINY_CHARS = 24
"""A sentence shorter than this joins a neighbour of any length, if both fit: models speak single words badly."""

_SPOKEN = re.compile(r"[^\W_]|[$%&+<=>@]")
_SPOKEN_CATEGORIES = frozenset({"Sc", "Sm", "So", "Cn"})  # Cn: letters and emoji newer than this Python


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text, to be spoken as one utterance.

    Attributes:
        text: Without white space around it; equal to the characters of the whole from ``start`` on.
        start: Where it begins in the whole text.
        end: Where the next segment begins: white space, and marks that nobody would hear, belong to the segment
            before them.
    """

    text: str
    start: int
    end: int


class _Draft(NamedTuple):
    """A segment in the making.

    ``stop`` is where its own text ends, ``packed`` says that it holds several pieces, ``whole`` that its text holds
    all marks up to ``end``.
    """

    start: int
    stop: int
    end: int
    speaks: bool
    paragraph: bool = False
    packed: bool = False
    whole: bool = True

    @property
    def length(self) -> int:
        return self.stop - self.start


def segment(text: str, *, max_chars: int, first_chars: int | None = None) -> Iterator[Segment]:
    """Split a text at the ends of sentences; linear in its length, whatever it holds.

    The segments follow each other without a gap up to the end of the text; only white space, and marks that nobody
    would hear, may be left out before the first. Every segment holds something to speak: a letter, a digit, a symbol.
    A text without any gives none.

    Args:
        text: Any text, lone surrogates included.
        max_chars: Characters that a segment has at most, >= 1. A longer sentence is cut at the end of a clause, else
            at white space, else anywhere.
        first_chars: Characters that the first segment should have at most, so that it is heard soon; it is cut for
            that at the end of a sentence or clause only.

    Raises:
        ValueError: A bound is less than 1.
    """
    if max_chars < 1 or (first_chars is not None and first_chars < 1):
        raise ValueError("A segment needs room for at least 1 character.")
    return _segments(text, max_chars, first_chars and min(first_chars, max_chars))


def split_to_fit(part: Segment, fits_chars: int) -> list[Segment]:
    """Split a segment that a model found too long into shorter ones, with positions in the same whole text.

    Args:
        part: From :func:`segment` or from here, of at least 2 characters.
        fits_chars: What the model takes. Where that is no less than the segment has, its halves are given, so that
            trying again always comes to an end.

    Raises:
        ValueError: The segment has a single character.
    """
    size = len(part.text)
    if size <= 1:
        raise ValueError("A single character cannot be split.")
    most = fits_chars if 0 < fits_chars < size else size // 2
    parts = [
        replace(piece, start=part.start + piece.start, end=part.start + piece.end)
        for piece in _segments(part.text, most, None)
    ]
    return [*parts[:-1], replace(parts[-1], end=part.end)] if parts else []


def _segments(text: str, most: int, first: int | None) -> Iterator[Segment]:
    draft: _Draft | None = None
    for piece in _pieces(text, most, first):
        joined = piece if draft is None else _joined(draft, piece, most, first)
        if joined is None and draft is not None:
            yield Segment(text[draft.start : draft.stop], draft.start, draft.end)
            first, joined = None, piece
        draft = joined
    if draft is not None and draft.speaks:
        yield Segment(text[draft.start : draft.stop], draft.start, draft.end)


def _joined(before: _Draft, piece: _Draft, most: int, first: int | None) -> _Draft | None:
    """Give both as one, or None where the one before is to be spoken by itself."""
    length = piece.stop - before.start
    fits = before.whole and length <= most
    if before.speaks and piece.speaks:
        return _together(before, piece) if fits and _belong(before, piece, length, most, first) else None
    if fits:
        return _together(before, piece)
    return before._replace(end=piece.end, whole=False) if before.speaks else piece


def _together(before: _Draft, piece: _Draft) -> _Draft:
    packed = before.packed or (before.speaks and piece.speaks)
    return _Draft(before.start, piece.stop, piece.end, before.speaks or piece.speaks, piece.paragraph, packed)


def _belong(before: _Draft, piece: _Draft, length: int, most: int, first: int | None) -> bool:
    """Tell whether two pieces that would fit share a segment."""
    if before.paragraph:
        return length <= TINY_CHARS
    if first is not None:
        return length <= min(first, PACKED_CHARS)
    tiny = before.length < TINY_CHARS or (piece.length < TINY_CHARS and not before.packed)
    return length <= (most if tiny else PACKED_CHARS)


def _pieces(text: str, most: int, first: int | None) -> Iterator[_Draft]:
    """Give sentences, the long ones cut, the first one at the clause that ``first`` allows."""
    start = skip_space(text, 0)
    for end, paragraph in sentence_ends(text):
        if end <= start:
            continue
        stop = start + len(text[start:end].rstrip())
        for at in _inner_cuts(text, start, stop, most, first):
            yield _draft(text, start, at)
            start = at
        yield _draft(text, start, end, paragraph=paragraph)
        start, first = end, None


def _inner_cuts(text: str, start: int, stop: int, most: int, first: int | None) -> Iterator[int]:
    if first is not None and stop - start > first:
        early = clause_end(text, start + first // 2, start + first)
        if early is not None:
            start = skip_space(text, early)
            yield start
    yield from cuts(text, start, stop, most)


def _draft(text: str, start: int, end: int, *, paragraph: bool = False) -> _Draft:
    own = text[start:end].rstrip()
    return _Draft(start, start + len(own), end, _speaks(own), paragraph)


def _speaks(text: str) -> bool:
    """Tell whether there is something to hear: not only marks, white space and invisible characters."""
    if _SPOKEN.search(text) is not None:
        return True
    return not text.isascii() and any(unicodedata.category(letter) in _SPOKEN_CATEGORIES for letter in text)
