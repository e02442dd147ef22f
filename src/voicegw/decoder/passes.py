"""The three passes over an upload: weigh it, count it, make audio of it.

Weighing adds up what the packets say they hold, decoding nothing: most of what unpacks to days of silence ends here.
Counting decodes everything and keeps nothing, so that a bomb that lies, a broken file or one that was cut off is
refused before anybody has heard a sample of it. The third pass makes what is asked for, piece by piece.

What a player plays is taken. Packets before the first or after the last that can be decoded are no audio (tags, half a
frame); others that cannot are passed over, up to :data:`DAMAGE` of the audio, and the last event tells how much it was.
A file that has less audio than its header promises was cut off, and is refused; see :mod:`voicegw.decoder.recording`
for those that promise nothing.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, DecodeDone, DecodeEvent, DecodeOptions, InvalidRequest
from voicegw.decoder.formats import MAX_RATE, MIN_RATE, MIN_S, RawFormat, refused
from voicegw.decoder.recording import Clock, Recording
from voicegw.decoder.sound import Converter, is_finite

STEP_S: Final = 0.02
"""Seconds of work between two looks at whether anybody still waits for it."""

ROUGH_S: Final = 1.0
"""Seconds more than there are that packets may say: what an encoder puts in front is taken off by the decoder."""

DAMAGE: Final = 0.1
"""Share of an upload's audio that may be impossible to decode."""

CHUNK_S: Final = 1.0
"""Seconds of audio that are sent together."""

_TOLERANCE_S: Final = 0.1
"""How much less audio than promised is no sign of a file that was cut off."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What is asked for: of which bytes, how."""

    data: BytesIO
    raw: RawFormat | None
    sample_rate: int
    max_s: float

    def opened(self) -> Recording:
        return Recording(self.data, self.raw)

    def check(self, seconds: float) -> None:
        if seconds > self.max_s:
            raise refused(f"The file holds more than the {self.max_s:g} s of audio that are taken.", "audio_too_long")


class _Pace:
    """Tells when a step has lasted long enough."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._until = time.monotonic() + STEP_S

    def due(self) -> bool:
        return time.monotonic() >= self._until


def passes(data: BytesIO, options: DecodeOptions) -> Generator[DecodeEvent | None, None, None]:
    """Decode an upload in steps of :data:`STEP_S`, or :data:`CHUNK_S` of audio, whichever comes first.

    Yields:
        None while there is nothing to hear, then int16 chunks, then the last event.

    Raises:
        InvalidRequest: It cannot or must not be decoded; ``param`` is ``file`` and the message says why.
        MemoryError: There is not enough.
    """
    raw = RawFormat.parse(options.raw_format) if options.raw_format else None
    order = _Order(data, raw, options.sample_rate, options.max_s)
    if not MIN_RATE <= order.sample_rate <= MAX_RATE:
        raise InvalidRequest(f"'sample_rate' must be from {MIN_RATE} to {MAX_RATE} Hz.", param="sample_rate")
    if not data.getbuffer().nbytes:
        raise refused("The file is empty.", "audio_too_short")
    try:
        yield from _weigh(order)
        done = yield from _count(order)
        yield from _sound(order)
    except MemoryError:
        raise
    except av.FFmpegError as error:
        raise refused(f"The file's audio cannot be decoded ({error.strerror}).") from None
    yield done


def _weigh(order: _Order) -> Iterator[None]:
    clock, pace = Clock(), _Pace()
    with order.opened() as recording:
        for packet in recording.packets():
            recording.weigh(packet, clock)
            if pace.due():
                order.check(clock.seconds - ROUGH_S)
                yield None
                pace.begin()
    order.check(clock.seconds - ROUGH_S)


def _count(order: _Order) -> Generator[None, None, DecodeDone]:
    """Decode without keeping anything, and give what the upload turned out to be."""
    clock, first, pace = Clock(), None, _Pace()
    with order.opened() as recording:
        for frame in recording.frames():
            if frame is None:
                if pace.due():
                    order.check(clock.seconds)
                    yield None
                    pace.begin()
                continue
            first = first or (frame.sample_rate, frame.layout.nb_channels)
            clock.add(frame.samples, frame.sample_rate)
            if not is_finite(frame):
                raise refused("The audio holds samples that are no numbers (NaN or infinity).")
        seconds = clock.seconds
        order.check(seconds)
        _check_whole(recording, seconds)
    if first is None or seconds < MIN_S:
        raise refused(f"Audio file is too short. Minimum audio length is {MIN_S} seconds.", "audio_too_short")
    return DecodeDone(round(seconds, 6), recording.container, recording.codec, *first, round(recording.damage, 4))


def _check_whole(recording: Recording, seconds: float) -> None:
    """Refuse what has been counted where too much of it is damaged, or its end is missing."""
    if recording.passed_over and not seconds:
        raise refused("Nothing of the file's audio can be decoded.")
    if recording.damage > DAMAGE:
        raise refused(f"The file is damaged: {100 * recording.damage:.0f} % of its audio cannot be decoded.")
    promised_s = recording.promised_s(seconds)
    if promised_s - seconds > _TOLERANCE_S:
        raise refused(f"The file was cut off: of {promised_s:.2f} s of audio it holds {seconds:.2f} s.")


def _sound(order: _Order) -> Iterator[AudioChunk | None]:
    converter, pace = Converter(order.sample_rate), _Pace()
    frames: list[AudioFrame] = []
    seconds = 0.0
    with order.opened() as recording:
        for frame in recording.frames():
            if frame is not None:
                frames.append(frame)
                seconds += frame.samples / frame.sample_rate
                continue
            if seconds >= CHUNK_S or pace.due():
                yield _chunk(converter.push(frames))
                frames, seconds = [], 0.0
                pace.begin()
        yield _chunk(np.concatenate([converter.push(frames), converter.finish()]))


def _chunk(pcm: NDArray[np.int16]) -> AudioChunk | None:
    return AudioChunk(pcm) if len(pcm) else None
