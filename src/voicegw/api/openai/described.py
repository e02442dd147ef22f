"""What the OpenAPI document says of ``/audio/speech``: its parameters, formats and headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from starlette.responses import Response

from voicegw.api.described import described_headers, failures, headers_of
from voicegw.api.openai.events import EVENT
from voicegw.api.sse import CONTENT_TYPE
from voicegw.audio.format import DEFAULT, FORMATS, MAX_RATE, MIN_RATE, OUTPUT_RATE

_SPEED_AS_TEXT: Final = r"^(0\.(2[5-9]|[3-9])\d*|[1-3](\.\d+)?|4(\.0+)?)$"
_RATE_AS_TEXT: Final = r"^([89]\d{3}|[1-3]\d{4}|4[0-7]\d{3}|48000)$"

_WORDS: Final[dict[str, Any]] = {
    "anyOf": [{"type": "array", "items": {"enum": ["word"]}}, {"enum": ["word", "", None]}],
    "description": "With `stream_format` `sse`: events that tell when each word is heard.",
}

_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "model": {"type": "string", "description": "Id or alias of a model.", "example": "tts-1"},
    "input": {"type": "string", "pattern": r"\S", "description": "The text to speak.", "example": "Hello."},
    "voice": {
        "description": "A voice of the model, by id or name, one of OpenAI's names, or an object with its id.",
        "anyOf": [
            {"type": "string"},
            {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            {"type": "null"},
        ],
        "example": "alloy",
    },
    "response_format": {"enum": [*(each.name for each in FORMATS), "", None], "default": DEFAULT.name},
    "speed": {
        "anyOf": [
            {"type": "number", "minimum": 0.25, "maximum": 4},
            {"type": "string", "pattern": _SPEED_AS_TEXT},
            {"type": "null"},
        ],
        "default": 1,
    },
    "language": {
        "anyOf": [
            {"type": "string", "pattern": "^([A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*)?$"},
            {"type": "null"},
        ],
        "description": "A tag such as es or pt-BR; absent, the voice's language.",
    },
    "sample_rate": {
        "anyOf": [
            {"type": "integer", "minimum": MIN_RATE, "maximum": MAX_RATE},
            {"type": "string", "pattern": _RATE_AS_TEXT},
            {"type": "null"},
        ],
        "default": OUTPUT_RATE,
        "description": "Hz; not every format carries each of them.",
    },
    "stream_format": {"enum": ["audio", "sse", "", None], "default": "audio", "description": "Audio, or events."},
    "clean": {
        "enum": ["markdown", "none", "", None],
        "default": "markdown",
        "description": "What is not read aloud: the marks of Markdown, link targets and emoji; or nothing is left out.",
    },
    "timestamp_granularities": _WORDS,
    "timestamp_granularities[]": _WORDS,
    "strict_parameters": {
        "anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}, {"type": "null"}],
        "default": False,
        "description": "Refuse a parameter that has no effect, rather than name it in `x-voicegw-ignored`.",
    },
}


def _rates() -> Iterator[dict[str, Any]]:
    """Give a rule for each group of formats that carry some sample rates and no others."""
    groups: dict[tuple[int, ...], list[str | None]] = {}
    for each in FORMATS:
        groups.setdefault(each.rates, []).extend([each.name, *(["", None] if each is DEFAULT else [])])
    for rates, names in groups.items():
        if rates:
            asked = {"properties": {"response_format": {"enum": names}}}
            needed = {} if DEFAULT.name in names else {"required": ["response_format"]}
            allowed = {"enum": [*rates, *map(str, rates), None]}
            yield {"if": {**asked, **needed}, "then": {"properties": {"sample_rate": allowed}}}


_TEXT: Final = {"type": "string"}
_SURE: Final = {
    "x-voicegw-model": ("Id of the model that speaks.", _TEXT),
    "x-sample-rate": ("Of the audio, in Hz.", {"type": "integer", "minimum": MIN_RATE, "maximum": MAX_RATE}),
}
_PERHAPS: Final = {
    "x-voicegw-voice": ("The voice, of a model that has voices.", _TEXT),
    "x-voicegw-warning": ("What was asked for and is done otherwise.", _TEXT),
    "x-voicegw-ignored": ("Parameters that have no effect.", _TEXT),
    "x-voicegw-cache": ("`hit` where this is the answer that the client did not get before.", _TEXT),
    "x-voicegw-first-audio-at": ("When the model gave the first audio, by the machine's monotonic clock.", _TEXT),
}

PARAMETERS: Final = [
    {
        "name": "x-request-id",
        "in": "header",
        "description": "Your own name for the request: letters, digits, `.`, `_` and `-`, up to 128 of them.",
        "schema": {"type": "string"},
        "example": "evening-news-17",
    },
    {
        "name": "x-voicegw-strict",
        "in": "header",
        "description": "`1` or `true`: as `strict_parameters`.",
        "schema": {"type": "string"},
        "example": "0",
    },
]
"""Headers of a request that have a meaning on all routes that do work."""

_AUDIO: Final = {
    each.content_type: {"schema": {"type": "string", "contentMediaType": each.content_type}} for each in FORMATS
}

_EXAMPLES: Final = {
    "speech": {"summary": "A file.", "value": {"model": "tts-1", "input": "Hello.", "voice": "alloy"}},
    "events": {
        "summary": "Events that say when each word is heard.",
        "value": {
            "model": "tts-1",
            "input": "Hello there.",
            "response_format": "pcm",
            "stream_format": "sse",
            "timestamp_granularities": ["word"],
        },
    },
}


def described_speech(input_chars: int) -> dict[str, Any]:
    """Give how the route is declared, where a text may have so many characters."""
    text = {**_FIELDS["input"], "maxLength": input_chars}
    body = {
        "type": "object",
        "required": ["model", "input"],
        "properties": {**_FIELDS, "input": text},
        "additionalProperties": True,
        "allOf": [*_rates()],
    }
    content = {"application/json": {"schema": body, "examples": _EXAMPLES}}
    spoken = {
        "description": "The speech, streamed: a file, or events.",
        "content": {**_AUDIO, CONTENT_TYPE: {"itemSchema": EVENT}},
        "headers": {
            **headers_of(200),
            **described_headers(_SURE, required=True),
            **described_headers(_PERHAPS, required=False),
        },
    }
    return {
        "tags": ["audio"],
        "response_class": Response,
        "openapi_extra": {"parameters": PARAMETERS, "requestBody": {"required": True, "content": content}},
        "responses": {200: spoken, **failures(400, 401, 404, 413, 415, 429, 500, 502, 503, 504)},
    }
