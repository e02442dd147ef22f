"""Streaming encoders: mono samples in, the bytes of one continuous stream out, from the first frame on."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from voicegw.audio.format import AAC, FLAC, MP3, OPUS, OUTPUT_RATE, PCM, WAV, AudioFormat

UNKNOWN_SIZE = 0xFFFF_FFFF
"""What a WAV header says of a length that is not known yet."""

_OPUS_DELAY_S = 0.0065
"""Seconds that libopus delays the sound; its decoders take them off."""

_MOST_BITS = 6
"""Bits per sample, the most that an AAC frame has room for."""


class Encoder(Protocol):
    """Turns samples into the bytes of one stream. Not for two threads at a time; how pushes are cut does not matter.

    It is CPU work (1 to 8 ms per second of audio), meant to run off the event loop in slices of at most 100 ms.
    """

    def push(self, pcm: NDArray[np.int16]) -> bytes:
        """Take mono samples of shape (n,), n >= 0, and give the bytes that are ready, b"" if none are.

        The first push gives the stream's header too. ValueError after :meth:`finish` or :meth:`close`.
        """
        ...

    def owed(self) -> int:
        """Tell how many samples must still be pushed so that all those so far can be decoded from what was given."""
        ...

    def finish(self) -> bytes:
        """End the stream: give the bytes of everything pushed and not given yet. ValueError when called again."""
        ...

    def close(self) -> None:
        """Free the codec without ending the stream; any time, any number of times."""
        ...


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How FFmpeg makes one format: muxer and codec, the codec's sample type, the options of both.

    ``late`` is how many frames codec and muxer hold back after the one that a sample is in.
    """

    muxer: str
    codec: Literal["libmp3lame", "libopus", "aac", "flac"]
    samples: str
    muxer_options: dict[str, str] = field(default_factory=dict)
    codec_options: dict[str, str] = field(default_factory=dict)
    late: int = 1


# Every packet is written as soon as it exists, and equal audio makes equal bytes: without bitexact Ogg draws a random
# serial number, and FLAC names the library's version.
_COMMON = {"flush_packets": "1", "fflags": "+bitexact"}

_RECIPES: dict[AudioFormat, _Recipe] = {
    # Neither an ID3 nor a Xing frame, and no bits borrowed from the frame before: any frames can be joined, and the
    # first one leaves after 48 ms of audio, not 72 ms. At 64 kbit/s the reservoir gains nothing (24.4 and 24.6 dB).
    MP3: _Recipe("mp3", "libmp3lame", "s16p", {"write_xing": "0", "id3v2_version": "0"}, {"reservoir": "0"}),
    OPUS: _Recipe("ogg", "libopus", "s16", {"page_duration": "20000"}),
    AAC: _Recipe("adts", "aac", "fltp"),
    # The usual 8 KiB of padding in the header is for later tagging.
    FLAC: _Recipe("flac", "flac", "s16", {"metadata_header_padding": "0"}, late=0),
}


def encoder_for(target: AudioFormat, *, total_samples: int | None = None, sample_rate: int = OUTPUT_RATE) -> Encoder:
    """Make the encoder of a format.

    Args:
        target: One of :data:`voicegw.audio.format.FORMATS`.
        total_samples: How many samples will be pushed in all, where that is known; a WAV header then says so.
        sample_rate: Hz of what is pushed and of what a listener gets; one that the format carries
            (:meth:`AudioFormat.check_rate`).
    """
    if target is PCM:
        return PcmEncoder()
    if target is WAV:
        return WavEncoder(total_samples, sample_rate)
    return CodecEncoder(target, sample_rate)


