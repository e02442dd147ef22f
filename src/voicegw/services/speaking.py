"""Speech under way: the samples of a model become the bytes of one continuous stream in the format asked for."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import aclosing

import numpy as np

from voicegw.audio.format import PCM, WAV, AudioFormat
from voicegw.audio.offloop import OffLoop
from voicegw.audio.pipeline import AudioPipeline
from voicegw.audio.resample import resampled_length
from voicegw.services.casting import Cast
from voicegw.services.playback import Playback
from voicegw.services.results import Result
from voicegw.services.stream import Piece, SpokenStream
from voicegw.services.words import SpeechPart, TimedWord

_SLICE_S = 1.0
_WAV_HEADER = 44
_SILENCE_S = 0.1


class Speech(ABC):
    """Speech that can be read: its first audio exists.

    Close it in any case (``contextlib.aclosing``): that stops the work in the model.

    Attributes:
        model: Id of the model that speaks.
        voice: Its voice; None where it has but one.
        format: Of the bytes.
        warnings: What the client asked for and does not get, one clause each.
        ignored: Names of the extras that have no effect.
        first_audio_at: The worker's monotonic time of the first chunk in seconds; None where there was none.
        sample_rate: Hz of what is sent.
        seconds: How long what was given lasts; known once all of it was given.
        size: How many bytes will come; None where nobody knows yet.
        repeated: Whether it was made before.
    """

    repeated = False

    def __init__(
        self,
        model: str,
        voice: str | None,
        *,
        target: AudioFormat,
        sample_rate: int,
        warnings: tuple[str, ...],
        ignored: tuple[str, ...],
    ) -> None:
        self.model = model
        self.voice = voice
        self.format = target
        self.sample_rate = sample_rate
        self.warnings = warnings
        self.ignored = ignored
        self.first_audio_at: float | None = None
        self.seconds = 0.0
        self.size: int | None = None

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, never an empty piece; this or :meth:`parts`, once.

        Raises:
            VoicegwError: The model failed mid-stream; what was given until then is not whole.
        """
        async with aclosing(self.parts()) as parts:
            async for part in parts:
                if isinstance(part, bytes):
                    yield part

    @abstractmethod
    def parts(self) -> AsyncGenerator[SpeechPart, None]:
        """Give the bytes and, where they are wanted, the times of words; once.

        What the model tells of a word comes before the bytes that hold its end; what is estimated, as soon as its
        utterance is made.

        Raises:
            VoicegwError: The model failed mid-stream; what was given until then is not whole.
        """

    @property
    @abstractmethod
    def keepable(self) -> bool:
        """Whether the model has said it all, and the rest is worth doing without the listener, for whom it is kept."""

    @abstractmethod
    def settle(self, *, delivered: bool) -> None:
        """Say, once all parts were given, whether the listener got them, as far as can be told."""

    @abstractmethod
    async def aclose(self) -> None:
        """Stop the work and wait until it has stopped; safe to call again."""


class LiveSpeech(Speech):
    """Speech under way in a model; or all of it turned out to be silence."""

    def __init__(
        self,
        stream: SpokenStream,
        model: str,
        casting: Cast,
        *,
        target: AudioFormat,
        sample_rate: int,
        rate: int,
        ignored: tuple[str, ...],
        threads: Executor,
        result: Result | None = None,
    ) -> None:
        super().__init__(
            model,
            casting.voice,
            target=target,
            sample_rate=sample_rate,
            warnings=casting.warnings,
            ignored=ignored,
        )
        self.first_audio_at = stream.first_audio_at
        self._stream = stream
        self._rate = rate
        self._tempo = 1.0 if stream.silent else casting.stretch
        self._silence = np.zeros(round(_SILENCE_S * rate) if stream.silent else 0, np.int16)
        self._threads = threads
        self._result = None if stream.silent else result
        if stream.silent:
            self.warnings += (f"the text gave no audio, {1000 * _SILENCE_S:.0f} ms of silence instead",)
        self._total = stream.made + len(self._silence) if stream.complete else None
        self.size = self._size()

    @property
    def keepable(self) -> bool:
        """See :attr:`Speech.keepable`."""
        return self._result is not None and self._result.kept and self._stream.whole

    def settle(self, *, delivered: bool) -> None:
        """See :meth:`Speech.settle`."""
        if self._result is not None:
            self._result.settle(delivered=delivered)

    async def parts(self) -> AsyncGenerator[SpeechPart, None]:
        """See :meth:`Speech.parts`."""
        async with aclosing(self._made()) as parts:
            async for part in parts:
                if self._result is not None:
                    self._result.add(part)
                yield part
        if self._result is not None:
            self._result.finish(self.seconds, self.size, self.warnings)

    async def _made(self) -> AsyncGenerator[SpeechPart, None]:
        with OffLoop(self._pipeline(), self._threads) as encoding:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    if piece.seam:
                        encoding.seam()
                    for pcm in encoding.slices(piece.pcm):
                        part = await encoding.push(pcm)
                        if words := self._words(encoding):
                            yield words
                        if part:
                            yield part
                    if words := self._words(encoding):
                        yield words
            last = await encoding.finish()
            self.seconds = encoding.pipeline.samples_out / self.sample_rate
            if self._stream.words and (words := self._stream.words.rest(encoding.pipeline)):
                yield words
            if last:
                yield last

    async def aclose(self) -> None:
        """See :meth:`Speech.aclose`."""
        await self._stream.aclose()
        if self._result is not None:
            self._result.discard()

    def _words(self, encoding: OffLoop) -> tuple[TimedWord, ...]:
        return self._stream.words.due(encoding.pipeline) if self._stream.words else ()

    def _pipeline(self) -> AudioPipeline:
        return AudioPipeline(
            self._rate, self.format, total_samples=self._total, sample_rate=self.sample_rate, speed=self._tempo
        )

    def _size(self) -> int | None:
        """Give the bytes of a whole file where that is plain arithmetic."""
        if self._total is None or self._tempo != 1 or self.format not in (WAV, PCM):
            return None
        header = _WAV_HEADER if self.format is WAV else 0
        return 2 * resampled_length(self._total, self._rate, self.sample_rate) + header

    async def _pieces(self) -> AsyncGenerator[Piece, None]:
        if len(self._silence):
            yield Piece(self._silence, seam=False)
        stream, playback = self._stream, Playback(self._stream.heard_rate)
        while True:
            awaited = not stream.ahead.samples
            piece = await stream.ahead.take(round(_SLICE_S * self._rate))
            if piece is None:
                return
            if playback.runs_dry(len(piece.pcm), time.monotonic(), awaited=awaited):
                stream.watch.ran_dry()
            yield piece
