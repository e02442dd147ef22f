"""Speaking a text: from a request to the bytes of one continuous stream in the format that was asked for."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from voicegw.audio.format import DEFAULT, OUTPUT_RATE, PCM, WAV, AudioFormat
from voicegw.audio.offloop import OffLoop, encoding_threads
from voicegw.audio.pipeline import AudioPipeline
from voicegw.audio.resample import resampled_length
from voicegw.backend import ModelInfo, RequestMeta, Utterance
from voicegw.errors import DeadlineExceeded, InvalidRequest
from voicegw.services.casting import Cast, VoiceAliases, cast
from voicegw.services.parameters import chosen
from voicegw.services.stream import Piece, SpeechPool, SpokenStream
from voicegw.text.segment import segment

_SEGMENT_CHARS = 400
"""Longest piece of text that is one utterance, where the model itself would take more: a piece is cancelled, retried
and scheduled as a whole, and one of this length speaks for about half a minute."""

_FIRST_CHARS = 80
"""The same for the first one of a model that gives no audio before all of it is made: so that it is heard soon."""

_SLICE_S = 1.0
_WAV_HEADER = 44
_SILENCE_S = 0.1


class NamedPool(SpeechPool, Protocol):
    """A :class:`SpeechPool` that knows its model's id."""

    @property
    def model_id(self) -> str:
        """Id of the model, never an alias."""
        ...


class SpeechRouter(Protocol):
    """From names to models; :class:`voicegw.engine.router.Router` is one."""

    def resolve(self, model: str) -> NamedPool:
        """Give the model of a name; NotFound where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What is to be spoken, and how.

    Attributes:
        model: Id or alias of a model.
        text: At least one character that is not white space.
        voice: Voice of the model, or an alias; None = the model's default.
        format: Of the bytes.
        speed: 0.25 to 4; clamped to what the model can.
        language: BCP 47 tag; None = the voice's.
        request_id: For the logs; need not be unique.
        extras: Everything else that the client sent, by name; what the model declares as a parameter reaches it.
    """

    model: str
    text: str
    voice: str | None = None
    format: AudioFormat = DEFAULT
    speed: float = 1.0
    language: str | None = None
    request_id: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class SpeechPolicy:
    """What holds for all requests, from the settings.

    Attributes:
        language: Spoken where neither the request nor the voice says one.
        voice_aliases: Further names of voices.
        input_chars: Longest text.
        first_audio_s: Seconds within which there must be audio.
        ahead_s: Seconds of audio that may wait for a listener before the next utterance starts.
    """

    language: str = "en"
    voice_aliases: VoiceAliases = field(default_factory=dict[str, Mapping[str, Mapping[str, str]]])
    input_chars: int = 100_000
    first_audio_s: float = 30.0
    ahead_s: float = 4.0


