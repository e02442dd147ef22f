"""The table of output formats."""

from __future__ import annotations

import pytest

from voicegw.audio.format import DEFAULT, FORMATS, by_name, by_suffix


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
