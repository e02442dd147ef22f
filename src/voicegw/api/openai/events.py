"""What the OpenAPI document says of the events of ``/audio/speech``."""

from __future__ import annotations

from typing import Any, Final

_SECONDS: Final = {"type": "number", "minimum": 0}
_COUNT: Final = {"type": "integer", "minimum": 0}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties, "additionalProperties": False}


_WORD: Final = _object(word={"type": "string"}, start=_SECONDS, end=_SECONDS, source={"enum": ["model", "estimate"]})
_KINDS: Final = (
    _object(
        type={"const": "speech.audio.delta"},
        audio={"type": "string", "contentEncoding": "base64", "description": "The next bytes of the file."},
    ),
    _object(type={"const": "speech.audio.words"}, words={"type": "array", "items": _WORD}),
    _object(
        type={"const": "speech.audio.done"},
        usage=_object(input_tokens=_COUNT, output_tokens=_COUNT, total_tokens=_COUNT),
    ),
    {"$ref": "#/components/schemas/ErrorBody"},
)

EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"oneOf": [*_KINDS]},
        },
    },
}
"""One event, its name left out: there is none."""
