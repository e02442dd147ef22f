"""The body of a request for speech: OpenAI's parameters, and those that go beyond."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from voicegw.api import body
from voicegw.audio.format import DEFAULT, FORMATS, MAX_RATE, MIN_RATE, OUTPUT_RATE, AudioFormat, by_name
from voicegw.errors import InvalidRequest
from voicegw.services.speech import SpeechRequest
from voicegw.text.stages import Clean

_WORDS = "timestamp_granularities"
_WORDS_NAMES = (_WORDS, f"{_WORDS}[]")
"""What asks for the times of words; some clients name it as they would in a form."""

OBEYED = frozenset(
    {
        "model",
        "input",
        "voice",
        "response_format",
        "stream_format",
        "speed",
        "language",
        "sample_rate",
        "clean",
        "strict_parameters",
        *_WORDS_NAMES,
    }
)
"""The parameters that have a meaning whatever the model; all others are extras."""

CLEANS: Final[tuple[Clean, ...]] = ("markdown", "none")
"""What ``clean`` can be, the default first."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_SLOWEST, _FASTEST = 0.25, 4.0


def wants_events(fields: Mapping[str, Any]) -> bool:
    """Tell whether the answer is to be a stream of events rather than of audio.

    Raises:
        InvalidRequest: ``stream_format`` is neither ``audio`` nor ``sse``.
    """
    name = (body.text(fields, "stream_format") or "audio").lower()
    if name not in ("audio", "sse"):
        raise InvalidRequest("'stream_format' must be one of: audio, sse.", param="stream_format")
    return name == "sse"


def parse(fields: Mapping[str, Any], request_id: str) -> SpeechRequest:
    """Turn the body into a request.

    Raises:
        InvalidRequest: A parameter is missing, of the wrong type or out of range; ``param`` names it.
    """
    target = _format(fields)
    events, words = wants_events(fields), _wants_words(fields)
    extras = {name: value for name, value in fields.items() if name not in OBEYED}
    return SpeechRequest(
        model=body.required_text(fields, "model"),
        text=body.required_text(fields, "input"),
        voice=_voice(fields),
        format=target,
        speed=body.number(fields, "speed", default=1.0, low=_SLOWEST, high=_FASTEST),
        language=_language(fields),
        sample_rate=_sample_rate(fields, target),
        request_id=request_id,
        strict=body.flag(fields, "strict_parameters"),
        clean=_clean(fields),
        words=words and events,
        events=events,
        extras={**extras, _WORDS: "word"} if words and not events else extras,
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


def _sample_rate(fields: Mapping[str, Any], target: AudioFormat) -> int:
    """Give a rate in Hz that the format carries."""
    found = body.number(fields, "sample_rate", default=float(OUTPUT_RATE), low=MIN_RATE, high=MAX_RATE)
    if not found.is_integer():
        raise InvalidRequest("'sample_rate' must be a whole number.", param="sample_rate")
    target.check_rate(int(found))
    return int(found)


def _clean(fields: Mapping[str, Any]) -> Clean:
    name = (body.text(fields, "clean") or CLEANS[0]).lower()
    for known in CLEANS:
        if name == known:
            return known
    raise InvalidRequest(f"'clean' must be one of: {', '.join(CLEANS)}.", param="clean")


def _wants_words(fields: Mapping[str, Any]) -> bool:
    given = [fields[name] for name in _WORDS_NAMES if fields.get(name) not in (None, "", [])]
    for value in given:
        if value != "word" and not (isinstance(value, list) and all(each == "word" for each in value)):
            raise InvalidRequest(f"'{_WORDS}' can hold nothing but \"word\".", param=_WORDS)
    return bool(given)


def _language(fields: Mapping[str, Any]) -> str | None:
    tag = body.text(fields, "language")
    if not tag:
        return None
    if not _LANGUAGE.fullmatch(tag):
        raise InvalidRequest("'language' must be a tag such as en or pt-BR.", param="language")
    return tag.replace("_", "-")
