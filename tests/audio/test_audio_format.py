"""The table of output formats."""

from __future__ import annotations

import pytest

from voicegw.audio.format import AAC, DEFAULT, FLAC, FORMATS, MP3, OPUS, PCM, WAV, AudioFormat, by_name, by_suffix
from voicegw.errors import InvalidRequest


@pytest.mark.parametrize(
    ("name", "content_type", "bit_rate"),
    [
        ("mp3", "audio/mpeg", 64_000),
        ("opus", "audio/opus", 32_000),
        ("aac", "audio/aac", 64_000),
        ("flac", "audio/flac", 384_000),
        ("wav", "audio/wav", 384_000),
        ("pcm", "audio/pcm", 384_000),
    ],
)
def test_each_format_has_its_content_type_and_rate(name: str, content_type: str, bit_rate: int) -> None:
    found = by_name(name)
    assert found is not None
    assert (found.name, found.content_type, found.bit_rate) == (name, content_type, bit_rate)
    assert by_suffix(found.suffixes[0]) is found


def test_mp3_is_the_default_and_comes_first() -> None:
    assert by_name("mp3") is DEFAULT is FORMATS[0]
    assert len(FORMATS) == 6


@pytest.mark.parametrize("suffix", [".ogg", ".OPUS", ".Oga"])
def test_a_suffix_is_found_in_any_case(suffix: str) -> None:
    assert by_suffix(suffix) is by_name("opus")


@pytest.mark.parametrize("name", ["", "MP3", " mp3", "vorbis"])
def test_an_unknown_name_gives_nothing(name: str) -> None:
    assert by_name(name) is None


@pytest.mark.parametrize("suffix", ["", "mp3", ".txt"])
def test_an_unknown_suffix_gives_nothing(suffix: str) -> None:
    assert by_suffix(suffix) is None


def test_no_suffix_means_two_formats() -> None:
    suffixes = [suffix for entry in FORMATS for suffix in entry.suffixes]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.parametrize("target", FORMATS, ids=lambda entry: entry.name)
@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
def test_usual_rates_work_everywhere(target: AudioFormat, rate: int) -> None:
    target.check_rate(rate)


@pytest.mark.parametrize(
    ("target", "rate"), [(WAV, 8_001), (PCM, 47_999), (FLAC, 22_050), (MP3, 44_100), (AAC, 11_025)]
)
def test_a_rate_that_a_format_carries_is_taken(target: AudioFormat, rate: int) -> None:
    target.check_rate(rate)


@pytest.mark.parametrize(
    ("target", "rate", "possible"),
    [
        (OPUS, 22_050, "one of 8000, 12000, 16000, 24000, 48000 for 'opus'"),
        (OPUS, 44_100, "one of 8000"),
        (MP3, 23_000, "one of 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000 for 'mp3'"),
        (AAC, 7_350, "one of 8000"),
        (PCM, 7_999, "from 8000 to 48000 for 'pcm'"),
        (FLAC, 96_000, "from 8000 to 48000"),
        (WAV, 0, "from 8000 to 48000"),
    ],
)
def test_a_rate_that_a_format_cannot_carry_is_refused_with_those_it_can(
    target: AudioFormat, rate: int, possible: str
) -> None:
    with pytest.raises(InvalidRequest, match=possible) as caught:
        target.check_rate(rate)
    assert caught.value.param == "sample_rate"


def test_raw_samples_say_an_unusual_rate_in_their_content_type() -> None:
    assert PCM.content_type_at(24_000) == "audio/pcm"
    assert PCM.content_type_at(16_000) == "audio/pcm;rate=16000"
    assert [entry.content_type_at(16_000) for entry in (MP3, WAV)] == ["audio/mpeg", "audio/wav"]
