"""The output formats: the one place that knows names, content types, file suffixes and bit rates."""

from __future__ import annotations

from dataclasses import dataclass

from voicegw.errors import InvalidRequest

OUTPUT_RATE = 24_000
"""Hz of what is sent where the request says nothing else: mono, 16 bit."""

MIN_RATE, MAX_RATE = 8_000, 48_000
"""Hz that can be asked for; not every format carries each of them."""

_MPEG_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One format that speech can be asked for in.

    Attributes:
        name: As in the request parameter ``response_format``.
        content_type: Of the HTTP response.
        suffixes: Of file names, lower case with the dot, the usual one first.
        bit_rate: Bits per second at :data:`OUTPUT_RATE`; of flac, where it depends on the sound, that of the samples
            it holds.
        delay: Samples at the stream's rate that a decoder which skips nothing gives before the first one spoken:
            libmp3lame's 576 and the 529 of an MP3 decoder; the 1,024 of one AAC frame. Ogg Opus says its own delay
            in the header (RFC 7845, pre-skip), and decoders take it off.
        rates: Sample rates in Hz that it carries, in order; empty where it carries all from :data:`MIN_RATE` to
            :data:`MAX_RATE`.
    """

    name: str
    content_type: str
    suffixes: tuple[str, ...]
    bit_rate: int
    delay: int = 0
    rates: tuple[int, ...] = ()

    def content_type_at(self, sample_rate: int) -> str:
        """Give the content type of a response in this rate: raw samples do not say their rate themselves."""
        return (
            f"{self.content_type};rate={sample_rate}"
            if self is PCM and sample_rate != OUTPUT_RATE
            else self.content_type
        )

    def check_rate(self, sample_rate: int) -> None:
        """Refuse a rate that the format cannot carry.

        Raises:
            InvalidRequest: ``param`` is ``sample_rate``; the message names the rates that work.
        """
        if MIN_RATE <= sample_rate <= MAX_RATE and (not self.rates or sample_rate in self.rates):
            return
        possible = f"one of {', '.join(map(str, self.rates))}" if self.rates else f"from {MIN_RATE} to {MAX_RATE}"
        raise InvalidRequest(f"'sample_rate' must be {possible} for {self.name!r}.", param="sample_rate")


MP3 = AudioFormat("mp3", "audio/mpeg", (".mp3",), 64_000, delay=1105, rates=_MPEG_RATES)
OPUS = AudioFormat("opus", "audio/opus", (".opus", ".ogg", ".oga"), 32_000, rates=_OPUS_RATES)
AAC = AudioFormat("aac", "audio/aac", (".aac", ".adts"), 64_000, delay=1024, rates=_MPEG_RATES)
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
