"""Names and bounds of what may be decoded."""

from __future__ import annotations

import av
import numpy as np
import pytest

from tests.decoder.kit import decoded, refusal
from tests.support.recordings import tone
from voicegw.backend import DecodeDone, InvalidRequest
from voicegw.decoder.formats import CODECS, CONTAINERS, RawFormat, check_sound, unknown_format

SOUND = (20_000 * tone(1.0, 16_000)[0]).astype(np.int16)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("pcm_s16le/16000", RawFormat("s16le", 16_000, 1)),
        ("pcm_s16le/44100/2", RawFormat("s16le", 44_100, 2)),
        ("mulaw/8000", RawFormat("mulaw", 8_000, 1)),
        ("alaw/8000/1", RawFormat("alaw", 8_000, 1)),
    ],
)
def test_a_raw_format(text: str, made: RawFormat) -> None:
    assert RawFormat.parse(text) == made


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "pcm",
            "wav",
            "s16le/16000",
            "pcm_s16le",
            "pcm_s16le/",
            "pcm_s16le/16k",
            "pcm_s16le/16000/",
            "concat/8000",
        ),
        *(
            "mulaw/8000/0",
            "mulaw/8000/17",
            "mulaw/3999",
            "mulaw/400000",
            "mulaw/8000,alaw",
            "mulaw/8000\n",
            "mulaw/٨٠٠٠",
        ),
    ],
)
def test_what_is_no_raw_format(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RawFormat.parse(text)
    assert caught.value.param == "raw_format"


def test_raw_samples_are_what_they_are_said_to_be() -> None:
    pcm, done = decoded(SOUND.tobytes(), raw="pcm_s16le/16000")
    assert pcm.tolist() == SOUND.tolist()
    assert done == DecodeDone(1.0, "raw", "pcm_s16le", 16_000, 1)
    pcm, done = decoded(SOUND.tobytes(), raw="pcm_s16le/8000/2", rate=8_000)
    assert pcm.tolist() == np.rint(SOUND.reshape(-1, 2).astype(float).mean(axis=1)).tolist()
    assert done == DecodeDone(1.0, "raw", "pcm_s16le", 8_000, 2)


@pytest.mark.parametrize(("name", "silence"), [("mulaw", 0xFF), ("alaw", 0xD5)])
def test_telephones_samples(name: str, silence: int) -> None:
    pcm, done = decoded(bytes([silence]) * 8_000 + bytes(range(256)) * 4, raw=f"{name}/8000", rate=8_000)
    assert np.abs(pcm[:8_000]).max() <= 8
    assert len(set(pcm[8_000:].tolist())) >= 255  # of the 256 two may be zero
    assert (done.codec, done.duration_s) == (f"pcm_{name}", 1.128)


def test_raw_samples_are_not_looked_into() -> None:
    data = b"ffconcat version 1.0\nfile sound.wav\n" * 200
    assert decoded(data, raw="mulaw/8000")[1].container == "raw"
    assert refusal(data).code == "invalid_file_format"
    cut_off = b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\xff" + bytes(8_000)
    assert decoded(cut_off, raw="mulaw/8000")[1].container == "raw"
    assert "header" in refusal(cut_off).message


@pytest.mark.parametrize("rate", [0, -1, 3_999, 384_001])
def test_no_rate_out_of_bounds_can_be_asked_for(rate: int) -> None:
    assert refusal(SOUND.tobytes(), rate=rate, raw="pcm_s16le/16000").param == "sample_rate"


@pytest.mark.parametrize(("rate", "channels"), [(3_999, 1), (384_001, 1), (16_000, 0), (16_000, 17)])
def test_what_no_recording_has(rate: int, channels: int) -> None:
    check_sound(min(max(rate, 4_000), 384_000), min(max(channels, 1), 16))
    with pytest.raises(InvalidRequest):
        check_sound(rate, channels)


def test_only_what_opens_nothing_else_is_allowed() -> None:
    formats = {name for each in av.formats_available for name in each.split(",")}
    assert set(CONTAINERS) <= formats
    assert not set(CONTAINERS) & {
        "concat",
        "hls",
        "dash",
        "sdp",
        "rtsp",
        "imf",
        "mpegts",
        "avi",
        "image2",
        "lavfi",
        "asf",
    }


def test_only_decoders_of_audio_are_allowed() -> None:
    known = [name for name in CODECS if name in av.codecs_available]
    assert len(known) >= len(CODECS) - 6  # builds of FFmpeg differ in what else they link
    assert {av.Codec(name, "r").type for name in known} == {"audio"}


def test_the_words_for_an_unknown_format() -> None:
    assert unknown_format(b"GIF89a").code == "invalid_file_format"
    assert unknown_format(b"OggS\0").code == "audio_undecodable"
