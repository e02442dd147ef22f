"""The whole way from segments to bytes."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from tests.audio.sounds import Pcm, cut, decode, largest_step, speechlike
from voicegw.audio.format import FORMATS, MP3, OPUS, PCM, WAV, AudioFormat
from voicegw.audio.pipeline import AudioPipeline

EVERY_FORMAT = pytest.mark.parametrize("target", FORMATS, ids=lambda entry: entry.name)


def spoken(rate: int, target: AudioFormat, segments: list[Pcm], sizes: int | tuple[int, ...] | None = None) -> bytes:
    pipeline = AudioPipeline(rate, target)
    data = b""
    for segment in segments:
        data += b"".join(pipeline.push(piece) for piece in (cut(segment, sizes) if sizes else [segment]))
        pipeline.seam()
    return data + pipeline.finish()


@EVERY_FORMAT
@pytest.mark.parametrize("rate", [22_050, 24_000])
@pytest.mark.parametrize("sizes", [100, (2_400, 0, 1, 999)])
def test_how_the_audio_is_cut_changes_no_byte(target: AudioFormat, rate: int, sizes: int | tuple[int, ...]) -> None:
    segments = [speechlike(7_000, rate), speechlike(50, rate, seed=5), -speechlike(4_001, rate, seed=2)]
    assert spoken(rate, target, segments, sizes) == spoken(rate, target, segments)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_samples_are_counted_on_both_sides(rate: int) -> None:
    pipeline = AudioPipeline(rate, PCM)
    data = pipeline.push(speechlike(rate // 3, rate)) + pipeline.finish()
    assert pipeline.samples_in == rate // 3
    assert pipeline.samples_out == len(data) // 2
    assert abs(pipeline.samples_out - 8_000) <= 1


def test_segments_are_joined_without_a_larger_step() -> None:
    high, low = np.full(3_000, 29_000, np.int16), np.full(3_000, -29_000, np.int16)
    segments = [speechlike(3_000), high, low, speechlike(3_000)]
    audio = decode(PCM, spoken(24_000, PCM, segments))
    assert len(audio) == 12_000
    inside = max(largest_step(segment) for segment in segments)
    assert max(abs(int(audio[at]) - int(audio[at - 1])) for at in (3_000, 6_000, 9_000)) <= inside


def test_a_stream_goes_on_after_it_settled() -> None:
    first, second = speechlike(5_000, 22_050), speechlike(3_000, 22_050, seed=1)
    pipeline = AudioPipeline(22_050, PCM)
    heard = pipeline.push(first) + pipeline.settle()
    assert heard == spoken(22_050, PCM, [first])  # nothing that was spoken is held back
    assert pipeline.settle() == b""
    more = pipeline.push(second) + pipeline.finish()
    assert len(more) // 2 == round(3_000 * 24_000 / 22_050)


def test_settling_gives_an_encoded_stream_that_decodes_whole() -> None:
    pipeline = AudioPipeline(22_050, OPUS)
    data = pipeline.push(speechlike(4_410, 22_050)) + pipeline.settle()
    data += pipeline.push(speechlike(4_410, 22_050)) + pipeline.finish()
    assert len(decode(OPUS, data)) == pipeline.samples_out == 9_600


def test_a_known_length_is_announced_at_24_khz() -> None:
    pcm = speechlike(4_411, 22_050)
    pipeline = AudioPipeline(22_050, WAV, total_samples=len(pcm))
    data = pipeline.push(pcm) + pipeline.finish()
    with wave.open(io.BytesIO(data)) as reader:
        assert reader.getnframes() == pipeline.samples_out == (len(data) - 44) // 2


def test_the_first_push_gives_the_header_even_where_the_resampler_has_nothing_yet() -> None:
    pipeline = AudioPipeline(16_000, WAV)
    assert len(pipeline.push(speechlike(10, 16_000))) == 44
    pipeline.close()


@pytest.mark.parametrize("end", ["finish", "close"])
def test_nothing_is_taken_after_the_end(end: str) -> None:
    pipeline = AudioPipeline(24_000, MP3)
    pipeline.push(speechlike(1_000))
    getattr(pipeline, end)()
    with pytest.raises(ValueError, match="ended"):
        pipeline.push(speechlike(1_000))
    pipeline.close()
    pipeline.close()


def test_only_what_is_not_compressed_is_trivial() -> None:
    assert [target.name for target in FORMATS if AudioPipeline(22_050, target).trivial] == ["wav", "pcm"]


@pytest.mark.parametrize(("rate", "samples"), [(24_000, 2_400), (22_050, 2_205), (5, 1)])
def test_a_slice_is_100_ms(rate: int, samples: int) -> None:
    assert AudioPipeline(rate, PCM).slice_samples == samples
