"""``POST /v1/audio/speech``: OpenAI's parameters in, a stream of audio out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicegw.api import body
from voicegw.api.disconnect import while_connected
from voicegw.api.openai.described import SPEECH
from voicegw.audio.format import DEFAULT, FORMATS, MAX_RATE, MIN_RATE, OUTPUT_RATE, AudioFormat, by_name
from voicegw.errors import InvalidRequest
from voicegw.services.speech import Speech, SpeechRequest, SpeechService

_OBEYED = frozenset(
    {"model", "input", "voice", "response_format", "speed", "language", "sample_rate", "strict_parameters"}
)
_USUAL = ("stream_format", "audio")
"""What some clients always send; it asks for nothing but the usual."""

_YES = ("1", "true")

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_SLOWEST, _FASTEST = 0.25, 4.0


def speech_routes(service: SpeechService) -> APIRouter:
    """Make the route, without the prefix of the API's version."""
    routes = APIRouter()

    @routes.post("/audio/speech", **SPEECH)
    async def speech(request: Request) -> Response:
        """Speak a text.

        The audio is streamed while it is made. What has no effect on the model is named in `x-voicegw-ignored`, what
        the model does otherwise than asked in `x-voicegw-warning`.
        """
        return answer(service, request, await body.json_object(request))

    return routes


def answer(service: SpeechService, request: Request, fields: Mapping[str, Any]) -> Response:
    """Make the response to a request whose body holds ``fields``; the work is done while it is sent.

    Raises:
        InvalidRequest: See :func:`parse`.
    """
    parsed = parse(fields, request.state.request_id)
    strict = parsed.strict or request.headers.get("x-voicegw-strict", "").lower() in _YES
    return SpeechResponse(service, replace(parsed, strict=strict, tenant=getattr(request.state, "tenant", "")))


def parse(fields: Mapping[str, Any], request_id: str) -> SpeechRequest:
    """Turn the body into a request.

    Raises:
        InvalidRequest: A parameter is missing, of the wrong type or out of range; ``param`` names it.
    """
    target = _format(fields)
    return SpeechRequest(
        model=body.required_text(fields, "model"),
        text=body.required_text(fields, "input"),
        voice=_voice(fields),
        format=target,
        speed=body.number(fields, "speed", default=1.0, low=_SLOWEST, high=_FASTEST),
        language=_language(fields),
        sample_rate=_sample_rate(fields, target),
        request_id=request_id,
        strict=body.flag(fields, "strict_parameters"),
        extras={name: value for name, value in fields.items() if name not in _OBEYED and (name, value) != _USUAL},
    )


def _voice(fields: Mapping[str, Any]) -> str | None:
    """Give the voice's name; some clients send an object with its id, some null, some an empty name."""
    value = fields.get("voice")
    if not isinstance(value, dict):
        return body.text(fields, "voice") or None
    name = value.get("id")
    if not isinstance(name, str):
        raise InvalidRequest("'voice' must be a string, or an object whose 'id' is one.", param="voice")
    return body.well_formed(name) or None


def _format(fields: Mapping[str, Any]) -> AudioFormat:
    name = body.text(fields, "response_format") or DEFAULT.name
    found = by_name(name.lower())
    if found is None:
        names = ", ".join(each.name for each in FORMATS)
        raise InvalidRequest(f"'response_format' must be one of: {names}.", param="response_format")
    return found


def _sample_rate(fields: Mapping[str, Any], target: AudioFormat) -> int:
    """Give a rate in Hz that the format carries."""
    found = body.number(fields, "sample_rate", default=float(OUTPUT_RATE), low=MIN_RATE, high=MAX_RATE)
    if not found.is_integer():
        raise InvalidRequest("'sample_rate' must be a whole number.", param="sample_rate")
    target.check_rate(int(found))
    return int(found)


def _language(fields: Mapping[str, Any]) -> str | None:
    tag = body.text(fields, "language")
    if not tag:
        return None
    if not _LANGUAGE.fullmatch(tag):
        raise InvalidRequest("'language' must be a tag such as en or pt-BR.", param="language")
    return tag.replace("_", "-")


class SpeechResponse(Response):
    """Speaks while it is sent.

    What goes wrong before the first bytes exist is raised before anything is sent; the client's leaving cancels the
    work at any time.
    """

    def __init__(self, service: SpeechService, request: SpeechRequest) -> None:
        super().__init__()
        self._service = service
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request of the ASGI server."""
        del scope
        await while_connected(receive, self._speak(send))

    async def _speak(self, send: Send) -> None:
        async with aclosing(await self._service.start(self._request)) as speech, aclosing(speech.body()) as parts:
            first = await anext(parts)
            headers = [*_headers(speech)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})  # last of all: what comes after it is cancelled


def _headers(speech: Speech) -> Iterator[tuple[bytes, bytes]]:
    yield b"content-type", speech.format.content_type_at(speech.sample_rate).encode()
    yield b"cache-control", b"no-cache"
    yield b"x-accel-buffering", b"no"
    yield b"x-sample-rate", b"%d" % speech.sample_rate
    optional = {
        b"content-length": speech.size,
        b"x-voicegw-model": _safe(speech.model),
        b"x-voicegw-voice": _safe(speech.voice or ""),
        b"x-voicegw-warning": _safe("; ".join(speech.warnings)),
        b"x-voicegw-ignored": body.header_list(speech.ignored),
        b"x-voicegw-first-audio-at": speech.first_audio_at,
    }
    yield from ((name, str(value).encode()) for name, value in optional.items() if value not in (None, ""))


def _safe(value: str) -> str:
    """Leave what a header can hold: printable ASCII, at most 1,000 characters of it."""
    return "".join(c if " " <= c <= "~" else "?" for c in value[:1000])
