"""What the OpenAPI document says of ``/audio/speech``: its parameters, formats and headers."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from voicegw.api.described import failures
from voicegw.audio.format import DEFAULT, FORMATS, MAX_RATE, MIN_RATE, OUTPUT_RATE

_NUMBER_AS_TEXT: Final = r"^(0\.(2[5-9]|[3-9])\d*|[1-3](\.\d+)?|4(\.0+)?)$"

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
    "response_format": {"enum": [*(each.name for each in FORMATS), None], "default": DEFAULT.name},
    "speed": {
        "anyOf": [
            {"type": "number", "minimum": 0.25, "maximum": 4},
            {"type": "string", "pattern": _NUMBER_AS_TEXT},
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
            {"type": "string", "pattern": r"^\d{4,5}$"},
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

HEADERS: Final = {
    "x-request-id": "Names this answer in the server's log.",
    "x-voicegw-model": "Id of the model that speaks.",
    "x-voicegw-voice": "Its voice.",
    "x-voicegw-warning": "What was asked for and is done otherwise.",
    "x-voicegw-ignored": "Parameters that have no effect.",
    "x-voicegw-cache": "`hit` where this is the answer that the client did not get before.",
    "x-sample-rate": "Of the audio, in Hz.",
}
"""Of an answer that holds speech, with what each says."""

_CONTENT: Final = {
    kind: {"schema": {"type": "string", "contentMediaType": kind}}
    for kind in (*(each.content_type for each in FORMATS), "text/event-stream")
}

SPEECH: Final[dict[str, Any]] = {
    "tags": ["audio"],
    "response_class": Response,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["model", "input"],
                        "properties": _FIELDS,
                        "additionalProperties": True,
                    }
                }
            },
        }
    },
    "responses": {
        200: {
            "description": "The speech, streamed.",
            "content": _CONTENT,
            "headers": {name: {"description": told, "schema": {"type": "string"}} for name, told in HEADERS.items()},
        },
        **failures(400, 401, 404, 413, 415, 429, 500, 502, 503, 504),
    },
}
"""How the route is declared."""
