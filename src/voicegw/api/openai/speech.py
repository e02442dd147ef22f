"""``POST /v1/audio/speech``: OpenAI's parameters in, a stream of audio out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicegw.api import body
from voicegw.api.disconnect import while_connected
from voicegw.audio.format import DEFAULT, FORMATS, OUTPUT_RATE, AudioFormat, by_name
from voicegw.errors import InvalidRequest
from voicegw.services.speech import Speech, SpeechRequest, SpeechService

_OBEYED = frozenset({"model", "input", "voice", "response_format", "speed", "language"})
_USUAL = ("stream_format", "audio")
"""What some clients always send; it asks for nothing but the usual."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_SLOWEST, _FASTEST = 0.25, 4.0


def speech_routes(service: SpeechService) -> APIRouter:
    """Make the route."""
    routes = APIRouter()

    @routes.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        """Speak ``input``."""
        fields = await body.json_object(request)
        return SpeechResponse(service, parse(fields, request.state.request_id))

    return routes


def parse(fields: Mapping[str, Any], request_id: str) -> SpeechRequest:
    """Turn the body into a request.

    Raises:
        InvalidRequest: A parameter is missing, of the wrong type or out of range; ``param`` names it.
    """
    return SpeechRequest(
        model=body.required_text(fields, "model"),
        text=body.required_text(fields, "input"),
        voice=_voice(fields),
        format=_format(fields),
        speed=body.number(fields, "speed", default=1.0, low=_SLOWEST, high=_FASTEST),
        language=_language(fields),
        request_id=request_id,
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
    yield b"content-type", speech.format.content_type.encode()
    yield b"cache-control", b"no-cache"
    yield b"x-accel-buffering", b"no"
    yield b"x-sample-rate", b"%d" % OUTPUT_RATE
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
