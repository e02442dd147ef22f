"""What the OpenAPI document says of ``/audio/transcriptions`` and ``/audio/translations``: fields, form and headers."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from voicegw.api.described import described_headers, failures, headers_of
from voicegw.api.openai.described import PARAMETERS
from voicegw.api.openai.described_transcripts import ANSWERS, EVENT
from voicegw.api.openai.submitted import FORMATS, GRANULARITIES, INCLUDABLE, Task
from voicegw.api.sse import CONTENT_TYPE

_TEXT: Final = {"type": "string"}
_LANGUAGE: Final = {"type": "string", "pattern": "^([A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*)?$"}
_NULL: Final = {"type": "null"}
_TRUE_OR_FALSE: Final[dict[str, Any]] = {
    "anyOf": [{"type": "boolean"}, {"enum": ["true", "false", ""]}, _NULL],
    "default": False,
}


_UP_TO_1: Final = r"(0(\.\d+)?|1(\.0+)?)"
_UP_TO_60000: Final = r"(\d{1,4}|[1-5]\d{4}|60000)"


def _number(most: float, usual: float, as_text: str) -> dict[str, Any]:
    """Describe a number, or text that holds one: all is text in a form."""
    text = {"type": "string", "pattern": f"^{as_text}$"}
    return {"anyOf": [{"type": "number", "minimum": 0, "maximum": most}, text, _NULL], "default": usual}


def _list(description: str, of: dict[str, Any], most: int) -> dict[str, Any]:
    """Describe a list, also where it has but one entry and is none."""
    return {"anyOf": [{"type": "array", "items": of, "maxItems": most}, of, _NULL], "description": description}


_CHUNKING: Final[dict[str, Any]] = {
    "description": "How silence is left out; where nothing tells speech from silence it has no effect.",
    "anyOf": [
        {"enum": ["auto", "", None]},
        {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"enum": ["server_vad"]},
                "threshold": _number(1, 0.5, _UP_TO_1),
                "prefix_padding_ms": _number(60_000, 300, _UP_TO_60000),
                "silence_duration_ms": _number(60_000, 200, _UP_TO_60000),
            },
        },
    ],
}


def _fields(task: Task, input_chars: int) -> dict[str, dict[str, Any]]:
    granularities, includable = {"enum": [*GRANULARITIES, ""]}, {"enum": [*INCLUDABLE, ""]}
    return {
        "model": {"type": "string", "description": "Id or alias of a model.", "example": "whisper-1"},
        "language": {
            "anyOf": [_LANGUAGE, _NULL],
            "description": "A tag such as es or pt-BR, of what is spoken; absent, it is found out.",
        },
        "languages": _list("Tags among which the language is found out.", _LANGUAGE, 100),
        "prompt": {
            "anyOf": [{"type": "string", "maxLength": input_chars}, _NULL],
            "description": "What was said before, or how it is written.",
        },
        "keywords": _list("Words that are likely to come.", _TEXT, 1000),
        "response_format": {"enum": [*FORMATS[task], "", None], "default": FORMATS[task][0]},
        "temperature": {**_number(1, 0, f"{_UP_TO_1}?"), "description": "0 is the model's own choice."},
        "timestamp_granularities": _list(
            "With `verbose_json`: whether segments, words or both are told.", granularities, 16
        ),
        "include": _list("With `json` or `stream`: the probabilities of tokens.", includable, 16),
        "stream": {**_TRUE_OR_FALSE, "description": "Whether the text comes in events while it is heard."},
        "chunking_strategy": _CHUNKING,
        "known_speaker_names": _list("With `diarized_json`.", _TEXT, 4),
        "known_speaker_references": _list("Data URLs of recordings, one for each name.", _TEXT, 4),
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
    "properties": {"data": {"type": "string", "contentEncoding": "base64"}, "format": _TEXT},
}
_SURE: Final = {"x-voicegw-model": ("Id of the model that listened.", _TEXT)}
_PERHAPS: Final = {"x-voicegw-ignored": ("Parameters that have no effect.", _TEXT)}


def described_upload(task: Task, input_chars: int) -> dict[str, Any]:
    """Give how the route of a task is declared, where a prompt may have so many characters."""
    fields = _fields(task, input_chars)
    content = {
        "multipart/form-data": {"schema": _body("file", _FILE, fields)},
        "application/json": {"schema": _body("input_audio", _BASE64, fields)},
    }
    heard = {
        "description": "The transcript: whole, or events.",
        "content": {
            "application/json": {"schema": {"anyOf": [*ANSWERS]}},
            "text/plain": {"schema": _TEXT},
            CONTENT_TYPE: {"itemSchema": EVENT},
        },
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
        "responses": {200: heard, **failures(400, 401, 404, 413, 415, 429, 500, 502, 503, 504)},
    }


def _body(name: str, audio: dict[str, Any], fields: dict[str, dict[str, Any]]) -> dict[str, Any]:
    properties = {name: audio, **fields}
    return {"type": "object", "required": [name, "model"], "properties": properties, "additionalProperties": True}
