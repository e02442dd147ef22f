"""``POST /v1/audio/speech``: OpenAI's parameters in, a stream of audio out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from voicegw.api import body
from voicegw.api.openai.asked import parse, wants_events
from voicegw.api.openai.described import SPEECH
from voicegw.api.openai.spoken import SpeechResponse
from voicegw.services.speech import SpeechService


def speech_routes(service: SpeechService) -> APIRouter:
    """Make the route, without the prefix of the API's version."""
    routes = APIRouter()

    @routes.post("/audio/speech", **SPEECH)
    async def speech(request: Request) -> Response:
        """Speak a text.

        The audio is streamed while it is made. What has no effect on the model is named in `x-voicegw-ignored`, what
        the model does otherwise than asked in `x-voicegw-warning`. With `stream_format` `sse` it comes in events.
        """
        return answer(service, request, await body.json_object(request))

    return routes


def answer(service: SpeechService, request: Request, fields: Mapping[str, Any]) -> Response:
    """Make the response to a request whose body holds ``fields``; the work is done while it is sent.

    Raises:
        InvalidRequest: See :func:`voicegw.api.openai.asked.parse`.
    """
    parsed = parse(fields, request.state.request_id)
    strict = parsed.strict or body.strict_by_header(request)
    parsed = replace(parsed, strict=strict, tenant=getattr(request.state, "tenant", ""), watch=request.state.exchange)
    return SpeechResponse(service, parsed, events=wants_events(fields))
