"""The C interface of espeak-ng 1.52 (``speak_lib.h``), as far as it is used here.

Nothing in the library may run twice at the same time in one process: it keeps its state in globals, and threads that
meet in it corrupt the heap.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

SYNCHRONOUS = 2
DONT_EXIT = 0x8000
CHARS_UTF8 = 1
EE_OK = 0
POS_CHARACTER = 1


class Setting(IntEnum):
    """``espeak_PARAMETER``: what can be set between utterances, for the whole process."""

    RATE = 1
    VOLUME = 2
    PITCH = 3
    WORD_GAP = 7


class MarkKind(IntEnum):
    """``espeak_EVENT_TYPE``: what a mark in the audio stands for."""

    TERMINATED = 0
    WORD = 1
    SENTENCE = 2
    END = 5


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """``espeak_EVENT``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, the first is 1
        ("length", ctypes.c_int),  # characters
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),  # the same in samples, exact
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _Voice(ctypes.Structure):
    """``espeak_VOICE``; ``languages`` is a list of (priority byte, zero-ended tag), ended by a zero priority."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.POINTER(ctypes.c_ubyte)),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Mark:
    """An event in the audio: its kind, the sample it stands at, and the characters (from 0) that it is about."""

    kind: int
    sample: int
    char_start: int
    char_end: int


@dataclass(frozen=True, slots=True)
class ListedVoice:
    """A voice as the library lists it: name, file below the data folder, and language tags, best known first."""

    name: str
    file: str
    tags: tuple[str, ...]


OnAudio = Callable[[NDArray[np.int16], list[Mark]], bool]
"""Takes the next audio (possibly none) with its marks; False ends the synthesis."""


def data_path() -> Path:
    """Give the folder of dictionaries, phonemes and voices."""
    return Path(espeakng_loader.get_data_path())


@cache
def _shared() -> Any:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Info.restype = ctypes.c_char_p
    library.espeak_Info.argtypes = [ctypes.c_void_p]
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    library.espeak_ListVoices.argtypes = [ctypes.POINTER(_Voice)]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return library


def version() -> str:
    """Give the library's version; needs no initialisation."""
    return str(_shared().espeak_Info(None).decode())


def initialize(buffer_ms: int) -> int:
    """Get ready to speak, audio coming in buffers of ``buffer_ms``; gives the sample rate in Hz.

    Raises:
        RuntimeError: The data folder cannot be read. The library's own check falls back to a folder of the machine
            that built it and says so on stderr only, hence the look at the file; paths over 159 bytes it truncates.
    """
    folder = data_path()
    path = str(folder).encode()
    rate = -1
    if (folder / "phontab").is_file():
        rate = int(_shared().espeak_Initialize(SYNCHRONOUS, buffer_ms, path, DONT_EXIT))
    if rate <= 0:
        raise RuntimeError(f"espeak-ng cannot read its data at {folder} (a path of {len(path)} bytes; at most 159)")
    return rate


def terminate() -> None:
    """Give the library's memory back; :func:`initialize` may be called again."""
    _shared().espeak_Terminate()


def set_voice(file: str) -> None:
    """Choose the voice by its file below ``lang``, with ``+variant`` where one is wanted.

    Raises:
        RuntimeError: There is no such voice; the one before would go on speaking.
    """
    code = _shared().espeak_SetVoiceByName(file.encode())
    if code != EE_OK:
        raise RuntimeError(f"espeak-ng has no voice {file!r} (code {code})")


def set_parameter(setting: Setting, value: int) -> None:
    """Set rate (80-450 words a minute), volume (0-200), pitch (0-99) or word gap (10 ms) for all that follows.

    Raises:
        RuntimeError: The library does not take the value.
    """
    code = _shared().espeak_SetParameter(setting, value, 0)
    if code != EE_OK:
        raise RuntimeError(f"espeak-ng does not take {setting!r} = {value} (code {code})")


def synthesize(text: str, on_audio: OnAudio) -> None:
    """Speak plain text, never markup: neither SSML nor phoneme input is switched on. Blocks until done or stopped.

    Raises:
        Exception: What ``on_audio`` raised; the synthesis ended there.
        RuntimeError: The library failed.
    """
    failed: list[Exception] = []

    def receive(wav: Any, count: int, events: Any) -> int:
        try:
            pcm = np.ctypeslib.as_array(wav, (count,)).copy() if wav and count > 0 else np.zeros(0, np.int16)
            return 0 if on_audio(pcm, list(_marks(events))) else 1
        except Exception as error:  # noqa: BLE001 - nothing may pass through C; it is raised again below
            failed.append(error)
            return 1

    callback = _Callback(receive)
    _shared().espeak_SetSynthCallback(callback)
    encoded = text.encode()
    code = _shared().espeak_Synth(encoded, len(encoded) + 1, 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
    if failed:
        raise failed[0]
    if code != EE_OK:
        raise RuntimeError(f"espeak-ng could not speak (code {code})")


def _marks(events: Any) -> Iterator[Mark]:
    index = 0
    while (event := events[index]).type != MarkKind.TERMINATED:
        start = max(event.text_position - 1, 0)
        yield Mark(event.type, event.sample, start, start + event.length)
        index += 1


def list_voices(language: str | None = None) -> tuple[ListedVoice, ...]:
    """List the voices that the library finds: those of languages, or with ``variant`` the speaker variants."""
    wanted = None
    if language is not None:
        tag = ctypes.create_string_buffer(language.encode())
        wanted = ctypes.byref(_Voice(languages=ctypes.cast(tag, ctypes.POINTER(ctypes.c_ubyte))))
    listed = _shared().espeak_ListVoices(wanted)
    found: list[ListedVoice] = []
    while listed[len(found)]:
        voice = listed[len(found)].contents
        found.append(ListedVoice(voice.name.decode(), voice.identifier.decode(), tuple(_tags(voice.languages))))
    return tuple(found)


def _tags(languages: Any) -> Iterator[str]:
    address = ctypes.cast(languages, ctypes.c_void_p).value or 0
    while ctypes.string_at(address, 1) != b"\0":
        tag = ctypes.string_at(address + 1)
        yield tag.decode()
        address += len(tag) + 2
