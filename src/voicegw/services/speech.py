"""Speaking a text: from a request to the bytes of one continuous stream in the format that was asked for."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from voicegw.audio.offloop import encoding_threads
from voicegw.backend import Mark, ModelInfo, RequestMeta, Utterance
from voicegw.errors import DeadlineExceeded, InvalidRequest
from voicegw.services.casting import Cast, cast
from voicegw.services.lexicon import Edition, LexiconFile
from voicegw.services.parameters import chosen, refuse_ignored
from voicegw.services.replay import Replay
from voicegw.services.request import SpeechPolicy, SpeechRequest
from voicegw.services.results import Result, Results, result_key
from voicegw.services.script import lines, pronunciations, together, written
from voicegw.services.speaking import LiveSpeech, Speech
from voicegw.services.stream import SpeechPool, SpokenStream
from voicegw.services.words import WordTrack
from voicegw.text.lexicon import Lexicon
from voicegw.text.stages import Prepared, prepare

__all__ = ["NamedPool", "Speech", "SpeechPolicy", "SpeechRequest", "SpeechRouter", "SpeechService"]

_SEGMENT_CHARS = 400
"""Longest piece of text that is one utterance, where the model itself would take more: a piece is cancelled, retried
and scheduled as a whole, and one of this length speaks for about half a minute."""

_FIRST_CHARS = 80
"""The same for the first one of a model that gives no audio before all of it is made: so that it is heard soon."""

_AT_ONCE_CHARS = 1000
"""Longest text that the event loop prepares itself: 0.2 ms where it is plain, 1.6 ms where it is full of marks."""


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


class SpeechService:
    """The use case: resolves names, splits text, and opens the stream.

    Args:
        router: The models.
        policy: What holds for all requests.
        threads: Where all requests are encoded; its own where None are given.
        lexicon: How words are said that models say wrongly.
        results: Where answers are kept for those who did not get them; nowhere where None is given.
    """

    def __init__(
        self,
        router: SpeechRouter,
        policy: SpeechPolicy,
        threads: Executor | None = None,
        *,
        lexicon: LexiconFile | None = None,
        results: Results | None = None,
    ) -> None:
        self._router = router
        self._policy = policy
        self._threads = threads or encoding_threads()
        self._lexicon = lexicon
        self._results = results

    async def start(self, request: SpeechRequest) -> Speech:
        """Start to speak, and wait for the first audio; what was made before and did not arrive is given again.

        Whatever goes wrong until then is raised, and nothing is left running; cancelling the caller cancels the work.

        Raises:
            InvalidRequest: The text is empty or too long, the voice unknown, or the model does not speak; or, of a
                strict request, an extra has no effect.
            NotFound: There is no such model.
            DeadlineExceeded: There was no audio in time.
            VoicegwError: Whatever else the model's pool raises.
        """
        self._check(request.text)
        pool = self._router.resolve(request.model)
        request.watch.asked(pool.model_id, len(request.text))
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
        if request.strict:
            refuse_ignored(pool.model_id, ignored)
        lexicon, edition = await self._edition()
        model = {"model": pool.model_id, "revision": info.revision}
        result = self._result(request, casting, parameters=parameters, lexicon=edition, **model)
        if result is not None and result.whole:
            return Replay(result, request, model=pool.model_id, voice=casting.voice, ignored=ignored)
        prepared = await self._prepared(request, casting, lexicon)
        marks = pronunciations(prepared)
        if not info.ipa:
            casting, marks = _unpronounced(casting, pool.model_id, marks), ()
        stream = SpokenStream(
            pool,
            info.sample_rate * casting.stretch,
            _utterance(request, casting, parameters, words=request.words and info.words),
            lines(
                prepared,
                max_chars=min(info.limits.max_chars or _SEGMENT_CHARS, _SEGMENT_CHARS),
                first_chars=None if info.streaming else _FIRST_CHARS,
            ),
            first_by=first_by,
            within_s=self._policy.first_audio_s,
            ahead_s=self._policy.ahead_s,
            words=_track(prepared, request.text) if request.words else None,
            watch=request.watch,
            marks=marks,
        )
        try:
            await stream.ahead.wait()
        except BaseException:
            await stream.aclose()
            raise
        return LiveSpeech(
            stream,
            pool.model_id,
            casting,
            target=request.format,
            sample_rate=request.sample_rate,
            rate=info.sample_rate,
            ignored=ignored,
            threads=self._threads,
            result=result,
        )

    async def _edition(self) -> Edition:
        return await self._lexicon.current(self._threads) if self._lexicon else Edition()

    def _result(self, request: SpeechRequest, casting: Cast, **more: Any) -> Result | None:
        """Give the answer that is kept, or where this one is to be kept; nothing where none is."""
        if self._results is None:
            return None
        return self._results.take(request.tenant, result_key(request, casting, **more), request.tries)

    async def _prepared(self, request: SpeechRequest, casting: Cast, lexicon: Lexicon | None) -> Prepared:
        """Run the text's stages, those that take long off the event loop."""
        stages = partial(
            prepare,
            request.text,
            clean=request.clean,
            lexicon=lexicon,
            language=casting.language,
            voice=casting.voice,
        )
        ready = lexicon is None or lexicon.ready(language=casting.language, voice=casting.voice)
        if ready and len(request.text) <= _AT_ONCE_CHARS:
            return stages()
        return await asyncio.get_running_loop().run_in_executor(self._threads, stages)

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


def _utterance(request: SpeechRequest, casting: Cast, parameters: Mapping[str, Any], *, words: bool) -> Utterance:
    """Give what all utterances of a request share; their id is unique, the request's need not be."""
    meta = RequestMeta(f"{request.request_id}-{secrets.token_hex(4)}", tenant=request.tenant)
    speed = {} if casting.speed is None else {"speed": casting.speed}
    values = {**parameters, **speed}
    return Utterance(meta, "", language=casting.language, voice=casting.voice, parameters=values, words=words)


def _track(prepared: Prepared, source: str) -> WordTrack:
    return WordTrack(partial(written, prepared, source), partial(together, prepared))


def _unpronounced(casting: Cast, model_id: str, marks: Sequence[Mark]) -> Cast:
    """Say that the model speaks as written what the lexicon gives in IPA."""
    if not marks:
        return casting
    return replace(casting, warnings=(*casting.warnings, f"pronunciations in IPA have no effect on {model_id}"))
