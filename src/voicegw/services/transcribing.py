"""A transcription under way: an upload is decoded, the audio goes on to the recogniser, what is heard comes back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import (
    AudioChunk,
    DecodeEvent,
    DecodeOptions,
    Language,
    ModelInfo,
    TranscriptDone,
    TranscriptEvent,
    TranscriptionOptions,
    TranscriptSegment,
)
from voicegw.engine.link import StreamWatch
from voicegw.services.activity import Chunking, Timeline, VoiceActivity
from voicegw.services.readahead import ahead
from voicegw.services.speakers import Diarization, Diarizer, KnownSpeaker
from voicegw.services.watching import UNWATCHED, TranscriptionWatch

_PIECE_S = 1.0
"""Seconds of audio that go to the recogniser at a time: decoders give far less, and each piece has its cost."""

_AHEAD = 600
"""Pieces that are decoded before the recogniser takes them: a decoder is then free for others, however slow that is."""

Pcm: TypeAlias = NDArray[np.int16]


class TranscriptionPool(Protocol):
    """The workers of one model, as far as transcription needs them; the engine's pool is one."""

    @property
    def model_id(self) -> str:
        """Id of the model, never an alias."""
        ...

    @property
    def info(self) -> ModelInfo | None:
        """The manifest, once it is known."""
        ...

    async def describe(self, within_s: float) -> ModelInfo:
        """Wait for the manifest."""
        ...

    def transcribe(
        self, audio: AsyncIterator[Pcm], options: TranscriptionOptions, watch: StreamWatch | None = None
    ) -> AsyncGenerator[TranscriptEvent, None]:
        """Transcribe audio while it comes; nothing is taken from it before there is a slot."""
        ...


class Decoder(Protocol):
    """What makes audio of uploads; the engine's pool of a model of the kind ``decode`` is one."""

    def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        """Decode an upload."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """A final segment; ``number`` counts from 0, ``speaker`` is None where nobody tells speakers apart."""

    number: int
    segment: TranscriptSegment
    speaker: str | None = None


Event: TypeAlias = Heard | TranscriptDone
"""Segments in their order, and the end exactly once."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What an upload goes through. Without ``activity`` all of it is heard; without ``diarizer`` nobody has a name."""

    decoder: Decoder
    decoding: DecodeOptions
    pool: TranscriptionPool
    listening: TranscriptionOptions
    activity: VoiceActivity | None = None
    chunking: Chunking | None = None
    diarizer: Diarizer | None = None
    speakers: tuple[KnownSpeaker, ...] = ()
    watch: TranscriptionWatch = UNWATCHED


class _Telling:
    """What a worker says of the one transcription."""

    def __init__(self, watch: TranscriptionWatch) -> None:
        self.admitted = watch.admitted
        self.took_s: float | None = None

    def spoken(self, took_s: float) -> None:
        self.took_s = took_s


class Transcription:
    """One transcription; nothing happens before its events are asked for.

    Args:
        chain: What the upload goes through.
        upload: The file, in pieces.
        ignored: Names of what was asked for and has no effect.
        language: Tag of the one language that it can be; None where it is to be found out.

    Attributes:
        model: Id of the model that listens.
        ignored: As given.
        language: Tag of the language, as far as it is known.
        begun: Whether the model has a slot and the upload turned out to be audio.
        decoded_s: Seconds of audio that were decoded so far.
    """

    def __init__(
        self, chain: Chain, upload: AsyncIterator[bytes], *, ignored: tuple[str, ...], language: str | None
    ) -> None:
        self.model = chain.pool.model_id
        self.ignored = ignored
        self.language = language
        self.begun = False
        self._chain = chain
        self._upload = upload
        self._rate = chain.decoding.sample_rate
        self._timeline = Timeline(self._rate) if chain.activity and chain.chunking else None
        self.decoded_s = 0.0

    async def events(self) -> AsyncGenerator[Event, None]:
        """Give what is heard as soon as it is final; once. Closing it, or cancelling who iterates, stops all work.

        Raises:
            InvalidRequest: The upload is no audio, or too much of it.
            VoicegwError: Whatever else decoder and model raise.
        """
        chain, telling = self._chain, _Telling(self._chain.watch)
        try:
            async with AsyncExitStack() as stack:
                diarization = None
                if chain.diarizer is not None:
                    diarization = await stack.enter_async_context(chain.diarizer.listen(self._rate, chain.speakers))
                audio = await stack.enter_async_context(aclosing(self._audio(diarization)))
                heard = chain.pool.transcribe(audio, chain.listening, telling)
                told = self._told(await stack.enter_async_context(aclosing(heard)), diarization)
                events = await stack.enter_async_context(aclosing(told))
                first = await anext(events)
                chain.watch.told()
                yield first
                async for event in events:
                    yield event
        finally:
            if self.decoded_s:
                chain.watch.listened(self.decoded_s, telling.took_s)

    async def _told(
        self, events: AsyncGenerator[TranscriptEvent, None], diarization: Diarization | None
    ) -> AsyncGenerator[Event, None]:
        number = 0
        async for event in events:
            if isinstance(event, TranscriptSegment):
                yield await self._heard(number, event, diarization)
                number += 1
            elif isinstance(event, TranscriptDone):
                yield replace(event, duration_s=self.decoded_s)
            elif isinstance(event, Language):
                self.language = event.code

    async def _heard(self, number: int, segment: TranscriptSegment, diarization: Diarization | None) -> Heard:
        if self._timeline is not None:
            segment = self._timeline.segment(segment)
        if diarization is None:
            return Heard(number, segment)
        return Heard(number, segment, await diarization.speaker(segment.start_s, segment.end_s))

    async def _audio(self, diarization: Diarization | None) -> AsyncGenerator[Pcm, None]:
        """Give the audio that the recogniser is to hear."""
        chain = self._chain
        async with aclosing(ahead(self._decoded(diarization), _AHEAD)) as decoded:
            if chain.activity is None or chain.chunking is None or self._timeline is None:
                async for pcm in decoded:
                    yield pcm
                return
            async with aclosing(chain.activity.stretches(decoded, self._rate, chain.chunking)) as stretches:
                async for stretch in stretches:
                    self._timeline.add(stretch)
                    yield stretch.pcm

    async def _decoded(self, diarization: Diarization | None) -> AsyncGenerator[Pcm, None]:
        """Give all the audio of the upload, in pieces of about :data:`_PIECE_S` seconds."""
        waiting: list[Pcm] = []
        samples = size = 0
        async with aclosing(self._chain.decoder.decode(self._upload, self._chain.decoding)) as events:
            async for event in events:
                if isinstance(event, AudioChunk):
                    self.begun = True
                    waiting.append(np.asarray(event.pcm, np.int16))
                    size += len(waiting[-1])
                if size and (size >= _PIECE_S * self._rate or not isinstance(event, AudioChunk)):
                    pcm = np.concatenate(waiting)
                    if diarization is not None:
                        await diarization.hear(pcm)
                    samples, size = samples + size, 0
                    waiting.clear()
                    self.decoded_s = samples / self._rate
                    yield pcm
