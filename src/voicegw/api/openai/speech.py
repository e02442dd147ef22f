"""``POST /v1/audio/speech``: OpenAI's parameters in, a stream of audio out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from voicegw.api import body
from voicegw.api.openai.asked import parse
from voicegw.api.openai.described import described_speech
from voicegw.api.openai.spoken import SpeechResponse
from voicegw.services.speech import SpeechService

_COUNT = re.compile(r"[0-9]{1,4}")


def speech_routes(service: SpeechService, input_chars: int) -> APIRouter:
    """Make the route, without the prefix of the API's version.

    Args:
        service: What speaks.
        input_chars: Characters that one request may hold, as the document tells them.
    """
    routes = APIRouter()

    @routes.post("/audio/speech", **described_speech(input_chars))
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
    tenant, tries = getattr(request.state, "tenant", ""), _tries(request.headers.get("x-stainless-retry-count", ""))
    return SpeechResponse(
        service, replace(parsed, strict=strict, tenant=tenant, tries=tries, watch=request.state.exchange)
    )


def _tries(header: str) -> int | None:
    """Read how often the client has sent this before: OpenAI's clients count, from 0."""
    return int(header) if _COUNT.fullmatch(header) else None
