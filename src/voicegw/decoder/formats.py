"""What may be decoded: containers, codecs and raw formats, the bounds of their audio, the words of a refusal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from voicegw.backend import InvalidRequest

FORMATS: Final = (
    *("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "oga", "ogg"),
    *("opus", "wav", "webm", "aac", "amr", "aiff", "caf"),
)
"""The formats as people name them."""

CONTAINERS: Final = ("wav", "w64", "mp3", "flac", "ogg", "mov", "matroska", "aac", "aiff", "caf", "amr", "mpeg")
"""FFmpeg's demuxers that may look at an upload. None of them opens anything else, as those of playlists do."""

CODECS: Final = (
    *("flac", "alac", "mp3", "mp3float", "mp2", "mp2float", "mp1", "mp1float", "aac", "opus", "libopus", "vorbis"),
    *("speex", "ac3", "eac3", "amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "gsm", "gsm_ms"),
    *("pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
    *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_mulaw", "pcm_alaw"),
    *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "g722", "g726"),
)
"""FFmpeg's decoders that may be used. A picture or film beside the audio finds none, not even to be looked at."""

_RAW: Final = {"pcm_s16le": "s16le", "mulaw": "mulaw", "alaw": "alaw"}

MAX_CHANNELS: Final = 16
MIN_RATE, MAX_RATE = 4_000, 384_000
"""Hz that audio may have, before and after."""

MIN_S: Final = 0.1
"""Seconds of the shortest audio that is taken, as OpenAI has it."""

_MAGIC: Final = {
    "wav": re.compile(rb"RIFF....WAVE|RF64....WAVE|riff", re.DOTALL),
    "mp3": re.compile(rb"ID3"),
    "flac": re.compile(rb"fLaC"),
    "ogg": re.compile(rb"OggS"),
    "mp4": re.compile(rb"....(ftyp|moov|mdat)", re.DOTALL),
    "webm": re.compile(rb"\x1a\x45\xdf\xa3"),
    "aiff": re.compile(rb"FORM....AIF", re.DOTALL),
    "caf": re.compile(rb"caff"),
    "amr": re.compile(rb"#!AMR"),
}


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Samples without a header: FFmpeg's name for them, their rate in Hz, how many channels lie interleaved."""

    name: str
    rate: int
    channels: int

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """Read ``NAME/RATE`` or ``NAME/RATE/CHANNELS``, such as ``mulaw/8000``; pcm_s16le, mulaw and alaw are known.

        Raises:
            InvalidRequest: It is written otherwise, or out of bounds.
        """
        found = re.fullmatch(r"(\w+)/(\d{1,6})(?:/(\d{1,2}))?", text, re.ASCII)
        if found is None or found[1] not in _RAW:
            raise InvalidRequest(
                f"a raw format is one of {', '.join(_RAW)} with its rate, such as mulaw/8000", param="raw_format"
            )
        made = cls(_RAW[found[1]], int(found[2]), int(found[3] or 1))
        check_sound(made.rate, made.channels, param="raw_format")
        return made


def refused(message: str, code: str = "audio_undecodable", param: str = "file") -> InvalidRequest:
    """Give what is raised against an upload."""
    return InvalidRequest(message, param=param, code=code)


def unknown_format(head: bytes) -> InvalidRequest:
    """Say that nothing can read what begins with ``head``; where it looks like one of ours, that it is broken."""
    name = next((name for name, magic in _MAGIC.items() if magic.match(head)), None)
    if name is not None:
        return refused(f"The file begins as {name} does, but it is damaged or cut off: it cannot be read as audio.")
    return refused(f"Invalid file format. Supported formats: {list(FORMATS)}", "invalid_file_format")


def check_sound(rate: int, channels: int, param: str = "file") -> None:
    """Refuse what no recording has.

    Raises:
        InvalidRequest: The rate or the number of channels is out of bounds.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise refused(f"The audio has a sample rate of {rate} Hz; {MIN_RATE} to {MAX_RATE} Hz are taken.", param=param)
    if not 1 <= channels <= MAX_CHANNELS:
        raise refused(f"The audio has {channels} channels; 1 to {MAX_CHANNELS} are taken.", param=param)