def wav_header(samples: int | None, sample_rate: int = OUTPUT_RATE) -> bytes:
    """Give the 44 bytes before the samples of a WAV file: mono, 16 bit.

    Sizes are 0xFFFFFFFF where the number of samples is None, or too large for the format's 32 bits.
    """
    size = UNKNOWN_SIZE if samples is None else 2 * samples
    riff = size + 36
    if riff > UNKNOWN_SIZE:
        size = riff = UNKNOWN_SIZE
    layout = (16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", riff, b"WAVE", b"fmt ", *layout, b"data", size)


class PcmEncoder:
    """The samples themselves, little endian. See :class:`Encoder`."""

    def __init__(self) -> None:
        self._open = True

    def push(self, pcm: NDArray[np.int16]) -> bytes:
        """Give the samples as bytes. ValueError after the end."""
        if not self._open:
            raise ValueError("The stream has ended.")
        return pcm.tobytes()

    def owed(self) -> int:
        """Nothing is ever held back."""
        return 0

    def finish(self) -> bytes:
        """End the stream; nothing is ever held back. ValueError when called again."""
        if not self._open:
            raise ValueError("The stream has ended.")
        self._open = False
        return b""

    def close(self) -> None:
        """Refuse what comes later."""
        self._open = False


class WavEncoder(PcmEncoder):
    """A whole header first, then the samples. See :class:`Encoder`.

    Args:
        total_samples: How many samples will come; None where nobody knows yet.
        sample_rate: Of them, in Hz.
    """

    def __init__(self, total_samples: int | None = None, sample_rate: int = OUTPUT_RATE) -> None:
        super().__init__()
        self._total = total_samples
        self._pushed = 0
        self._header = wav_header(total_samples, sample_rate)

    def push(self, pcm: NDArray[np.int16]) -> bytes:
        """Give the samples as bytes, the header before the first. ValueError after the end."""
        header, self._header = self._header, b""
        self._pushed += len(pcm)
        return header + super().push(pcm)

    def finish(self) -> bytes:
        """End the stream; gives the header of an empty one. ValueError if its length is not the one announced."""
        header, self._header = self._header, b""
        if self._total is not None and self._total != self._pushed:
            raise ValueError(f"The header announces {self._total} samples, but {self._pushed} came.")
        return header + super().finish()


class _Sink:
    """Where FFmpeg writes to. Without ``seek`` nothing already written is ever changed."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep what the muxer wrote."""
        self._parts.append(data)
        return len(data)

    def take(self) -> bytes:
        """Give what was written since the last call."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class CodecEncoder:
    """Any format that FFmpeg encodes, in memory. See :class:`Encoder`.

    The codec is opened by the first push: that takes up to 3 ms, which the event loop is not to wait for. PyAV cuts
    what is pushed into the codec's frames itself, so one call per push is all the Python there is.
    """

    def __init__(self, target: AudioFormat, sample_rate: int = OUTPUT_RATE) -> None:
        self._format = target
        self._rate = sample_rate
        self._time_base = Fraction(1, sample_rate)
        self._sink = _Sink()
        self._container: OutputContainer | None = None
        self._stream: AudioStream | None = None
        self._ended = False
        self._pushed = 0

    def push(self, pcm: NDArray[np.int16]) -> bytes:
        """Encode what fills whole frames; see :meth:`Encoder.push`."""
        container, stream = self._opened()
        if len(pcm):
            frame = av.AudioFrame("s16", "mono", len(pcm))
            frame.planes[0].update(pcm.tobytes())
            frame.sample_rate = self._rate
            frame.time_base = self._time_base
            frame.pts = self._pushed
            self._pushed += len(pcm)
            container.mux(stream.encode(frame))
        return self._sink.take()

    def owed(self) -> int:
        """Count what fills the frames up to the last one needed; see :meth:`Encoder.owed`."""
        if not self._pushed:
            return 0
        frame = self._opened()[1].codec_context.frame_size
        delay = math.ceil(_OPUS_DELAY_S * self._rate) if self._format is OPUS else self._format.delay
        frames = -(-(self._pushed + delay) // frame) + _RECIPES[self._format].late
        return frames * frame - self._pushed

    def finish(self) -> bytes:
        """Encode the rest and what the codec still holds; see :meth:`Encoder.finish`."""
        container, stream = self._opened()
        self._ended = True
        if self._pushed:
            container.mux(stream.encode(None))
        self._release()
        return self._sink.take()

    def close(self) -> None:
        """Free the codec; see :meth:`Encoder.close`."""
        self._ended = True
        self._release()
        self._sink.take()

    def __del__(self) -> None:
        # PyAV's container and stream hold each other: without this, a codec waits for the collector, up to 2.5 MB each.
        self._release()

    def _opened(self) -> tuple[OutputContainer, AudioStream]:
        if self._ended:
            raise ValueError("The stream has ended.")
        if self._container is None or self._stream is None:
            self._container, self._stream = _open(self._format, self._sink, self._rate)
        return self._container, self._stream

    def _release(self) -> None:
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            container.close()


def _open(target: AudioFormat, sink: _Sink, rate: int) -> tuple[OutputContainer, AudioStream]:
    """Open codec and muxer; the header goes to the sink at once."""
    recipe = _RECIPES[target]
    container = av.open(sink, "w", format=recipe.muxer, options={**_COMMON, **recipe.muxer_options})
    # FLAC frames of 20 ms, not 96 ms, cost 3 % more bytes.
    options = {"frame_size": str(rate // 50)} if target is FLAC else recipe.codec_options
    stream = container.add_stream(recipe.codec, rate=rate, options=options)
    stream.layout = "mono"
    stream.format = recipe.samples
    if target is not FLAC:
        stream.bit_rate = min(target.bit_rate, _MOST_BITS * rate)
    container.start_encoding()
    return container, stream
