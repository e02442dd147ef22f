"""One upload, opened: its container and audio stream, its packets and frames, and what of it cannot be decoded.

Whose length is promised: the header of a WAV, AIFF, FLAC or MP4 file says how much audio there is, and a file that has
less was cut off on its way. Everything else is a stream by nature (MP3, ADTS, AMR, Ogg, what a browser's MediaRecorder
makes of WebM or MP4, a WAV whose header was written before its length was known): it has as much as has come, and no
header that says otherwise is believed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from types import TracebackType
from typing import Final, Self

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from voicegw.decoder.formats import CODECS, CONTAINERS, RawFormat, check_sound, refused, unknown_format

UNKNOWN_SIZE: Final = 0x7FFF0000
"""Sizes from here on stand in headers of WAV files that were written to a pipe: 0x7FFFFFFF, 0xFFFFFFFF and the like."""

BELIEVED_S: Final = 2
"""Seconds that a packet may say it holds: FFmpeg 8 takes the last one of a Vorbis stream, which is short, for a day."""

IN_VAIN: Final = 1000
"""Packets in a row that cannot be decoded, after which nothing more is expected."""

_WAV_CHUNKS: Final = 64
"""Chunks of a WAV that are looked at; there are rarely ten."""

_FENCE: Final = {
    "protocol_whitelist": "none",
    "codec_whitelist": ",".join(CODECS),
    "max_probe_packets": "8",  # the samples of a WAV may be something else; to look at 64 KiB for that takes 3 ms
}


class Clock:
    """Adds up audio, to the sample while the rate stays the same."""

    def __init__(self) -> None:
        self._before = 0.0
        self._samples, self._rate = 0, 1

    def add(self, samples: int, rate: int) -> None:
        """Add so many samples of so many per second."""
        if rate != self._rate:
            self._before, self._samples, self._rate = self.seconds, 0, rate
        self._samples += samples

    @property
    def seconds(self) -> float:
        """All of it."""
        return self._before + self._samples / self._rate


class Recording:
    """An upload while it is read, from its beginning to its end, once; use it with ``with``.

    Args:
        data: The upload.
        raw: What it is, where it has no header.

    Attributes:
        container: Short name of the container.
        codec: Name of the codec.
        passed_over: Bytes since the last frame that no audio came of.

    Raises:
        InvalidRequest: It is no audio, or none that is taken.
    """

    def __init__(self, data: BytesIO, raw: RawFormat | None = None) -> None:
        data.seek(0)
        self._data = data
        self._container = _opened(data, raw)
        try:
            self._stream = _audio(self._container)
            context = self._stream.codec_context
            context.thread_count = 1
            check_sound(context.sample_rate or 0, context.layout.nb_channels)
        except BaseException:
            self._container.close()
            raise
        self.container = "raw" if raw else self._container.format.name.partition(",")[0]
        self.codec = context.codec.canonical_name
        self.passed_over = self._in_vain = self._damaged = self._decoded = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._container.close()

    def weigh(self, packet: Packet[AudioStream], clock: Clock) -> None:
        """Add what a packet says it holds, which may be nothing, unless that is more than :data:`BELIEVED_S`."""
        unit = self._stream.time_base
        if unit and packet.duration and 0 < packet.duration * unit <= BELIEVED_S:
            clock.add(packet.duration * unit.numerator, unit.denominator)

    def packets(self) -> Iterator[Packet[AudioStream]]:
        """Give the packets of the audio stream, an empty one at the end; where the container breaks, what came."""
        try:
            yield from self._container.demux(self._stream)
        except MemoryError:
            raise
        except av.FFmpegError:
            return

    def frames(self) -> Iterator[AudioFrame | None]:
        """Give the frames, and None after every packet; packets that cannot be decoded are passed over.

        Raises:
            InvalidRequest: The rate or the number of channels has come to be out of bounds.
        """
        for packet in self.packets():
            for frame in self._decode(packet):
                check_sound(frame.sample_rate, frame.layout.nb_channels)
                yield frame
            yield None
            if self._in_vain >= IN_VAIN:
                return

    def _decode(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        try:
            frames = self._stream.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            self.passed_over += packet.size
            self._in_vain += 1
            return []
        if frames and packet.size:
            self._damaged += self.passed_over if self._decoded else 0
            self.passed_over = self._in_vain = 0
        self._decoded += packet.size
        return frames

    @property
    def damage(self) -> float:
        """Share of the audio that cannot be decoded, of what lies between the first and the last that can."""
        return self._damaged / max(1, self._damaged + self._decoded)

    def promised_s(self, seconds: float) -> float:
        """Give the seconds of audio that the header promises, ``seconds`` being what there are; 0 for a stream."""
        name, stream = self.container, self._stream
        length = float((stream.duration or 0) * (stream.time_base or 0))
        if name in ("flac", "aiff"):
            return length
        if name == "wav":
            return seconds * _missing(_wav_end(self._data), self._data)
        if name == "mov" and stream.frames:  # a fragmented one counts none
            last = stream.index_entries[-1] if seconds else None
            return seconds * _missing(last.pos + last.size, self._data) if last else length
        return 0.0


def _opened(data: BytesIO, raw: RawFormat | None) -> InputContainer:
    if raw is None:
        _check_header(data)
        options = {**_FENCE, "format_whitelist": ",".join(CONTAINERS)}
    else:
        layout = {"sample_rate": str(raw.rate), "ch_layout": f"{raw.channels}c"}
        options = {**_FENCE, "format_whitelist": raw.name, **layout}
    try:
        return av.open(data, "r", format=raw.name if raw else None, options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError):
        raise unknown_format(bytes(data.getbuffer()[:64])) from None


def _audio(container: InputContainer) -> AudioStream:
    """Choose the first stream of audio that can be decoded."""
    if not container.streams.audio:
        raise refused("The file holds no audio.")
    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    found = next((stream for stream in known if stream.codec_context.codec.name in CODECS), None)
    if found is None:
        names = ", ".join(stream.codec_context.codec.canonical_name for stream in known) or "unknown"
        raise refused(f"The file's audio is of a kind that is not decoded here ({names}).")
    return found


def _chunks(data: BytesIO) -> Iterator[tuple[bytes, int, int]]:
    """Give name, beginning and length of the chunks of a WAV, as far as there are any."""
    with data.getbuffer() as view:
        at = 12
        for _ in range(_WAV_CHUNKS if bytes(view[8:12]) == b"WAVE" else 0):
            if at + 8 > len(view):
                return
            name, size = struct.unpack_from("<4sI", view, at)
            yield name, at + 8, size
            at += 8 + size + size % 2


def _wav_end(data: BytesIO) -> int:
    """Give the place where the samples of a WAV end by its header; 0 where that does not know."""
    for name, at, size in _chunks(data):
        if name == b"data":
            return at + size if 0 < size < UNKNOWN_SIZE else 0
    return 0


def _check_header(data: BytesIO) -> None:
    """Refuse a WAV whose header says what cannot be, before FFmpeg 8 spends seconds or gigabytes on it.

    That is a sound that no recording has, or a chunk that goes on behind the end of the file. Only samples may, and
    what follows them unless it is a list, whose entries would be looked for.
    """
    heard = False
    for name, at, size in _chunks(data):
        heard = heard or name == b"data"
        if at + size > data.getbuffer().nbytes and (name == b"LIST" or not heard):
            raise refused("The file is damaged or cut off: its header is longer than all of it.")
        if name == b"fmt ":
            check_sound(*_rate_and_channels(data, at))


def _rate_and_channels(data: BytesIO, at: int) -> tuple[int, int]:
    head = bytes(data.getbuffer()[at : at + 8]).ljust(8, b"\0")
    _, channels, rate = struct.unpack("<HHI", head)
    return rate, channels


def _missing(end: int, data: BytesIO) -> float:
    """Give by what factor the audio would be longer if the file went on to ``end``; at least 1."""
    return max(1.0, end / data.getbuffer().nbytes)
