"""Word times: from the library's marks to one span per word, each given before the audio in which it starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, SpeechEvent, WordTiming
from voicegw_espeak.library import Mark, MarkKind

_QUIET = 64
"""Amplitude below which the end of a clause is its pause; the library's pauses were measured to stay below 40."""

_SUFFIX = re.compile("(?:['\u2019-]\\w+)+")  # the library's span of "it's" is "it"
_WORD = re.compile("\\w(?:['\u2019-]?\\w)*")


@dataclass(slots=True)
class _Open:
    """A word that has begun, and where it will have ended is not known yet."""

    start: int
    char_start: int
    char_end: int


class WordTrack:
    """Puts word times into a stream of audio.

    A word's end is known when the next one begins, so the audio from its start on is held back until then: a word or
    two, less than a millisecond of synthesis.

    Args:
        text: What is spoken; spans are spans of it.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._made = 0  # samples
        self._held: list[tuple[int, NDArray[np.int16]]] = []
        self._word: _Open | None = None
        self._timed: list[SpeechEvent] = []
        self._char_end = 0
        self._stray: Mark | None = None

    def push(self, pcm: NDArray[np.int16], marks: Sequence[Mark]) -> list[SpeechEvent]:
        """Take the next audio and its marks; give what is certain, word times before their audio."""
        if len(pcm):
            self._held.append((self._made, pcm))
            self._made += len(pcm)
        for mark in marks:
            if mark.kind == MarkKind.WORD:
                self._begin(mark)
            elif mark.kind == MarkKind.END:
                self._settle(mark.char_start)
                self._end(mark.sample, trim=True)
        return self._certain()

    def finish(self) -> list[SpeechEvent]:
        """Give what is still held back."""
        self._settle(len(self._text))
        self._end(self._made, trim=True)
        return self._certain()

    def _begin(self, mark: Mark) -> None:
        """Open a word, unless the mark is about more of the same one.

        The library marks every word that it says: "2024" is several, each with a span that overlaps the one before,
        and a word in a foreign script has one mark per letter. A mark on no character at all is a stray. After
        "stop. go", without a capital, marks stand one character early.
        """
        marked = self._text[mark.char_start : mark.char_end]
        start = mark.char_start + len(marked) - len(marked.lstrip())
        if mark.char_start < self._char_end:
            return
        if not marked.strip():
            self._stray = self._stray or mark
            return
        self._settle(start)
        end = start + len(marked.strip())
        if start > mark.char_start and (word := _WORD.match(self._text, start)):
            end = word.end()
        suffix = _SUFFIX.match(self._text, end)
        self._open(mark.sample, start, suffix.end() if suffix else end)

    def _settle(self, before: int) -> None:
        """Find out what a stray mark was, now that the text is marked up to ``before``.

        In "stop. go" the mark of "go" is on the space, but so is the last one of a symbol whose name has two words:
        it is a word's if one follows that has no mark of its own.
        """
        stray, self._stray = self._stray, None
        if stray is None:
            return
        word = _WORD.search(self._text, max(stray.char_start, self._char_end))
        if word is not None and word.start() < before:
            self._open(stray.sample, word.start(), word.end())

    def _open(self, sample: int, start: int, end: int) -> None:
        self._end(sample, trim=False)
        self._word = _Open(sample, start, end)
        self._char_end = end

    def _end(self, sample: int, *, trim: bool) -> None:
        if self._word is None:
            return
        word, self._word = self._word, None
        end = self._last_loud(word.start, sample) if trim else sample
        self._timed.append(WordTiming(word.start, end, word.char_start, word.char_end))

    def _last_loud(self, start: int, end: int) -> int:
        """Give the sample after the last loud one from ``start`` to ``end``, both still held."""
        for at, pcm in reversed(self._held):
            loud = np.flatnonzero(np.abs(pcm[: max(end - at, 0)].astype(np.int32)) > _QUIET)
            if len(loud):
                return max(at + int(loud[-1]) + 1, start)
        return end

    def _certain(self) -> list[SpeechEvent]:
        ready = self._timed
        self._timed = []
        limit = self._made
        if self._word is not None:
            limit = self._word.start
        elif self._stray is not None:
            limit = self._stray.sample
        while self._held and self._held[0][0] + len(self._held[0][1]) <= limit:
            ready.append(AudioChunk(self._held.pop(0)[1]))
        return ready