class Speech:
    """Speech under way: its first audio exists, or all of it turned out to be silence.

    Close it in any case (``contextlib.aclosing``): that stops the work in the model.

    Attributes:
        model: Id of the model that speaks.
        voice: Its voice; None where it has but one.
        format: Of the bytes.
        warnings: What the client asked for and does not get, one clause each.
        ignored: Names of the extras that have no effect.
        first_audio_at: The worker's monotonic time of the first chunk in seconds; None where there was none.
        size: How many bytes will come; None where nobody knows yet.
    """

    def __init__(
        self,
        stream: SpokenStream,
        model: str,
        casting: Cast,
        *,
        target: AudioFormat,
        rate: int,
        ignored: tuple[str, ...],
        threads: Executor,
    ) -> None:
        self.model = model
        self.voice = casting.voice
        self.format = target
        self.warnings = casting.warnings
        self.ignored = ignored
        self.first_audio_at = stream.first_audio_at
        self._stream = stream
        self._rate = rate
        self._silence = np.zeros(round(_SILENCE_S * rate) if stream.silent else 0, np.int16)
        self._threads = threads
        if stream.silent:
            self.warnings += (f"the text gave no audio, {1000 * _SILENCE_S:.0f} ms of silence instead",)
        self._total = stream.made + len(self._silence) if stream.complete else None
        self.size = _size(target, self._total, rate)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, never an empty piece; once.

        Raises:
            VoicegwError: The model failed mid-stream; what was given until then is not whole.
        """
        with OffLoop(AudioPipeline(self._rate, self.format, total_samples=self._total), self._threads) as encoding:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    if piece.seam:
                        encoding.seam()
                    async with aclosing(_pushed(encoding, piece)) as parts:
                        async for part in parts:
                            yield part
            if last := await encoding.finish():
                yield last

    async def aclose(self) -> None:
        """Stop the work and wait until it has stopped; safe to call again."""
        await self._stream.aclose()

    async def _pieces(self) -> AsyncGenerator[Piece, None]:
        if len(self._silence):
            yield Piece(self._silence, seam=False)
        while (piece := await self._stream.ahead.take(round(_SLICE_S * self._rate))) is not None:
            yield piece


async def _pushed(encoding: OffLoop, piece: Piece) -> AsyncGenerator[bytes, None]:
    async with aclosing(encoding.push(piece.pcm)) as parts:
        if encoding.pipeline.trivial:  # it is there at once, and every part sent on its own is a system call
            if data := b"".join([part async for part in parts]):
                yield data
        else:
            async for part in parts:
                yield part


def _size(target: AudioFormat, samples: int | None, rate: int) -> int | None:
    """Give the bytes of a whole file where that is plain arithmetic."""
    if samples is None or target not in (WAV, PCM):
        return None
    return 2 * resampled_length(samples, rate, OUTPUT_RATE) + (_WAV_HEADER if target is WAV else 0)


class SpeechService:
    """The use case: resolves names, splits text, and opens the stream.

    Args:
        router: The models.
        policy: What holds for all requests.
        threads: Where all requests are encoded; its own where None are given.
    """

    def __init__(self, router: SpeechRouter, policy: SpeechPolicy, threads: Executor | None = None) -> None:
        self._router = router
        self._policy = policy
        self._threads = threads or encoding_threads()

    async def start(self, request: SpeechRequest) -> Speech:
        """Start to speak, and wait for the first audio.

        Whatever goes wrong until then is raised, and nothing is left running; cancelling the caller cancels the work.

        Raises:
            InvalidRequest: The text is empty or too long, the voice unknown, or the model does not speak.
            NotFound: There is no such model.
            DeadlineExceeded: There was no audio in time.
            VoicegwError: Whatever else the model's pool raises.
        """
        self._check(request.text)
        pool = self._router.resolve(request.model)
        first_by = time.monotonic() + self._policy.first_audio_s
        try:
            async with asyncio.timeout(self._policy.first_audio_s):
                info = pool.info or await pool.describe(self._policy.first_audio_s)
                return await self._open(pool, info, request, first_by)
        except TimeoutError:
            raise DeadlineExceeded(
                f"model {pool.model_id!r} gave no audio within {self._policy.first_audio_s:g} s", retry_after_s=1.0
            ) from None

    async def _open(self, pool: NamedPool, info: ModelInfo, request: SpeechRequest, first_by: float) -> Speech:
        casting = self._cast(pool.model_id, info, request)
        parameters, ignored = chosen(info, request.extras)
        stream = SpokenStream(
            pool,
            info.sample_rate,
            _utterance(request, casting, parameters),
            segment(
                request.text,
                max_chars=min(info.limits.max_chars or _SEGMENT_CHARS, _SEGMENT_CHARS),
                first_chars=None if info.streaming else _FIRST_CHARS,
            ),
            first_by=first_by,
            within_s=self._policy.first_audio_s,
            ahead_s=self._policy.ahead_s,
        )
        try:
            await stream.ahead.wait()
        except BaseException:
            await stream.aclose()
            raise
        return Speech(
            stream,
            pool.model_id,
            casting,
            target=request.format,
            rate=info.sample_rate,
            ignored=ignored,
            threads=self._threads,
        )

    def _check(self, text: str) -> None:
        if len(text) > self._policy.input_chars:
            raise InvalidRequest(
                f"'input' has {len(text)} characters, at most {self._policy.input_chars} are taken",
                param="input",
                code="string_above_max_length",
            )
        if not text.strip():
            raise InvalidRequest("'input' holds nothing to speak", param="input", code="empty_input")

    def _cast(self, model_id: str, info: ModelInfo, request: SpeechRequest) -> Cast:
        if info.kind != "speech":
            raise InvalidRequest(
                f"model {model_id!r} does not speak, it is for {info.kind}", param="model", code="wrong_kind_of_model"
            )
        return cast(
            model_id,
            info,
            voice=request.voice,
            language=request.language,
            speed=request.speed,
            default_language=self._policy.language,
            aliases=self._policy.voice_aliases,
        )


def _utterance(request: SpeechRequest, casting: Cast, parameters: Mapping[str, Any]) -> Utterance:
    """Give what all utterances of a request share; their id is unique, the request's need not be."""
    meta = RequestMeta(f"{request.request_id}-{secrets.token_hex(4)}")
    speed = {} if casting.speed is None else {"speed": casting.speed}
    return Utterance(meta, "", language=casting.language, voice=casting.voice, parameters={**parameters, **speed})
