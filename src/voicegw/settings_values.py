"""Values of the settings as people write them: sizes, durations, names, files, hashes; and names that clients send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

OPENAI_SPEECH_NAMES: Final = (
    "tts-1",
    "tts-1-hd",
    "gpt-4o-mini-tts",
    "gpt-4o-mini-tts-2025-03-20",
    "gpt-4o-mini-tts-2025-12-15",
)
"""Model names that OpenAI's clients send for speech; aliases of ``defaults.speech`` unless configured otherwise."""

OPENAI_TRANSCRIPTION_NAMES: Final = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-03-20",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
)
"""The same for transcription: aliases of ``defaults.transcription``, where there is one."""

DECODER_BYTES: Final = 64 * 2**20
"""Memory that decoding needs whatever the upload: with less, some codecs cannot begin."""

_SIZES: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")
_ORIGIN: Final = re.compile(r"\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@*]+")
_ADDRESS: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?", re.IGNORECASE)
_QUANTITY: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")


def _quantity(value: Any, units: Mapping[str, float], example: str) -> Any:
    """Turn ``16MiB`` or ``4h`` into a number; what has no unit is left for pydantic to judge."""
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    if found[2].lower() not in units:
        raise ValueError(f"unknown unit {found[2]!r}; write it like {example}")
    return float(found[1]) * units[found[2].lower()]


def _size(value: Any) -> Any:
    number = _quantity(value, _SIZES, "16MiB")
    return round(number) if isinstance(number, float) else number


def _seconds(value: Any) -> Any:
    return _quantity(value, _SECONDS, "30s or 4h")


def _existing_file(path: Path) -> Path:
    expanded = path.expanduser()
    if not expanded.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    return expanded


def _well_formed(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a name is 1 to 128 letters, digits or ._:/@+- and begins with a letter or digit")
    return name


def _language(tag: str) -> str:
    if not _LANGUAGE.fullmatch(tag):
        raise ValueError("write a language tag such as en or pt-BR")
    return tag


def _hash(digest: str) -> str:
    if not _SHA256.fullmatch(digest):
        raise ValueError(
            "this is no sha256 in 64 hexadecimal digits; a key itself must not stand here: "
            "`voicegw keys hash` asks for it and prints its hash"
        )
    return digest.lower()


def _origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("write an origin such as https://example.org, without a path, or * for all")
    return origin.lower()


def _address(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise ValueError("write an address such as http://127.0.0.1:4318")
    return address


Bytes = Annotated[int, BeforeValidator(_size), Field(gt=0)]
"""A size in bytes; text such as ``16MiB``, ``25 MB`` or ``1.5GiB`` is taken too."""

Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
"""A duration in seconds; text such as ``500ms``, ``30s``, ``10min`` or ``4h`` is taken too."""

SecondsOrNone = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=86_400)]
"""The same up to a day, and 0 too."""

Count = Annotated[int, Field(gt=0)]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]
Name = Annotated[str, AfterValidator(_well_formed)]
Language = Annotated[str, AfterValidator(_language)]
Sha256 = Annotated[str, AfterValidator(_hash)]
Origin = Annotated[str, AfterValidator(_origin)]
Address = Annotated[str, AfterValidator(_address)]
