"""What is broken is refused, and why; what a player plays is taken, and what of it is missing is told."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.decoder.kit import decoded, refusal
from tests.support.recordings import FORMATS, Track, chunk, encoded, tone, wav

SOUND = (20_000 * tone(2.0, 16_000)[0]).astype(np.int16)
WAV = wav(SOUND, 16_000)


def test_nothing() -> None:
    error = refusal(b"")
    assert (error.code, error.param, error.message) == ("audio_too_short", "file", "The file is empty.")


@pytest.mark.parametrize("samples", [0, 1, 1_599])
def test_less_than_the_shortest_audio(samples: int) -> None:
    error = refusal(wav(SOUND[:samples], 16_000))
    assert error.code == "audio_too_short"
    assert error.message == "Audio file is too short. Minimum audio length is 0.1 seconds."


def test_the_shortest_audio() -> None:
    assert decoded(wav(SOUND[:1_600], 16_000))[1].duration_s == 0.1


def test_more_audio_than_is_taken() -> None:
    for name in ("wav", "flac", "mp3", "ogg, opus", "aac", "amr", "webm", "m4a"):
        error = refusal(FORMATS[name].make(2.5), max_s=2.0)
        assert (error.code, error.param) == ("audio_too_long", "file")
        assert error.message == "The file holds more than the 2 s of audio that are taken."


def test_exactly_as_much_audio_as_is_taken() -> None:
    assert decoded(WAV, max_s=2.0)[1].duration_s == 2.0


@pytest.mark.parametrize(
    "name", ["wav", "wav, float", "wav, mulaw", "wav, adpcm", "flac", "aiff", "mp4, index first", "mp4, ac3", "mov"]
)
def test_what_promises_more_than_it_has_was_cut_off(name: str) -> None:
    whole = FORMATS[name].make(2.0)
    error = refusal(whole[: len(whole) // 2])
    assert error.code == "audio_undecodable"
    assert "cut off" in error.message


def test_a_file_that_was_cut_off_says_where() -> None:
    error = refusal(WAV[:32_044])
    assert error.message == "The file was cut off: of 2.00 s of audio it holds 1.00 s."


@pytest.mark.parametrize("name", ["m4a", "m4a, alac"])
def test_an_mp4_without_the_end_of_its_index_was_cut_off(name: str) -> None:
    error = refusal(FORMATS[name].make(2.0)[:-400])
    assert "cut off" in error.message


@pytest.mark.parametrize("missing", [1, 100, 2_000])
def test_a_little_less_than_promised_is_taken(missing: int) -> None:
    assert decoded(WAV[:-missing])[1].duration_s == pytest.approx(2.0 - missing / 32_000, abs=0.001)


@pytest.mark.parametrize(
    "name",
    [
        *("mp3", "mp3 without a header", "mpga", "mpeg", "aac", "amr", "ogg, opus", "ogg, vorbis", "ogg, flac"),
        *("webm", "webm, live", "mkv", "mp4, fragmented", "caf"),
    ],
)
def test_a_stream_has_as_much_as_has_come(name: str) -> None:
    whole = FORMATS[name].make(4.0)
    pcm, done = decoded(whole[: len(whole) // 2])
    assert 0.9 < done.duration_s < 2.6
    assert len(pcm) == pytest.approx(16_000 * done.duration_s, abs=1)


@pytest.mark.parametrize("size", [0, 0x7FFFF000 - 36, 0x7FFFFFFF, 0x80000000, 0xFFFFFF00, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_does_not_know_its_length(size: int) -> None:
    pcm, done = decoded(wav(SOUND, 16_000, size=size))
    assert done.duration_s == 2.0
    assert pcm.tolist() == SOUND.tolist()


def test_a_wav_of_4_gb_without_audio() -> None:
    assert refusal(wav(SOUND[:0], 16_000, size=0xFFFFFFFF)).code in ("audio_too_short", "audio_undecodable")


@pytest.mark.parametrize("name", [b"fmt ", b"LIST", b"bext", b"junk"])
def test_a_wav_whose_header_is_4_gb_long(name: bytes) -> None:
    head = struct.pack("<4sI", name, 0xFFFFFFF0) + b"INFOISFT"
    data = WAV[:12] + head + WAV[12:] if name == b"fmt " else wav(SOUND, 16_000, before=head)
    for broken in (data, WAV + head) if name == b"LIST" else (data,):
        assert refusal(broken).message == "The file is damaged or cut off: its header is longer than all of it."


def test_what_follows_the_samples_may_look_like_a_chunk_that_is_too_long() -> None:
    assert decoded(WAV + b"junk\xff\xff\xff\xff")[0].tolist() == SOUND.tolist()


def test_chunks_before_and_after_the_audio_are_passed_over() -> None:
    tags = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a name")) + chunk(b"bext", bytes(602))
    for data in (
        wav(SOUND, 16_000, before=tags),
        WAV + tags,
        wav(SOUND, 16_000, before=chunk(b"junk", b"abc") + b"\0"),
    ):
        assert decoded(data)[0].tolist() == SOUND.tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_what_follows_the_audio_does_not_matter(name: str) -> None:
    whole = FORMATS[name].make(1.0)
    tail = (
        b"\xff" * 6_000 if name == "amr" else b"TAG" + b"nothing that sounds " * 300
    )  # most letters begin an AMR frame
    before, after = decoded(whole), decoded(whole + tail)
    assert after[1].duration_s == pytest.approx(before[1].duration_s, abs=0.06)
    assert after[1].damaged == 0


@pytest.mark.parametrize("name", ["mp3", "m4a", "mpga", "mp4, ac3", "aac"])
def test_a_scratch_is_passed_over_and_told(name: str) -> None:
    whole = FORMATS[name].make(3.0)
    at = len(whole) // 2
    _, done = decoded(whole[:at] + bytes(600) + whole[at + 600 :])
    assert 0 < done.damaged < 0.1
    assert 2.5 < done.duration_s < 3.1


@pytest.mark.parametrize("name", ["m4a", "mp4, ac3"])
def test_what_is_mostly_scratched_is_refused(name: str) -> None:
    whole = bytearray(FORMATS[name].make(3.0))
    for at in range(2_000, 48_000, 3_000):
        whole[at : at + 1_500] = bytes(1_500)
    error = refusal(bytes(whole))
    assert error.code == "audio_undecodable"
    assert "damaged" in error.message


def test_what_holds_nothing_but_scratches_is_refused() -> None:
    whole = bytearray(FORMATS["mp4, index first"].make(3.0))
    at = whole.index(b"mdat") + 4
    whole[at:] = b"\xff" * (len(whole) - at)
    assert refusal(bytes(whole)).message == "Nothing of the file's audio can be decoded."


def test_an_endless_row_of_scratches_ends() -> None:
    """Every byte of garbage is a packet of its own in AMR; a megabyte would take a minute."""
    whole = FORMATS["amr"].make(1.0)
    assert decoded(whole + b"\xff" * 50_000, max_s=1e6)[1].duration_s == decoded(whole)[1].duration_s


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("at", [0, 50_000, 95_999])
def test_samples_that_are_no_numbers(value: float, dtype: type[np.floating], at: int) -> None:
    samples = np.zeros((48_000, 2), dtype)
    samples.ravel()[at] = value
    error = refusal(wav(samples, 48_000))
    assert error.code == "audio_undecodable"
    assert "NaN" in error.message


@pytest.mark.parametrize(
    "begin", [b"RIFF\x24\0\0\0WAVE", b"ID3\x03", b"fLaC", b"OggS", b"\0\0\0\x20ftypM4A ", b"\x1a\x45\xdf\xa3"]
)
def test_what_only_begins_like_audio_is_called_damaged(begin: bytes) -> None:
    error = refusal(begin + bytes(200))
    assert error.code == "audio_undecodable"
    assert "damaged or cut off" in error.message or "no audio" in error.message


def test_an_mp4_that_was_cut_off_before_its_index() -> None:
    whole = FORMATS["m4a"].make(2.0)
    assert "begins as mp4 does" in refusal(whole[: len(whole) // 2]).message


def test_a_film_without_sound() -> None:
    whole = encoded("mp4", Track(tone(1.0, 48_000), 48_000, "aac"), video="libx264")
    silent = whole.replace(b"soun", b"hint").replace(b"mp4a", b"xxxx")
    assert refusal(silent).message == "The file holds no audio."


def test_audio_of_a_kind_that_is_not_decoded() -> None:
    error = refusal(encoded("matroska", Track(tone(1.0, 48_000), 48_000, "wavpack")))
    assert error.message == "The file's audio is of a kind that is not decoded here (wavpack)."
