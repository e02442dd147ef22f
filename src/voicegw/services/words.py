"""When each word of a speech is heard: as the model says, or estimated, on the clock of the one who listens."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from voicegw.audio.pipeline import AudioPipeline
from voicegw.backend import WordTiming
from voicegw.text.segment import Segment

TimingSource: TypeAlias = Literal["model", "estimate"]
"""Who says when a word is heard."""

_DIGITS = 4
"""Decimals of a second that are told; a sample lasts 0.00002 s at least."""

_ALONE = "\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ALONE += "\uff66-\uff9d\U00020000-\U0003ffff"
"""Kana and Han, which are written without spaces: every character counts as a word."""

_RUN = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}\u2013\u2014\u2026]+")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of the caller's text, heard from ``start`` to ``end``: seconds from the first sample that is sent."""

    word: str
    start: float
    end: float
    source: TimingSource


SpeechPart: TypeAlias = bytes | tuple[TimedWord, ...]
"""The next bytes of a stream, or words whose last sample is in the bytes before or in the next ones."""


class _Known(NamedTuple):
    """A word on the model's clock, in samples of the whole stream; characters count in the text that is spoken."""

    start: int
    end: int
    char_start: int
    char_end: int
    source: TimingSource


class WordTrack:
    """The words of one stream: noted by the one who makes the audio, told by the one who sends it.

    Where a model gives no word of an utterance, they are estimated when it is done: each lasts as many parts of the
    utterance's measured length as it has characters of its text.

    Several words that stand together for something of the caller's, as of a lexicon, are told as one.

    Args:
        written: Gives what the caller wrote for a span of the text that is spoken; "" where that is nothing.
        together: Gives where what stands together ends, by the place of one of its characters.
    """

    def __init__(self, written: Callable[[int, int], str], together: Callable[[int], int] = lambda at: at + 1) -> None:
        self._written = written
        self._together = together
        self._part = Segment("", 0, 0)
        self._at = 0
        self._given = False
        self._early: list[_Known] = []
        self._known: deque[_Known] = deque()
        self._told_s = 0.0

    def begin(self, part: Segment, at: int) -> None:
        """Note that an utterance begins with sample ``at``; what was noted of one that gave no audio is forgotten."""
        self._part, self._at, self._given = part, at, False
        self._early.clear()

    def add(self, timing: WordTiming) -> None:
        """Note what the model says of a word, before its audio."""
        self._given = True
        chars = (self._part.start + timing.char_start, self._part.start + timing.char_end)
        self._early.append(_Known(self._at + timing.start, self._at + timing.end, *chars, "model"))

    def heard(self) -> None:
        """Note that the audio comes for what was added."""
        if self._early:
            self._known += self._early
            self._early.clear()

    def end(self, at: int) -> None:
        """Note that the utterance ended before sample ``at``."""
        self.heard()
        length = len(self._part.text)
        if self._given or at <= self._at:
            return
        for start, end in words_of(self._part.text):
            first, last = (self._at + (at - self._at) * place // length for place in (start, end))
            self._known.append(_Known(first, last, self._part.start + start, self._part.start + end, "estimate"))

    def due(self, pipeline: AudioPipeline) -> tuple[TimedWord, ...]:
        """Give the words whose last sample has left the pipeline, each once, in order.

        No time is less than one told before: a word begins where the one before ended, or later.
        """
        sent = pipeline.samples_out + 0.5
        told = []
        while self._known and self._joined() and self._ends(pipeline) * pipeline.sample_rate <= sent:
            told.append(self._told(self._known.popleft(), pipeline))
        return tuple(word for word in told if word.word)

    def rest(self, pipeline: AudioPipeline) -> tuple[TimedWord, ...]:
        """Give all others, once the stream has ended; none is told to last longer than it."""
        told = []
        while self._known:
            self._joined()
            told.append(self._told(self._known.popleft(), pipeline))
        return tuple(word for word in told if word.word)

    def _ends(self, pipeline: AudioPipeline) -> float:
        return pipeline.to_output_s(self._known[0].end, end=True)

    def _joined(self) -> bool:
        """Join to the first word those that stand together with it; False where one more may come."""
        while (end := self._together(self._known[0].char_end - 1)) > self._known[0].char_end:
            if len(self._known) == 1:
                return False
            if self._known[1].char_start >= end:
                break
            first, second = self._known.popleft(), self._known.popleft()
            self._known.appendleft(first._replace(end=second.end, char_end=max(first.char_end, second.char_end)))
        return True

    def _told(self, known: _Known, pipeline: AudioPipeline) -> TimedWord:
        last = round(pipeline.samples_out / pipeline.sample_rate, _DIGITS)
        start = round(pipeline.to_output_s(known.start), _DIGITS)
        end = round(pipeline.to_output_s(known.end, end=True), _DIGITS)
        start = max(self._told_s, min(start, last))
        self._told_s = max(start, min(end, last))
        return TimedWord(self._written(known.char_start, known.char_end), start, self._told_s, known.source)


def words_of(text: str) -> Iterator[tuple[int, int]]:
    """Give the spans of a text's words, in order.

    A word is a run without white space and dashes between words, from its first letter or digit to its last; marks
    inside it belong to it. Every Chinese and Japanese character is one. Linear in the length of the text.
    """
    for run in _RUN.finditer(text):
        start, end = run.span()
        while start < end and unicodedata.category(text[start])[0] not in "LN":
            start += 1
        while start < end and unicodedata.category(text[end - 1])[0] not in "LNM":
            end -= 1
        if start < end:
            yield start, end
