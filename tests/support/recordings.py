"""Sound files of every format, made on the spot with PyAV's encoders."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
"""Shape (channels, n), in [-1, 1]."""

HZ: Final = 440.0
PEAK: Final = 0.5


def tone(seconds: float, rate: int, channels: int = 1, hz: float = HZ, peak: float = PEAK) -> Sound:
    """Make a sine, the same in all channels."""
    wave = peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


@dataclass(frozen=True, slots=True)
class Track:
    """One stream of audio of a file."""

    sound: Sound
    rate: int
    codec: str
    bit_rate: int | None = None
    options: Mapping[str, str] | None = None

    @property
    def layout(self) -> str:
        """FFmpeg's name of the channels."""
        return {1: "mono", 2: "stereo", 6: "5.1", 7: "6.1", 8: "7.1"}[len(self.sound)]


def encoded(
    container: str,
    *tracks: Track,
    options: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    picture: str | None = None,
    video: str | None = None,
) -> bytes:
    """Make a file.

    Args:
        container: FFmpeg's name of the muxer.
        *tracks: Its audio streams.
        options: Of the muxer.
        metadata: Tags.
        picture: Codec of a cover.
        video: Codec of a film of 25 frames a second that is as long as the first track.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=dict(options or {})) as output:
        output.metadata.update(metadata or {})
        codec = picture or video
        film = _film(output, codec, cover=codec == picture) if codec else None
        streams = [_stream(output, track) for track in tracks]
        if film is not None:
            seconds = tracks[0].sound.shape[1] / tracks[0].rate
            _draw(output, film, 1 if picture else round(25 * seconds))
        for stream, track in zip(streams, tracks, strict=True):
            _sing(output, stream, track)
    return file.getvalue()


def _stream(output: Any, track: Track) -> Any:
    stream = output.add_stream(track.codec, rate=track.rate, options=dict(track.options or {}))
    stream.layout = track.layout
    if track.bit_rate:
        stream.bit_rate = track.bit_rate
    return stream


def _film(output: Any, codec: str, *, cover: bool) -> Any:
    film = output.add_stream(codec, rate=25)
    film.width, film.height = 64, 48
    film.pix_fmt = "rgb24" if codec == "png" else "yuvj420p" if codec == "mjpeg" else "yuv420p"
    if cover:
        film.disposition = av.stream.Disposition.attached_pic
    return film


def _draw(output: Any, film: Any, pictures: int) -> None:
    for number in range(pictures):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=film.pix_fmt)
        frame.pts = number
        output.mux(film.encode(frame))
    output.mux(film.encode(None))


def _sing(output: Any, stream: Any, track: Track) -> None:
    for start in range(0, track.sound.shape[1], 4800):
        piece = track.sound[:, start : start + 4800].T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, "flt", track.layout)
        frame.sample_rate, frame.pts = track.rate, start
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def wav(samples: NDArray[Any], rate: int, *, size: int | None = None, before: bytes = b"") -> bytes:
    """Write a WAV by hand.

    Args:
        samples: Shape (n,) or (n, channels); uint8, int16, int32, float32 or float64.
        rate: Hz, whatever it is.
        size: What the header says of the samples' bytes; None for the truth.
        before: Chunks that stand before the samples.
    """
    data = samples.tobytes()
    channels, wide = (1 if samples.ndim == 1 else samples.shape[1]), samples.itemsize
    code, block = (3 if samples.dtype.kind == "f" else 1), channels * wide
    form = struct.pack("<HHIIHH", code, channels, rate, rate * block % 2**32, block % 2**16, 8 * wide)
    told = len(data) if size is None else size
    body = b"WAVE" + chunk(b"fmt ", form) + before + struct.pack("<4sI", b"data", told) + data
    return struct.pack("<4sI", b"RIFF", min(len(body), 2**32 - 1)) + body


def chunk(name: bytes, data: bytes) -> bytes:
    """Give a chunk of a RIFF file."""
    return struct.pack("<4sI", name, len(data)) + data


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file, and what should be found out about it.

    Attributes:
        make: Makes one of so many seconds.
        container: As the decoder names it.
        codec: The same.
        rate: Hz of the source; of Opus always 48,000.
        channels: Of the source.
    """

    make: Callable[[float], bytes]
    container: str
    codec: str
    rate: int
    channels: int


def _format(
    muxer: str,
    codec: str,
    rate: int = 48_000,
    channels: int = 2,
    *,
    found: tuple[str, str],
    bit_rate: int | None = None,
    options: Mapping[str, str] | None = None,
    codec_options: Mapping[str, str] | None = None,
) -> Format:
    def make(seconds: float) -> bytes:
        track = Track(tone(seconds, rate, channels), rate, codec, bit_rate, codec_options)
        return encoded(muxer, track, options=options)

    return Format(make, *found, 48_000 if codec == "libopus" else rate, channels)


