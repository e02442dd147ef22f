"""Several texts spoken as one stream of samples, made a few seconds ahead of whoever reads it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, Mark, ModelInfo, SpeechDone, SpeechEvent, Utterance, Voice, WordTiming
from voicegw.engine.link import StreamWatch
from voicegw.errors import TextTooLong
from voicegw.services.script import Line, Pause, marks_of
from voicegw.services.watching import UNWATCHED, SpeechWatch
from voicegw.services.words import WordTrack
from voicegw.text.segment import Segment, split_to_fit


class SpeechPool(Protocol):
    """What speech needs of a model; :class:`voicegw.engine.pool.ModelPool` is one."""

    @property
    def info(self) -> ModelInfo | None:
        """The manifest, once it is known."""
        ...

    async def describe(self, within_s: float) -> ModelInfo:
        """Wait for the manifest."""
        ...

    def synthesize(
        self, utterance: Utterance, voice: Voice | None = None, watch: StreamWatch | None = None
    ) -> AsyncGenerator[SpeechEvent, None]:
        """Speak one utterance; audio is int16."""
        ...


class Piece(NamedTuple):
    """Samples that follow those of the piece before; ``seam`` where a new utterance begins with them."""

    pcm: NDArray[np.int16]
    seam: bool


_NOTHING = np.empty(0, np.int16)


class Ahead:
    """Samples between one writer and one reader, bounded by their number.

    Args:
        most: Samples from which on the writer waits.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: deque[Piece] = deque()
        self._room = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] | None = None  # made for every wait: half of what an Event costs
        self._error: BaseException | None = None
        self.samples = 0
        self.ended = False

    async def put(self, pcm: NDArray[np.int16], *, seam: bool = False) -> None:
        """Add samples, then wait while there are too many."""
        self._pieces.append(Piece(pcm, seam))
        self.samples += len(pcm)
        self._tell()
        while self.samples >= self._most:
            self._room.clear()
            await self._room.wait()

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes, and why."""
        self.ended = True
        self._error = error
        self._tell()

    async def wait(self) -> None:
        """Wait until there are samples, or there is the end; raises what the writer ended with, samples or not."""
        while not self.samples and not self.ended:
            await self._change()
        if self._error is not None:
            raise self._error

    async def take(self, most: int) -> Piece | None:
        """Give what is there, about ``most`` samples of it at most, or None at the end.

        Whole chunks of one utterance are given, at least one, so that more than ``most`` come only in a chunk that is
        longer. What the writer ended with is raised after the last samples.
        """
        while not self._pieces and not self.ended:
            await self._change()
        if not self._pieces:
            if self._error is not None:
                raise self._error
            return None
        piece = self._pieces.popleft()
        if self._pieces:
            piece = self._joined(piece, most)
        self.samples -= len(piece.pcm)
        self._room.set()
        return piece

    async def _change(self) -> None:
        self._news = self._loop.create_future()
        await self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _joined(self, first: Piece, most: int) -> Piece:
        """Add to a piece what follows it without a seam."""
        taken, size = [first.pcm], len(first.pcm)
        while self._pieces and not self._pieces[0].seam and size + len(self._pieces[0].pcm) <= most:
            taken.append(self._pieces.popleft().pcm)
            size += len(taken[-1])
        return Piece(np.concatenate(taken), first.seam) if len(taken) > 1 else first


class _Telling:
    """What a worker says of one utterance, in terms of the whole speech."""

    def __init__(self, watch: SpeechWatch | None) -> None:
        self._watch = watch
        self.took_s: float | None = None

    def admitted(self, waited_s: float) -> None:
        if self._watch is not None:
            self._watch.admitted(waited_s)

    def spoken(self, took_s: float) -> None:
        self.took_s = took_s


class SpokenStream:
    """One utterance after the other by the same model, as one stream.

    The next utterance starts when the one before is done and less than ``ahead_s`` of audio waits for its reader. A
    text that the model finds too long is split again.

    Args:
        pool: The model.
        heard_rate: Samples of its audio that are heard in a second: its rate times the factor by which it is sped up.
        utterance: What all of them share; its own text is not spoken.
        lines: What they say, in order, and the pauses between them; taken as they are needed. A pause before all of
            them is heard with the first audio, and one with no audio at all is not.
        first_by: Monotonic time by which the first audio is due.
        within_s: Seconds that an utterance may wait for its start once there has been audio.
        ahead_s: Seconds of audio that may wait for the reader.
        words: Where the times of words are noted, if they are wanted.
        marks: How words of the whole text are said, in order and none over another; each utterance gets its own.
        watch: Is told how it fares.

    Attributes:
        ahead: What is made and not read yet.
        heard_rate: As given.
        words: As given.
        watch: As given.
        made: Samples made so far.
        first_audio_at: The worker's monotonic time of the first chunk in seconds; None where there was none yet.
    """

    def __init__(
        self,
        pool: SpeechPool,
        heard_rate: float,
        utterance: Utterance,
        lines: Iterable[Line],
        *,
        first_by: float,
        within_s: float,
        ahead_s: float,
        words: WordTrack | None = None,
        watch: SpeechWatch = UNWATCHED,
        marks: Sequence[Mark] = (),
    ) -> None:
        self.words = words
        self.watch = watch
        self._marks = marks
        self._pool = pool
        self.heard_rate = heard_rate
        self._next = utterance
        self._lines = iter(lines)
        self._first_by = first_by
        self._within_s = within_s
        self.made = 0
        self._owed = 0  # samples of silence before the first audio
        self._begun: float | None = None
        self.first_audio_at: float | None = None
        self.ahead = Ahead(round(ahead_s * heard_rate))
        self._task = asyncio.create_task(self._speak_all(), name=f"speech {utterance.meta.request_id}")
        self._task.add_done_callback(self._ended)

    @property
    def silent(self) -> bool:
        """Whether everything was spoken without giving a sample."""
        return self.ahead.ended and not self.made

    @property
    def complete(self) -> bool:
        """Whether everything is spoken, and only has to be read."""
        return self.ahead.ended

    @property
    def whole(self) -> bool:
        """Whether everything is spoken, and nothing went wrong."""
        return self._task.done() and not self._task.cancelled() and self._task.exception() is None

    async def aclose(self) -> None:
        """Stop the work, wherever it is, and wait until it has; safe to call again."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.ahead.end(None if task.cancelled() else task.exception())

    async def _speak_all(self) -> None:
        for line in self._lines:
            if isinstance(line, Pause):
                self._owed += round(line.seconds * self.heard_rate)
                if self.made:
                    await self._rest()
            else:
                await self._speak_segment(line)
        self.ahead.end()

    async def _rest(self) -> None:
        """Make the silence that is owed, a second at a time: it may be minutes, and nobody has to hold them."""
        seam, most = True, round(self.heard_rate)
        while self._owed:
            silence = np.zeros(min(self._owed, most), np.int16)
            self._owed -= len(silence)
            self.made += len(silence)
            await self.ahead.put(silence, seam=seam)
            seam = False

    async def _speak_segment(self, segment: Segment) -> None:
        left = deque([segment])
        while left:
            part = left.popleft()
            made = self.made
            try:
                await self._speak(part)
            except TextTooLong as error:
                if self.made > made or len(part.text) <= 1:
                    raise
                left.extendleft(reversed(split_to_fit(part, error.fits_chars)))

    async def _speak(self, part: Segment) -> None:
        begun = self._begun is not None
        meta = replace(self._next.meta, start_within_s=self._start_within_s(), begun=begun)
        marks = marks_of(part, self._marks)
        utterance = replace(self._next, text=part.text, meta=meta, lead_s=self._lead_s(), marks=marks)
        if self.words:
            self.words.begin(part, self.made + self._owed)
        await self._listen(utterance)
        if self.words:
            self.words.end(self.made)
            await self.ahead.put(_NOTHING)  # wakes the reader, who may know the words now

    async def _listen(self, utterance: Utterance) -> None:
        telling = _Telling(None if utterance.meta.begun else self.watch)
        spoken, took_s = 0, None
        try:
            async with aclosing(self._pool.synthesize(utterance, watch=telling)) as events:
                async for event in events:
                    if isinstance(event, AudioChunk) and len(event.pcm):
                        seam, spoken = not spoken, spoken + len(event.pcm)
                        await self._heard(event, seam=seam)
                    elif isinstance(event, WordTiming) and self.words:
                        self.words.add(event)
                    elif isinstance(event, SpeechDone):
                        self._next = replace(utterance, continuation=event.continuation)
                        took_s = telling.took_s
        finally:
            if spoken:
                self.watch.made(spoken / self.heard_rate, took_s)

    async def _heard(self, chunk: AudioChunk, *, seam: bool) -> None:
        if self._begun is None:
            self._begun = time.monotonic()
            self.first_audio_at = chunk.at
        if self._owed:
            await self._rest()
        if self.words:
            self.words.heard()
        self.made += len(chunk.pcm)
        await self.ahead.put(np.asarray(chunk.pcm, np.int16), seam=seam)

    def _start_within_s(self) -> float:
        return self._within_s if self._begun is not None else max(0.0, self._first_by - time.monotonic())

    def _lead_s(self) -> float:
        """Give the seconds that a listener who began at the first chunk has still to hear."""
        if self._begun is None:
            return 0.0
        return max(0.0, self.made / self.heard_rate - (time.monotonic() - self._begun))
