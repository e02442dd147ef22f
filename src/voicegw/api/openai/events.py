"""What the OpenAPI document says of events."""

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
)


def described_event(*kinds: dict[str, Any]) -> dict[str, Any]:
    """Describe one event, its name left out: there is none. What it holds is one of these, or an error."""
    told = [*kinds, {"$ref": "#/components/schemas/ErrorBody"}]
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"oneOf": told}}
    return {"type": "object", "required": ["data"], "properties": {"data": data}}


EVENT: Final = described_event(*_KINDS)
"""One event of speech."""
