"""Transcribing an upload: from a request to what is heard in it, segment by segment."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from voicegw.backend import DecodeOptions, ModelInfo, RequestMeta, TranscriptionOptions
from voicegw.errors import InvalidRequest
from voicegw.services.activity import VoiceActivity
from voicegw.services.casting import closest
from voicegw.services.languages import equals
from voicegw.services.parameters import chosen, refuse_ignored
from voicegw.services.speakers import Diarizer
from voicegw.services.transcribing import Chain, Decoder, Transcription, TranscriptionPool
from voicegw.services.transcription_request import TranscriptionPolicy, TranscriptionRequest

__all__ = ["TranscriptionPolicy", "TranscriptionRequest", "TranscriptionRouter", "TranscriptionService"]

_LISTED: Final = 200
"""Languages that a refusal names: more than any model has."""


class TranscriptionRouter(Protocol):
    """From names to models; :class:`voicegw.engine.router.Router` is one."""

    def resolve(self, model: str) -> TranscriptionPool:
        """Give the model of a name; NotFound where there is none."""
        ...


class TranscriptionService:
    """The use case: checks a request against the model's manifest, and puts together what the upload goes through.

    Args:
        router: The models.
        decoder: What makes audio of uploads.
        policy: What holds for all requests.
        activity: What tells speech from silence; None = nobody does, and how it is wanted has no effect.
        diarizer: What tells speakers apart; None = nobody does, and it is refused where it is wanted.
    """

    def __init__(
        self,
        router: TranscriptionRouter,
        decoder: Decoder,
        policy: TranscriptionPolicy,
        activity: VoiceActivity | None = None,
        diarizer: Diarizer | None = None,
    ) -> None:
        self._router = router
        self._decoder = decoder
        self._policy = policy
        self._activity = activity
        self._diarizer = diarizer

    async def start(self, request: TranscriptionRequest, upload: AsyncIterator[bytes]) -> Transcription:
        """Check a request; the work is done while the events of what this gives are iterated.

        Args:
            request: What is asked for.
            upload: The file, of any known format, in pieces of any size; iterated once there is a slot.

        Raises:
            InvalidRequest: The model does not transcribe, does not hear a language, or cannot translate; speakers are
                wanted and nobody tells them apart; a parameter of the model's own is wrong; or, of a strict request,
                something has no effect.
            NotFound: There is no such model.
            Unavailable: The model cannot be described in time.
        """
        slot_by = time.monotonic() + self._policy.slot_s
        pool = self._router.resolve(request.model)
        request.watch.listens(pool.model_id)
        info = pool.info or await pool.describe(self._policy.slot_s)
        self._check(pool.model_id, info, request)
        languages = _languages(pool.model_id, info, request)
        parameters, unknown = chosen(info, request.extras)
        ignored = (*request.ignored, *self._without_effect(info, request), *unknown)
        if request.strict:
            refuse_ignored(pool.model_id, ignored)
        request_id = f"{request.request_id}-{secrets.token_hex(4)}"
        meta = RequestMeta(request_id, request.tenant, start_within_s=max(0.0, slot_by - time.monotonic()))
        chain = Chain(
            self._decoder,
            DecodeOptions(
                replace(meta, start_within_s=self._policy.slot_s), info.sample_rate, max_s=self._policy.decoded_s
            ),
            pool,
            _options(meta, info, request, languages, parameters),
            activity=self._activity,
            chunking=request.chunking,
            diarizer=self._diarizer if request.speakers is not None else None,
            speakers=request.speakers or (),
            watch=request.watch,
        )
        possible = languages or info.languages
        return Transcription(chain, upload, ignored=ignored, language=possible[0] if len(possible) == 1 else None)

    def _check(self, model_id: str, info: ModelInfo, request: TranscriptionRequest) -> None:
        if info.kind != "transcription":
            raise InvalidRequest(
                f"model {model_id!r} does not transcribe, it is for {info.kind}",
                param="model",
                code="wrong_kind_of_model",
            )
        if request.task == "translate" and "translate" not in info.options:
            raise InvalidRequest(f"model {model_id!r} does not translate", param="model", code="wrong_kind_of_model")
        if request.speakers is not None and self._diarizer is None:
            raise InvalidRequest(
                "No diarizer is configured here, so nobody can tell who speaks: ask for another 'response_format'.",
                param="response_format",
                code="no_diarizer",
            )
        _check_length("prompt", len(request.prompt), self._policy.prompt_chars)
        _check_length("keywords", sum(map(len, request.keywords)), self._policy.prompt_chars)

    def _without_effect(self, info: ModelInfo, request: TranscriptionRequest) -> Iterator[str]:
        """Name what is asked for and this model, or this server, cannot do."""
        asked = {"prompt": request.prompt, "keywords": request.keywords, "temperature": request.temperature}
        yield from (name for name, value in asked.items() if value and name not in info.options)
        if request.words and not info.words:
            yield "timestamp_granularities"
        if request.logprobs and "logprobs" not in info.options:
            yield "include"
        if request.chunking is not None and self._activity is None:
            yield "chunking_strategy"


def _options(
    meta: RequestMeta,
    info: ModelInfo,
    request: TranscriptionRequest,
    languages: tuple[str, ...],
    parameters: Mapping[str, Any],
) -> TranscriptionOptions:
    """Give what the model is asked for: nothing that it does not honour."""
    honoured = frozenset(info.options)
    return TranscriptionOptions(
        meta,
        request.task,
        languages,
        prompt=request.prompt if "prompt" in honoured else "",
        keywords=request.keywords if "keywords" in honoured else (),
        temperatures=(request.temperature,) if request.temperature and "temperature" in honoured else (),
        words=request.words and info.words,
        logprobs=request.logprobs and "logprobs" in honoured,
        parameters=parameters,
    )


def _check_length(name: str, length: int, most: int) -> None:
    if length > most:
        raise InvalidRequest(
            f"{name!r} has {length} characters, at most {most} are taken", param=name, code="string_above_max_length"
        )


def _languages(model_id: str, info: ModelInfo, request: TranscriptionRequest) -> tuple[str, ...]:
    """Give the model's own tags of the languages that are asked for, each once."""
    asked = [("language", request.language)] if request.language else []
    asked += [("languages", each) for each in request.languages]
    return tuple(dict.fromkeys(_tag(model_id, info.languages, name, wanted) for name, wanted in asked))


def _tag(model_id: str, known: Sequence[str], param: str, wanted: str) -> str:
    if not known:
        return wanted
    found = closest(wanted, known) or closest(equals(wanted), known)
    if found is None:
        listed = ", ".join(known[:_LISTED])
        raise InvalidRequest(
            f"Language {wanted[:40]!r} is not one that model {model_id!r} hears; it hears: {listed}",
            param=param,
            code="unsupported_language",
        )
    return found
