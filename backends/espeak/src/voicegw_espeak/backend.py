"""The adapter: what espeak-ng can do, and an utterance as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

import numpy as np

from voicegw.backend import (
    AudioChunk,
    BackendFailed,
    InvalidRequest,
    Limits,
    ModelInfo,
    Parameter,
    Prepared,
    Progress,
    SpeechDone,
    SpeechEvent,
    TextTooLong,
    Utterance,
    Voice,
)
from voicegw_espeak import catalogue, library
from voicegw_espeak.engine import BUFFER_MS, Engine, Feed, Order
from voicegw_espeak.library import Setting
from voicegw_espeak.text import ends_sentence, speakable

SAMPLE_RATE = 22050
MAX_CHARS = 5000

PAUSE_S = 0.3
"""What espeak rests between two sentences at normal speed (0.29 s measured by comparing "a. b." with "a." and "b."). It
leaves the rest out at the end of a text, so sentences spoken one by one would run into each other."""

_NORMAL_WPM = 175
_SPEED = (80 / _NORMAL_WPM, 450 / _NORMAL_WPM)
_KEYS = frozenset({"device", "memory_fraction", "voice"})
_PARAMETERS = (
    Parameter("speed", "float", 1.0, *_SPEED),
    Parameter("pitch", "int", 50, 0, 99),
    Parameter("volume", "int", 100, 0, 200),
    Parameter("word_gap", "int", 0, 0, 100),  # 10 ms each, at normal speed
)


class EspeakBackend:
    """espeak-ng, loaded into this process; one utterance at a time, others wait for it.

    Args:
        config: ``voice``, the id of the default voice (``en-us``); ``device`` and ``memory_fraction`` mean nothing.

    Raises:
        ValueError: A key is unknown, or there is no such voice; the message names it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._info = self.describe(config)
        self._default = self._info.voices[0].id
        self._catalogue = catalogue.read(library.data_path())
        self._engine: Engine | None = None

    @property
    def steps_done(self) -> int:
        """Count the buffers made so far in this process: what a cancelled utterance still costs can be told by it."""
        return self._engine.buffers_made if self._engine else 0

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        """Give the manifest from the voice files alone."""
        unknown = sorted(set(config) - _KEYS)
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r} for espeak; known: {', '.join(sorted(_KEYS))}")
        voices = catalogue.read(library.data_path())
        default = config.get("voice") or catalogue.DEFAULT_VOICE
        if default not in voices:
            raise ValueError(f"voice: espeak has no voice {default!r}")
        return ModelInfo(
            kind="speech",
            sample_rate=SAMPLE_RATE,
            languages=voices.tags(),
            voices=voices.infos(default),
            speed=_SPEED,
            words=True,
            streaming=True,
            determinism="none",
            parameters=_PARAMETERS,
            limits=Limits(slots=1, max_chars=MAX_CHARS),
            licence="GPL-3.0-or-later",
            revision=f"espeak-ng {library.version()}",
        )

    async def load(self, progress: Progress) -> ModelInfo:
        """Initialise the library in its thread."""
        progress(0.0, "espeak-ng")
        if self._engine is None:
            self._engine = await asyncio.to_thread(Engine.acquire)
        progress(1.0, "ready")
        return self._info

    async def close(self) -> None:
        """End the thread and the library, unless another backend of this process uses them."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.release)

    async def prepare(self, voice: Voice) -> Prepared[None]:
        """Refuse: espeak-ng does not clone.

        Raises:
            InvalidRequest: Always.
        """
        raise InvalidRequest(f"espeak cannot clone voice {voice.key}", param="voice", code="cloning_unsupported")

    async def synthesize(self, utterance: Utterance, voice: None = None) -> AsyncGenerator[SpeechEvent, None]:
        """Speak: int16 chunks of 60 ms as they are made, each word's time before the chunk it starts in.

        Raises:
            TextTooLong: The text has more than ``MAX_CHARS`` characters.
            InvalidRequest: There is no such voice.
            BackendFailed: The library failed, or is not loaded.
        """
        del voice
        order = self._order(utterance)
        if order.text and not order.text.isspace():
            feed = Feed(asyncio.get_running_loop())
            try:
                self._loaded().speak(order, feed)
                while events := await feed.get():
                    for event in events:
                        yield event
            finally:
                feed.cancel()
            if ends_sentence(order.text):
                for chunk in _rest(order.settings[Setting.RATE] / _NORMAL_WPM):
                    yield chunk
        yield SpeechDone()

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise BackendFailed("espeak is not loaded")
        return self._engine

    def _order(self, utterance: Utterance) -> Order:
        if len(utterance.text) > MAX_CHARS:
            raise TextTooLong(f"espeak takes {MAX_CHARS} characters at a time", fits_chars=MAX_CHARS)
        try:
            voice = self._catalogue.choose(utterance.voice, utterance.language, self._default)
        except KeyError:
            raise InvalidRequest(f"espeak has no voice {utterance.voice!r}", param="voice") from None
        values = {each.name: utterance.parameters.get(each.name, each.default) for each in _PARAMETERS}
        settings = {
            Setting.RATE: round(values["speed"] * _NORMAL_WPM),
            Setting.PITCH: int(values["pitch"]),
            Setting.VOLUME: int(values["volume"]),
            Setting.WORD_GAP: int(values["word_gap"]),
        }
        return Order(speakable(utterance.text), voice, settings, utterance.words)


def _rest(speed: float) -> Iterator[AudioChunk]:
    """Give the rest after a sentence, in chunks no longer than those of speech."""
    left, most = round(PAUSE_S * SAMPLE_RATE / speed), BUFFER_MS * SAMPLE_RATE // 1000
    while left > 0:
        yield AudioChunk(np.zeros(min(left, most), np.int16))
        left -= most
