"""Every kind of file comes out as what was put into it: length, pitch, level, and what it says it was."""

from __future__ import annotations

import numpy as np
import pytest

from tests.decoder.kit import decoded, level, pitch_hz
from tests.support.recordings import FORMATS, HZ, PEAK, Track, encoded, tone
from voicegw.backend import DecodeDone
from voicegw.decoder.formats import FORMATS as NAMES


@pytest.mark.parametrize("name", FORMATS)
def test_a_kind_of_file(name: str) -> None:
    kind = FORMATS[name]
    pcm, done = decoded(kind.make(1.5))
    assert (done.container, done.codec) == (kind.container, kind.codec)
    assert (done.source_rate, done.source_channels) == (kind.rate, kind.channels)
    assert done.damaged == 0
    assert done.duration_s == pytest.approx(1.5, abs=0.11)  # the lossy ones round up to whole frames
    assert len(pcm) == pytest.approx(done.duration_s * 16_000, abs=1)
    middle = pcm[4_000:20_000]
    assert pitch_hz(middle) == pytest.approx(HZ, abs=1)
    assert level(middle) == pytest.approx(PEAK, rel=0.2 if name == "amr" else 0.05)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_a_kind_of_file_is_not_taken_for_longer_than_it_is(name: str, seconds: float) -> None:
    """The last packet of an Ogg Vorbis once said that it held a day."""
    data = FORMATS[name].make(seconds)
    _, done = decoded(data)
    assert decoded(data, max_s=done.duration_s + 0.001)[1] == done


def test_every_name_that_is_promised_is_tried() -> None:
    tried = {word for name in FORMATS for word in name.replace(",", " ").split()}
    assert set(NAMES) - {"oga"} <= tried  # an .oga is an .ogg


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_any_rate_can_be_asked_for(rate: int) -> None:
    pcm, done = decoded(FORMATS["flac"].make(1.5), rate=rate)
    assert done.source_rate == 44_100
    assert len(pcm) == round(1.5 * rate)
    assert pitch_hz(pcm, rate) == pytest.approx(HZ, abs=1)


@pytest.mark.parametrize("rate", [8_000, 12_000, 32_000, 96_000, 192_000])
def test_any_rate_is_taken(rate: int) -> None:
    pcm, done = decoded(encoded("wav", Track(tone(1.0, rate), rate, "pcm_s16le")))
    assert done == DecodeDone(1.0, "wav", "pcm_s16le", rate, 1)
    assert len(pcm) == 16_000
    assert pitch_hz(pcm) == pytest.approx(HZ, abs=1)


TAGS = {"title": "Grüße, 世界 \U0001f600", "comment": "x" * 3000, "artist": 'a"b\\c'}


@pytest.mark.parametrize(
    ("muxer", "codec"), [("mp3", "libmp3lame"), ("ipod", "aac"), ("flac", "flac"), ("ogg", "flac")]
)
def test_tags_do_not_matter(muxer: str, codec: str) -> None:
    plain = decoded(encoded(muxer, Track(tone(1.0, 48_000), 48_000, codec)))
    tagged = decoded(encoded(muxer, Track(tone(1.0, 48_000), 48_000, codec), metadata=TAGS))
    assert tagged[1] == plain[1]
    assert tagged[0].tolist() == plain[0].tolist()


def test_tags_that_are_no_text_do_not_matter() -> None:
    data = encoded("mp3", Track(tone(1.0, 48_000), 48_000, "libmp3lame"), options={"id3v2_version": "0"})
    broken = b"\xff\xfe\x00\xd8\x80\x81"
    frame = b"TIT2" + (1 + len(broken)).to_bytes(4, "big") + b"\0\0" + b"\0" + broken
    tagged = b"ID3\x03\0\0" + len(frame).to_bytes(4, "big") + frame + data
    assert decoded(tagged)[0].tolist() == decoded(data)[0].tolist()


@pytest.mark.parametrize(("muxer", "codec", "picture"), [("mp3", "libmp3lame", "png"), ("mp4", "aac", "mjpeg")])
def test_a_cover_does_not_matter(muxer: str, codec: str, picture: str) -> None:
    plain = decoded(encoded(muxer, Track(tone(1.0, 48_000), 48_000, codec)))
    covered = decoded(encoded(muxer, Track(tone(1.0, 48_000), 48_000, codec), picture=picture))
    assert covered[1] == plain[1]
    assert covered[0].tolist() == plain[0].tolist()


@pytest.mark.parametrize(
    ("muxer", "film", "codec"),
    [
        ("mp4", "libx264", "aac"),
        ("webm", "libvpx-vp9", "libopus"),
        ("matroska", "mpeg4", "flac"),
        ("mpeg", "mpeg1video", "mp2"),
    ],
)
def test_a_film_is_listened_to(muxer: str, film: str, codec: str) -> None:
    pcm, done = decoded(encoded(muxer, Track(tone(1.5, 48_000, 2), 48_000, codec), video=film))
    assert done.duration_s == pytest.approx(1.5, abs=0.1)
    assert done.source_channels == 2
    assert pitch_hz(pcm[4_000:20_000]) == pytest.approx(HZ, abs=1)


def test_of_several_languages_the_first_is_heard() -> None:
    tracks = [Track(tone(1.0, 48_000, hz=hz), 48_000, "aac") for hz in (330.0, 990.0)]
    assert pitch_hz(decoded(encoded("mp4", *tracks))[0]) == pytest.approx(330, abs=1)


def test_of_several_streams_the_first_that_can_be_decoded_is_heard() -> None:
    tracks = [Track(tone(1.0, 48_000, hz=330.0), 48_000, "wavpack"), Track(tone(1.0, 48_000, hz=990.0), 48_000, "flac")]
    pcm, done = decoded(encoded("matroska", *tracks))
    assert done.codec == "flac"
    assert pitch_hz(pcm) == pytest.approx(990, abs=1)


def test_a_stream_whose_rate_changes_is_heard_at_one() -> None:
    """Two radio programmes after each other: Ogg streams may be chained."""
    first, second = (
        encoded("ogg", Track(tone(1.0, rate, hz=hz), rate, "flac")) for rate, hz in ((48_000, 330.0), (24_000, 990.0))
    )
    pcm, done = decoded(first + second)
    assert done.duration_s == 2.0
    assert len(pcm) == 32_000
    assert pitch_hz(pcm[:16_000]) == pytest.approx(330, abs=1)
    assert pitch_hz(pcm[16_000:]) == pytest.approx(990, abs=1)


def test_the_first_and_the_last_sample_are_where_they_were() -> None:
    """What an encoder adds in front is taken away where the file says how much it is."""
    sound = np.zeros((1, 48_000), np.float32)
    sound[0, 4_800:43_200] = tone(0.8, 48_000)
    for muxer, codec in (("mp3", "libmp3lame"), ("ipod", "aac"), ("ogg", "libopus"), ("flac", "flac")):
        pcm, _ = decoded(encoded(muxer, Track(sound, 48_000, codec)))
        loud = np.flatnonzero(np.abs(pcm.astype(int)) > 3_000)
        assert loud[0] == pytest.approx(1_600, abs=40), muxer
        assert loud[-1] == pytest.approx(14_400, abs=40), muxer
