"""The output formats: the one place that knows names, content types, file suffixes and bit rates."""

from __future__ import annotations

from dataclasses import dataclass

OUTPUT_RATE = 24_000
"""Hz of everything that is sent: mono, 16 bit."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One format that speech can be asked for in.

    Attributes:
        name: As in the request parameter ``response_format``.
        content_type: Of the HTTP response.
        suffixes: Of file names, lower case with the dot, the usual one first.
        bit_rate: Bits per second; of flac, where it depends on the sound, that of the samples it holds.
        delay: Samples at :data:`OUTPUT_RATE` that a decoder which skips nothing gives before the first one spoken:
            libmp3lame's 576 and the 529 of an MP3 decoder; the 1,024 of one AAC frame. Ogg Opus says its own delay
            in the header (RFC 7845, pre-skip), and decoders take it off.
    """

    name: str
    content_type: str
    suffixes: tuple[str, ...]
    bit_rate: int
    delay: int = 0


MP3 = AudioFormat("mp3", "audio/mpeg", (".mp3",), 64_000, delay=1105)
OPUS = AudioFormat("opus", "audio/opus", (".opus", ".ogg", ".oga"), 32_000)
AAC = AudioFormat("aac", "audio/aac", (".aac", ".adts"), 64_000, delay=1024)
FLAC = AudioFormat("flac", "audio/flac", (".flac",), 16 * OUTPUT_RATE)
WAV = AudioFormat("wav", "audio/wav", (".wav", ".wave"), 16 * OUTPUT_RATE)
PCM = AudioFormat("pcm", "audio/pcm", (".pcm", ".raw"), 16 * OUTPUT_RATE)

FORMATS: tuple[AudioFormat, ...] = (MP3, OPUS, AAC, FLAC, WAV, PCM)
"""All formats, the default first."""

DEFAULT = MP3

_BY_NAME = {entry.name: entry for entry in FORMATS}
_BY_SUFFIX = {suffix: entry for entry in FORMATS for suffix in entry.suffixes}


def by_name(name: str) -> AudioFormat | None:
    """Give the format of this exact name, or None where there is none."""
    return _BY_NAME.get(name)


def by_suffix(suffix: str) -> AudioFormat | None:
    """Give the format of a file suffix such as ``.mp3``, in any case, or None where there is none."""
    return _BY_SUFFIX.get(suffix.lower())
