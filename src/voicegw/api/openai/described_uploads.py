"""What the OpenAPI document says of ``/audio/transcriptions`` and ``/audio/translations``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from voicegw.api.described import failures
from voicegw.api.openai.submitted import FORMATS, GRANULARITIES, INCLUDABLE, Task

_TRUE_OR_FALSE: Final[dict[str, Any]] = {
    "anyOf": [{"type": "boolean"}, {"enum": ["true", "false", ""]}, {"type": "null"}],
    "default": False,
}
_LANGUAGE: Final = {"pattern": "^([A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*)?$"}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", **more}, {"type": "null"}], "description": description}


def _number(low: float, high: float, usual: float) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high, "default": usual}


def _list(description: str, of: dict[str, Any], most: int) -> dict[str, Any]:
    several = {"type": "array", "items": of, "maxItems": most}
    return {"anyOf": [several, of, {"type": "null"}], "description": description}


_CHUNKING: Final[dict[str, Any]] = {
    "description": "How silence is left out; where nothing tells speech from silence it has no effect.",
    "anyOf": [
        {"enum": ["auto", "", None]},
        {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"enum": ["server_vad"]},
                "threshold": _number(0, 1, 0.5),
                "prefix_padding_ms": _number(0, 60_000, 300),
                "silence_duration_ms": _number(0, 60_000, 200),
            },
        },
    ],
}


def _fields(task: Task) -> dict[str, dict[str, Any]]:
    return {
        "model": {"type": "string", "description": "Id or alias of a model.", "example": "whisper-1"},
        "language": _text("A tag such as es or pt-BR, of what is spoken; absent, it is found out.", pattern=_LANGUAGE),
        "languages": _list(
            "Tags among which the language is found out.", {"type": "string", "pattern": _LANGUAGE}, 100
        ),
        "prompt": _text("What was said before, or how it is written."),
        "keywords": _list("Words that are likely to come.", {"type": "string"}, 1000),
        "response_format": {"enum": [*FORMATS[task], "", None], "default": FORMATS[task][0]},
        "temperature": {
            "anyOf": [{**_number(0, 1, 0)}, {"type": "string", "pattern": r"^(0(\.\d+)?|1(\.0+)?)$"}, {"type": "null"}],
            "default": 0,
        },
        "timestamp_granularities": _list(
            "With `verbose_json`: whether segments, words or both are told.", {"enum": [*GRANULARITIES]}, 16
        ),
        "include": _list("With `json` or `stream`: the probabilities of tokens.", {"enum": [*INCLUDABLE]}, 16),
        "stream": {**_TRUE_OR_FALSE, "description": "Whether the text comes in events while it is heard."},
        "chunking_strategy": _CHUNKING,
        "known_speaker_names": _list("With `diarized_json`.", {"type": "string"}, 4),
        "known_speaker_references": _list("Data URLs of recordings, one for each name.", {"type": "string"}, 4),
        "strict_parameters": {
            **_TRUE_OR_FALSE,
            "description": "Refuse a parameter that has no effect, rather than name it in `x-voicegw-ignored`.",
        },
    }


_FILE: Final = {
    "type": "string",
    "contentMediaType": "application/octet-stream",
    "description": "Audio of any known format, whatever its name and type say.",
}
_BASE64: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "contentEncoding": "base64"}, "format": {"type": "string"}},
}

HEADERS: Final = {
    "x-request-id": "Names this answer in the server's log.",
    "x-voicegw-model": "Id of the model that listened.",
    "x-voicegw-ignored": "Parameters that have no effect.",
}
"""Of an answer that holds a transcript, with what each says."""

_TEXT: Final = {"type": "string"}
_ANSWER: Final[dict[str, Any]] = {"type": "object", "required": ["text"], "properties": {"text": _TEXT}}


def _body(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties, "additionalProperties": True}
    return {"schema": schema}


def _route(task: Task) -> dict[str, Any]:
    fields = _fields(task)
    return {
        "tags": ["audio"],
        "response_class": Response,
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": _body(["file", "model"], file=_FILE, **fields),
                    "application/json": _body(["input_audio", "model"], input_audio=_BASE64, **fields),
                },
            }
        },
        "responses": {
            200: {
                "description": "The transcript.",
                "content": {
                    "application/json": {"schema": _ANSWER},
                    "text/plain": {"schema": _TEXT},
                    "text/event-stream": {"schema": _TEXT},
                },
                "headers": {
                    name: {"description": told, "schema": {"type": "string"}} for name, told in HEADERS.items()
                },
            },
            **failures(400, 401, 404, 413, 415, 429, 500, 502, 503, 504),
        },
    }


TRANSCRIPTIONS: Final = _route("transcribe")
TRANSLATIONS: Final = _route("translate")
"""How the routes are declared."""
