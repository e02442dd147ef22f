"""Voice activity as a transcription uses it: only speech is listened to, and times stay those of the whole audio."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import TranscriptSegment, Word


@dataclass(frozen=True, slots=True)
class Chunking:
    """How speech is told from silence.

    Attributes:
        threshold: Probability from which on it is speech, 0 to 1.
        prefix_padding_ms: Audio that is kept before speech.
        silence_duration_ms: Silence after which speech has ended.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 200


@dataclass(frozen=True, slots=True)
class Stretch:
    """Audio in which somebody speaks; ``start`` counts samples from the beginning of all the audio."""

    start: int
    pcm: NDArray[np.int16]


class VoiceActivity(Protocol):
    """Tells speech from silence."""

    def stretches(
        self, audio: AsyncIterator[NDArray[np.int16]], sample_rate: int, chunking: Chunking
    ) -> AsyncGenerator[Stretch, None]:
        """Give what is speech while the audio comes: in its order, no sample twice, in pieces of any size."""
        ...


class Timeline:
    """Where each sample of the joined speech stood in the whole audio.

    Args:
        sample_rate: Hz of both.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._joined: list[int] = []
        self._whole: list[int] = []
        self._length = 0

    def add(self, stretch: Stretch) -> None:
        """Note a stretch that is appended to the speech."""
        after = self._whole[-1] + self._length - self._joined[-1] if self._joined else -1
        if stretch.start != after:
            self._joined.append(self._length)
            self._whole.append(stretch.start)
        self._length += len(stretch.pcm)

    def segment(self, segment: TranscriptSegment) -> TranscriptSegment:
        """Give a segment of the speech with the times of the whole audio."""
        start, end = self._start(segment.start_s), self._end(segment.end_s)
        words = tuple(self._word(word) for word in segment.words)
        return replace(segment, seek=round(100 * start), start_s=start, end_s=max(start, end), words=words)

    def _word(self, word: Word) -> Word:
        start, end = self._start(word.start_s), self._end(word.end_s)
        return replace(word, start_s=start, end_s=max(start, end))

    def _start(self, seconds: float) -> float:
        return self._at(seconds, bisect_right(self._joined, round(seconds * self._rate)) - 1)

    def _end(self, seconds: float) -> float:
        """Map an end: what ends where a stretch does has not waited for the next one."""
        return self._at(seconds, bisect_left(self._joined, round(seconds * self._rate)) - 1)

    def _at(self, seconds: float, piece: int) -> float:
        if not self._joined:
            return seconds
        piece = max(0, piece)
        return seconds + (self._whole[piece] - self._joined[piece]) / self._rate
