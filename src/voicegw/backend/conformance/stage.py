"""Where a check meets the adapter: the loaded model, what is said to it, and what it answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import numpy as np

from voicegw.backend.conformance.check import Bounds, Failure, require
from voicegw.backend.conformance.take import Take, next_event, record
from voicegw.backend.contract import (
    AudioChunk,
    RequestMeta,
    Samples,
    SpeechBackend,
    SpeechEvent,
    Utterance,
    Voice,
    VoiceSample,
)
from voicegw.backend.manifest import ModelInfo
from voicegw.errors import InvalidRequest

SENTENCE = "One two three four five six seven."
SHORT = "One two."
SEED = 1234
CROWD = 64
"""The most utterances at the same time, however many slots are declared."""

_LONG = " ".join(["Eight nine ten eleven twelve thirteen fourteen."] * 6)
_SAMPLE_RATE = 24000
_OWN_VOICE = object()


class Model:
    """A loaded adapter.

    Args:
        backend: The adapter, after ``load``.
        info: What ``load`` returned.
        bounds: How long to wait.
    """

    def __init__(self, backend: SpeechBackend[Any], info: ModelInfo, bounds: Bounds) -> None:
        self.backend = backend
        self.info = info
        self.bounds = bounds
        self._numbers = itertools.count(1)
        self._conditioning: Any = None

    @property
    def slots(self) -> int:
        """Utterances at the same time, as declared, at most 64."""
        return min(self.info.limits.slots, CROWD)

    @property
    def long(self) -> str:
        """A text of 42 words, or as many as the model takes."""
        return _LONG[: self.info.limits.max_chars]

    def utterance(self, text: str = SENTENCE, **fields: Any) -> Utterance:
        """Make an utterance of a request of its own; always seeded, so that models that sample can repeat."""
        meta = RequestMeta(request_id=f"conformance-{next(self._numbers)}", tenant="conformance")
        return Utterance(meta, text, **{"seed": SEED, **fields})

    async def stream(self, utterance: Utterance, prepared: Any = _OWN_VOICE) -> AsyncGenerator[SpeechEvent, None]:
        """Open a stream; with a made-up sample's voice where the model has no voice of its own and none is given."""
        if prepared is _OWN_VOICE:
            prepared = await self._own_voice(utterance)
        return self.backend.synthesize(utterance, prepared)

    async def speak(self, text: str = SENTENCE, prepared: Any = _OWN_VOICE, **fields: Any) -> Take:
        """Speak a text to its end; keyword arguments are fields of the utterance."""
        return await self.listen(self.utterance(text, **fields), Take(self.info.sample_rate), prepared)

    async def listen(self, utterance: Utterance, take: Take, prepared: Any = _OWN_VOICE) -> Take:
        """Speak an utterance to its end, into a take that others may look at meanwhile."""
        return await record(await self.stream(utterance, prepared), take, self.bounds.stall_s)

    async def begins(self, utterance: Utterance, take: Take) -> Take:
        """Hear an utterance up to its first audio, or its end where it has none."""
        async with aclosing(await self.stream(utterance)) as events:
            while not take.chunks:
                try:
                    take.add(await next_event(events, self.bounds.stall_s))
                except StopAsyncIteration:
                    break
        return take

    async def speaks_or_refuses(self, text: str = SENTENCE, **fields: Any) -> Take | InvalidRequest:
        """Speak, or give the clean refusal; any other error fails the check.

        Raises:
            Failure: The stream ended in another error than :class:`InvalidRequest`, or without ``SpeechDone``.
        """
        try:
            take = await self.speak(text, **fields)
        except InvalidRequest as refusal:
            return refusal
        except Failure:
            raise
        except Exception as error:
            raise Failure(f"raised {_named(error)}; InvalidRequest is the way to refuse") from error
        require(take.done is not None, "ended without SpeechDone")
        return take

    async def prepare(self, sample: VoiceSample | None = None) -> Any:
        """Give the conditioning of a sample; of a made-up one where none is given."""
        return (await self.backend.prepare(Voice.of(sample or self.sample()))).value

    def sample(self, hz: float = 120.0, seconds: float | None = None) -> VoiceSample:
        """Make up a cloning sample: a buzz of harmonics with syllables, as long as the model likes it."""
        low, high = self.info.limits.sample_s or (1.0, 10.0)
        seconds = min(max(6.0, low), high) if seconds is None else seconds
        transcript = "Somebody hums a little." if self.info.limits.needs_transcript else None
        return VoiceSample(buzz(hz, seconds), _SAMPLE_RATE, transcript, next(iter(self.info.languages), None))

    async def _own_voice(self, utterance: Utterance) -> Any:
        if utterance.voice is not None or self.info.voices or not self.info.clones:
            return None
        if self._conditioning is None:
            self._conditioning = await self.prepare()
        return self._conditioning


class Stage:
    """An adapter class with a configuration, and one model of it that checks may share.

    Args:
        adapter: The adapter class.
        config: Its configuration.
        bounds: How long to wait.
    """

    def __init__(self, adapter: type[SpeechBackend[Any]], config: Mapping[str, Any], bounds: Bounds) -> None:
        self.adapter = adapter
        self.config = config
        self.bounds = bounds
        self.leaks: Mapping[str, list[str]] | None = None
        self._model: Model | None = None

    def describe(self) -> ModelInfo:
        """Give the manifest that the configuration makes, without loading."""
        return self.adapter.describe(dict(self.config))

    def make(self) -> SpeechBackend[Any]:
        """Make an adapter that is not loaded."""
        return self.adapter(dict(self.config))

    async def model(self) -> Model:
        """Give the shared model, loading it for the first check that needs it."""
        if self._model is None:
            backend = self.make()
            self._model = Model(backend, await backend.load(_nothing), self.bounds)
        return self._model

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Model]:
        """Load a model for one check alone, the only one at that time, and close it afterwards."""
        await self.close()
        backend = self.make()
        try:
            yield Model(backend, await backend.load(_nothing), self.bounds)
        finally:
            await backend.close()

    async def close(self) -> None:
        """Close the shared model, however that goes (checks of their own look at it); the next check loads it anew."""
        model, self._model = self._model, None
        if model is not None:
            with suppress(Exception):
                await asyncio.wait_for(model.backend.close(), self.bounds.stall_s)


def buzz(hz: float, seconds: float) -> Samples:
    """Make a falling sawtooth with four swells a second, float32 at 24 kHz, shape (n,), peak 0.5."""
    time = np.arange(int(seconds * _SAMPLE_RATE), dtype=np.float32) / _SAMPLE_RATE
    wave = (0.5 - hz * time % 1.0) * (0.55 - 0.45 * np.cos(8 * np.pi * time))
    return np.asarray(wave, np.float32)


def audible(take: Take) -> bool:
    """Tell whether there is anything to hear."""
    return take.samples > 0 and float(np.max(np.abs(take.pcm()))) > 1e-4  # noqa: PLR2004 - 80 dB below full scale


def is_audio(event: SpeechEvent) -> bool:
    """Tell whether an event is a chunk of audio."""
    return isinstance(event, AudioChunk)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _nothing(_fraction: float, _what: str) -> None:
    """Take progress that nobody wants to see."""
