"""What the OpenAPI document says of transcripts: the answers in JSON, and the events."""

from __future__ import annotations

from typing import Any, Final

from voicegw.api.openai.events import described_event

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "number"}
_SECONDS: Final = {"type": "number", "minimum": 0}
_COUNT: Final = {"type": "integer", "minimum": 0}


def _object(*optional: str, **properties: Any) -> dict[str, Any]:
    """Describe an object that has these properties and no others, all of them required but those named first."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_TOKENS: Final = _object(
    type={"const": "tokens"},
    input_tokens=_COUNT,
    output_tokens=_COUNT,
    total_tokens=_COUNT,
    input_token_details=_object(text_tokens=_COUNT, audio_tokens=_COUNT),
)
_DURATION: Final = _object(type={"const": "duration"}, seconds=_COUNT)
_USAGE: Final = {"oneOf": [_TOKENS, _DURATION]}
_LOGPROBS: Final = _list(_object(token=_TEXT, logprob=_NUMBER, bytes=_list(_COUNT)))
_LANGUAGES: Final = _list(_object(code=_TEXT))
_SEGMENT: Final = _object(
    id=_COUNT,
    seek={"type": "integer"},
    start=_SECONDS,
    end=_SECONDS,
    text=_TEXT,
    tokens=_list({"type": "integer"}),
    temperature=_NUMBER,
    avg_logprob=_NUMBER,
    compression_ratio=_NUMBER,
    no_speech_prob=_NUMBER,
)
_SPOKEN: Final = _object(
    type={"const": "transcript.text.segment"}, id=_TEXT, start=_SECONDS, end=_SECONDS, text=_TEXT, speaker=_TEXT
)

ANSWERS: Final = (
    _object("logprobs", "languages", text=_TEXT, logprobs=_LOGPROBS, languages=_LANGUAGES, usage=_USAGE),
    _object(
        "words",
        "segments",
        task={"enum": ["transcribe", "translate"]},
        language={"type": "string", "description": "By its English name, in small letters."},
        duration=_SECONDS,
        text=_TEXT,
        words=_list(_object(word=_TEXT, start=_SECONDS, end=_SECONDS)),
        segments=_list(_SEGMENT),
        usage=_DURATION,
    ),
    _object(task={"const": "transcribe"}, duration=_SECONDS, text=_TEXT, segments=_list(_SPOKEN), usage=_USAGE),
)
"""``json``, ``verbose_json`` and ``diarized_json``."""

EVENT: Final = described_event(
    _object(
        "logprobs",
        "segment_id",
        type={"const": "transcript.text.delta"},
        delta=_TEXT,
        logprobs=_LOGPROBS,
        segment_id=_TEXT,
    ),
    _SPOKEN,
    _object(
        "logprobs",
        "languages",
        "usage",
        type={"const": "transcript.text.done"},
        text=_TEXT,
        logprobs=_LOGPROBS,
        languages=_LANGUAGES,
        usage=_TOKENS,
    ),
)
"""One event of a transcription."""
