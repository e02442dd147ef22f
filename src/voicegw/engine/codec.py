"""Contract objects as plain values and back: how requests, manifests and events look inside a frame."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import (
    Activity,
    AudioChunk,
    BackendFailed,
    Hypothesis,
    Language,
    ModelInfo,
    Pcm,
    Samples,
    TranscriptSegment,
    Voice,
    VoiceSample,
    WordTiming,
)
from voicegw.engine.wire import PIECE

T = TypeVar("T")

Event: TypeAlias = AudioChunk | WordTiming | Language | Hypothesis | TranscriptSegment | Activity
"""What comes of a stream before its last event."""


def plain(value: Any) -> Any:
    """Turn a dataclass of the contract, and all in it, into dictionaries, lists and scalars."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


_HINTS: dict[Any, dict[str, Any]] = {}


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = get_type_hints(cls)
    return _HINTS[cls]


def build(cls: type[T], fields: Mapping[str, Any]) -> T:
    """Make a dataclass of the contract from plain values; fields that this version does not know are left out.

    Raises:
        TypeError: A field is missing, or of another type than it is declared.
        ValueError: A field is none of its enumeration.
    """
    if not isinstance(fields, Mapping):
        raise TypeError(f"{cls.__name__} is made from a mapping, not {type(fields).__name__}")
    hints = _hints(cls)
    return cls(**{name: _value(hints[name], value) for name, value in fields.items() if name in hints})


def _value(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin is not None:
        return _composite(origin, get_args(hint), value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build(hint, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is float and type(value) is int:
        return float(value)
    if hint in _SCALARS and type(value) is not hint:
        raise TypeError(f"a {type(value).__name__} where a {hint.__name__} belongs")
    return value


_SCALARS = (str, int, float, bool, bytes)


def _composite(origin: Any, args: tuple[Any, ...], value: Any) -> Any:
    if origin in (types.UnionType, Union):
        return None if value is None else _value(next(a for a in args if a is not type(None)), value)
    if origin is Literal:
        if value not in args:
            raise TypeError(f"{value!r} is none of {args}")
        return value
    if not isinstance(value, (list, tuple) if origin is tuple else origin):
        raise TypeError(f"a {type(value).__name__} where a {origin.__name__} belongs")
    return _tuple(args, value) if origin is tuple else value


def _tuple(args: tuple[Any, ...], value: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    inner = args[:1] * len(value) if args[-1] is Ellipsis else args
    return tuple(_value(a, v) for a, v in zip(inner, value, strict=True))


def checked(info: Any) -> ModelInfo:
    """Give an adapter's manifest as the gateway will read it.

    Raises:
        TypeError: It is no manifest, or a field has another type than declared.
    """
    return build(ModelInfo, plain(info))


def s16(pcm: Pcm) -> NDArray[np.int16]:
    """Turn an adapter's audio into int16: clip to [-1, 1], scale by 32767, round.

    Raises:
        BackendFailed: It is not a one-dimensional float or int16 array, or holds NaN or infinity.
    """
    if not isinstance(pcm, np.ndarray) or pcm.ndim != 1:
        raise BackendFailed("the model gave audio that is not one-dimensional", code="bad_audio")
    if pcm.dtype == np.int16:
        return pcm.astype(np.int16, copy=False)
    if not np.issubdtype(pcm.dtype, np.floating):
        raise BackendFailed(f"the model gave audio of type {pcm.dtype}", code="bad_audio")
    if not np.isfinite(pcm).all():
        raise BackendFailed("the model gave audio that is not a number", code="bad_audio")
    scaled = np.clip(pcm.astype(np.float32), -1.0, 1.0) * np.float32(32767.0)
    rounded: NDArray[np.int16] = np.rint(scaled).astype(np.int16)
    return rounded


_PLAIN = {
    "language": Language,
    "hypothesis": Hypothesis,
    "segment": TranscriptSegment,
    "activity": Activity,
}
"""Events that go as their fields, by the name they have on the wire."""

_NAMES = {cls: name for name, cls in _PLAIN.items()}


def event_parts(event: Any, at: float) -> list[list[Any]]:
    """Give the ``event`` frames' tails for one event; audio in pieces, stamped with the worker's clock.

    Raises:
        BackendFailed: It is no event of any operation, or its audio is no audio.
    """
    if isinstance(event, AudioChunk):
        data = memoryview(s16(event.pcm).astype("<i2", copy=False).tobytes())
        return [["audio", at, bytes(data[i : i + PIECE])] for i in range(0, len(data), PIECE)]
    if isinstance(event, WordTiming):
        return [["word", int(event.start), int(event.end), int(event.char_start), int(event.char_end)]]
    name = _NAMES.get(type(event))
    if name is None:
        raise BackendFailed(f"the model gave a {type(event).__name__}, which is no event")
    return [[name, plain(event)]]


def event_of(kind: str, parts: list[Any]) -> Event:
    """Make an event from an ``event`` frame's kind and tail.

    Raises:
        TypeError: There is no such kind, or a field has another type than declared.
    """
    if kind == "audio":
        return AudioChunk(np.frombuffer(parts[1], "<i2"), float(parts[0]))
    if kind == "word":
        return WordTiming(*(int(p) for p in parts))
    if kind not in _PLAIN:
        raise TypeError(f"unknown event {kind!r}")
    return build(_PLAIN[kind], parts[0])


def samples_of(data: bytes) -> Samples:
    """Turn s16le audio into what adapters listen to: float32 in [-1, 1), a whole step being 1/32768."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768.0)


def voice_header(voice: Voice) -> tuple[list[dict[str, Any]], bytes]:
    """Give a voice as the header of a ``voice`` frame and the audio that follows it in pieces (float32)."""
    audio = [np.ascontiguousarray(s.samples, "<f4").tobytes() for s in voice.samples]
    header = [
        {"bytes": len(data), "sample_rate": s.sample_rate, "transcript": s.transcript, "language": s.language}
        for s, data in zip(voice.samples, audio, strict=True)
    ]
    return header, b"".join(audio)


def voice_of(header: list[dict[str, Any]], data: bytes) -> Voice:
    """Make a voice again; its key is computed from what really came."""
    samples, at = [], 0
    for item in header:
        end = at + int(item["bytes"])
        audio = np.frombuffer(data[at:end], "<f4")
        samples.append(VoiceSample(audio, int(item["sample_rate"]), item.get("transcript"), item.get("language")))
        at = end
    return Voice.of(*samples)
