"""What applications rely on in the audio they get."""

from __future__ import annotations

from tests.audio.sounds import decode
from voicegw.audio.format import by_name

_BITRATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATE = 24_000


def seconds(name: str, data: bytes) -> float:
    """Decode a whole file of a format and give how long it lasts; it must not be silence."""
    target = by_name(name)
    assert target is not None
    audio = decode(target, data)
    assert abs(audio).max() > 1000
    return len(audio) / _RATE


def mp3_frames(data: bytes) -> int:
    """Count the MPEG-2 frames that the data consists of, to the last byte.

    AssertionError where anything else is in it: a tag, or a frame that says how long the file is.
    """
    at = count = 0
    while at < len(data):
        header = data[at : at + 4]
        assert header[0] == 0xFF, f"no frame at byte {at}"
        assert header[1] & 0xFE == 0xF2, "layer III of MPEG-2"
        assert header[2] >> 2 & 3 == 1, "24 kHz"
        length = 72 * 1000 * _BITRATES[header[2] >> 4] // _RATE + (header[2] >> 1 & 1)
        frame = data[at : at + length]
        assert len(frame) == length, "the last frame is whole"
        assert not {b"Xing", b"Info", b"VBRI"} & {frame[start : start + 4] for start in (13, 21, 36)}
        at, count = at + length, count + 1
    return count