_FRAGMENTS: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}

FORMATS: Final[Mapping[str, Format]] = {
    "wav": _format("wav", "pcm_s16le", 16_000, 1, found=("wav", "pcm_s16le")),
    "wav, 24 bit": _format("wav", "pcm_s24le", found=("wav", "pcm_s24le")),
    "wav, float": _format("wav", "pcm_f32le", found=("wav", "pcm_f32le")),
    "wav, double": _format("wav", "pcm_f64le", found=("wav", "pcm_f64le")),
    "wav, 8 bit": _format("wav", "pcm_u8", 11_025, 1, found=("wav", "pcm_u8")),
    "wav, mulaw": _format("wav", "pcm_mulaw", 8_000, 1, found=("wav", "pcm_mulaw")),
    "wav, alaw": _format("wav", "pcm_alaw", 8_000, 1, found=("wav", "pcm_alaw")),
    "wav, adpcm": _format("wav", "adpcm_ms", 16_000, 1, found=("wav", "adpcm_ms")),
    "wav, 192 kHz": _format("wav", "pcm_s32le", 192_000, found=("wav", "pcm_s32le")),
    "wav, 5.1": _format("wav", "pcm_s16le", channels=6, found=("wav", "pcm_s16le")),
    "w64": _format("w64", "pcm_s16le", found=("w64", "pcm_s16le")),
    "mp3": _format("mp3", "libmp3lame", found=("mp3", "mp3"), bit_rate=128_000),
    "mp3 without a header": _format("mp3", "libmp3lame", 16_000, 1, found=("mp3", "mp3"), options={"write_xing": "0"}),
    "mpga": _format("mp2", "mp2", found=("mp3", "mp2"), bit_rate=128_000),
    "mpeg": _format("mpeg", "mp2", found=("mpeg", "mp2"), bit_rate=128_000),
    "flac": _format("flac", "flac", 44_100, found=("flac", "flac")),
    "m4a": _format("ipod", "aac", found=("mov", "aac"), bit_rate=128_000),
    "m4a, alac": _format("ipod", "alac", found=("mov", "alac")),
    "mp4, ac3": _format("mp4", "ac3", found=("mov", "ac3"), bit_rate=128_000),
    "mp4, index first": _format("mp4", "aac", found=("mov", "aac"), options={"moov_size": "20000"}),
    "mp4, fragmented": _format("mp4", "aac", found=("mov", "aac"), options=_FRAGMENTS),
    "mov": _format("mov", "pcm_s16le", found=("mov", "pcm_s16le")),
    "aac": _format("adts", "aac", 16_000, 1, found=("aac", "aac"), bit_rate=32_000),
    "ogg, opus": _format("ogg", "libopus", found=("ogg", "opus"), bit_rate=64_000),
    "ogg, opus of 16 kHz": _format("ogg", "libopus", 16_000, 1, found=("ogg", "opus"), bit_rate=24_000),
    "ogg, vorbis": _format("ogg", "vorbis", found=("ogg", "vorbis"), codec_options={"strict": "-2"}),
    "ogg, flac": _format("ogg", "flac", found=("ogg", "flac")),
    "webm": _format("webm", "libopus", channels=1, found=("matroska", "opus"), bit_rate=32_000),
    "webm, live": _format("webm", "libopus", channels=1, found=("matroska", "opus"), options={"live": "1"}),
    "mkv": _format("matroska", "pcm_s16le", 16_000, 1, found=("matroska", "pcm_s16le")),
    "amr": _format("amr", "libopencore_amrnb", 8_000, 1, found=("amr", "amr_nb"), bit_rate=12_200),
    "aiff": _format("aiff", "pcm_s16be", found=("aiff", "pcm_s16be")),
    "caf": _format("caf", "pcm_s16le", found=("caf", "pcm_s16le")),
    "caf, alac": _format("caf", "alac", found=("caf", "alac")),
}
"""Every kind of file that is taken, by what people would call it."""


def flac_of_silence(size: int) -> bytes:
    """Make a FLAC of about so many bytes that hold nothing: 25 MiB are two days."""
    whole = encoded("flac", Track(np.zeros((1, 44_100 * 4), np.float32), 44_100, "flac"))
    first = whole.index(b"\xff\xf8")
    frame = whole[first : whole.index(b"\xff\xf8", first + 1)]
    head = bytearray(whole[:first])
    head[21] &= 0xF0
    head[22:26] = bytes(4)  # the number of samples: not known
    return bytes(head) + frame * ((size - first) // len(frame))
