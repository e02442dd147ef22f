"""What is asked with an upload: OpenAI's parameters for transcriptions and translations, and those that go beyond."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from voicegw.api import body
from voicegw.api.fields import base64_pieces, strings, structure
from voicegw.errors import InvalidRequest
from voicegw.services.activity import Chunking
from voicegw.services.languages import tag_of
from voicegw.services.speakers import KnownSpeaker
from voicegw.services.transcription import TranscriptionRequest

Format: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
Task: TypeAlias = Literal["transcribe", "translate"]

FORMATS: Final[Mapping[Task, tuple[Format, ...]]] = {
    "transcribe": get_args(Format),
    "translate": get_args(Format)[:-1],
}
"""What ``response_format`` can be, the default first."""

GRANULARITIES: Final = ("segment", "word")
INCLUDABLE: Final = ("logprobs",)

OBEYED: Final = frozenset(
    {
        "model",
        "language",
        "languages",
        "prompt",
        "keywords",
        "response_format",
        "temperature",
        "timestamp_granularities",
        "include",
        "stream",
        "chunking_strategy",
        "known_speaker_names",
        "known_speaker_references",
        "strict_parameters",
    }
)
"""The parameters that have a meaning whatever the model; all others are extras."""

_STREAMED: Final = ("json", "text", "diarized_json")
"""Formats that events can stand for; the others are what a whole file looks like."""

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_UNSET_LANGUAGES: Final = ("auto", "none")
_LANGUAGES, _KEYWORDS, _SPEAKERS, _FEW = 100, 1000, 4, 16
_CHUNKING: Final = {"threshold": (0.5, 1.0), "prefix_padding_ms": (300, 60_000), "silence_duration_ms": (200, 60_000)}
"""Parts of a ``chunking_strategy``: the default and the most of each."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be done with an upload, and in which form the answer is to be.

    Attributes:
        request: For the service.
        format: Of the answer.
        stream: Whether it comes in events.
        segments: Whether ``verbose_json`` has segments.
        words: Whether it has words.
    """

    request: TranscriptionRequest
    format: Format
    stream: bool
    segments: bool
    words: bool


def parse(fields: Mapping[str, Any], task: Task) -> Submission:
    """Turn the fields that came with an upload into a request.

    Raises:
        InvalidRequest: A parameter is missing, of the wrong type or out of range; ``param`` names it.
    """
    model = body.required_text(fields, "model")
    target = _format(fields, task)
    stream = body.flag(fields, "stream")
    granularities = _among(fields, "timestamp_granularities", GRANULARITIES)
    include = _among(fields, "include", INCLUDABLE)
    chunking, odd = _chunking(fields)
    speakers = _speakers(fields)
    diarized, verbose = target == "diarized_json", target == "verbose_json" and not stream
    fitting = {
        "response_format": not stream or target in _STREAMED,
        "timestamp_granularities": verbose,
        "include": not diarized and (stream or target == "json"),
        "known_speaker_names": diarized,
        "known_speaker_references": diarized,
    }
    unfit = tuple(name for name, fits in fitting.items() if not fits and _given(fields, name))
    request = TranscriptionRequest(
        model,
        task,
        language=_language(body.text(fields, "language"), "language"),
        languages=_languages(fields),
        prompt=body.text(fields, "prompt") or "",
        keywords=strings(fields, "keywords", _KEYWORDS),
        temperature=body.number(fields, "temperature", default=0.0, low=0.0, high=1.0),
        words=verbose and "word" in granularities,
        logprobs=bool(include) and "include" not in unfit,
        chunking=chunking,
        speakers=speakers if diarized else None,
        extras={name: value for name, value in fields.items() if name.removesuffix("[]") not in OBEYED},
        ignored=(*unfit, *odd),
        strict=body.flag(fields, "strict_parameters"),
    )
    return Submission(request, target, stream, "segment" in granularities or not granularities, request.words)


def _given(fields: Mapping[str, Any], name: str) -> bool:
    return any(fields.get(key) not in (None, "", []) for key in (name, f"{name}[]"))


def _format(fields: Mapping[str, Any], task: Task) -> Format:
    name = (body.text(fields, "response_format") or "json").lower()
    for known in FORMATS[task]:
        if name == known:
            return known
    raise InvalidRequest(f"'response_format' must be one of: {', '.join(FORMATS[task])}.", param="response_format")


def _among(fields: Mapping[str, Any], name: str, known: Collection[str]) -> tuple[str, ...]:
    given = strings(fields, name, _FEW)
    if any(each not in known for each in given):
        raise InvalidRequest(f"{name!r} can hold: {', '.join(known)}.", param=name)
    return given


def _languages(fields: Mapping[str, Any]) -> tuple[str, ...]:
    found = (_language(each, "languages") for each in strings(fields, "languages", _LANGUAGES))
    return tuple(each for each in found if each)


def _language(given: str | None, param: str) -> str | None:
    """Give the tag of a language: some clients send its name, or ``auto`` where it is to be found out."""
    if not given or given.lower() in _UNSET_LANGUAGES:
        return None
    if tag := tag_of(given):
        return tag
    if not _LANGUAGE.fullmatch(given):
        raise InvalidRequest(f"{param!r} must be a tag such as en or pt-BR.", param=param)
    return given.replace("_", "-")


def _chunking(fields: Mapping[str, Any]) -> tuple[Chunking | None, tuple[str, ...]]:
    """Give how silence is left out, and the names of what nobody knows among it."""
    name = "chunking_strategy"
    told = structure(fields, name)
    if told in (None, ""):
        return None, ()
    if told == "auto":
        return Chunking(), ()
    if not isinstance(told, dict) or told.get("type") != "server_vad":
        raise InvalidRequest(f"{name!r} must be auto, or an object whose 'type' is server_vad.", param=name)
    parts = {f"{name}[{key}]": value for key, value in told.items()}
    found = {
        key: body.number(parts, f"{name}[{key}]", default=usual, low=0.0, high=most)
        for key, (usual, most) in _CHUNKING.items()
    }
    odd = tuple(f"{name}.{key}" for key in told if key != "type" and key not in _CHUNKING)
    return Chunking(found["threshold"], round(found["prefix_padding_ms"]), round(found["silence_duration_ms"])), odd


def _speakers(fields: Mapping[str, Any]) -> tuple[KnownSpeaker, ...]:
    names = strings(fields, "known_speaker_names", _SPEAKERS)
    recordings = strings(fields, "known_speaker_references", _SPEAKERS)
    if len(names) != len(recordings):
        raise InvalidRequest(
            f"There are {len(names)} 'known_speaker_names' and {len(recordings)} 'known_speaker_references'; "
            "each name needs its recording.",
            param="known_speaker_references",
        )
    return tuple(map(KnownSpeaker, names, _recordings(recordings)))


def _recordings(urls: Collection[str]) -> Iterator[bytes]:
    for url in urls:
        if not (url.startswith("data:") and url.partition(",")[0].endswith(";base64")):
            raise InvalidRequest(
                "'known_speaker_references' must be data URLs, such as data:audio/wav;base64,...",
                param="known_speaker_references",
            )
        yield b"".join(base64_pieces(url, "known_speaker_references"))
