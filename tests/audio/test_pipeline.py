"""The whole way from segments to bytes."""

from __future__ import annotations

import io
import wave

import av
import numpy as np
import pytest

from tests.audio.sounds import Pcm, bursts, cut, decode, largest_step, onset_s, speechlike
from voicegw.audio.format import AAC, FLAC, FORMATS, MP3, OPUS, PCM, WAV, AudioFormat
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


@EVERY_FORMAT
@pytest.mark.parametrize(("speed", "sample_rate"), [(1.0, 24_000), (1.0, 48_000), (1.6, 24_000), (0.7, 16_000)])
def test_all_that_was_spoken_decodes_once_it_settled(target: AudioFormat, speed: float, sample_rate: int) -> None:
    pcm = speechlike(7_777)
    pipeline = AudioPipeline(24_000, target, speed=speed, sample_rate=sample_rate)
    given = pipeline.push(pcm) + pipeline.settle()
    whole = AudioPipeline(24_000, PCM, speed=speed, sample_rate=sample_rate)
    wanted = np.frombuffer(whole.push(pcm) + whole.finish(), np.int16)
    heard = decode(target, given, sample_rate)[target.delay :]
    assert len(heard) >= len(wanted)
    assert np.corrcoef(wanted, heard[: len(wanted)])[0, 1] > 0.98
    assert np.corrcoef(wanted[-500:], heard[len(wanted) - 500 : len(wanted)])[0, 1] > 0.95
    assert pipeline.samples_out - len(wanted) <= 0.18 * sample_rate


@EVERY_FORMAT
def test_a_settled_stream_goes_on_and_settles_once(target: AudioFormat) -> None:
    first, second = speechlike(4_410, 22_050), speechlike(4_410, 22_050, seed=1)
    pipeline = AudioPipeline(22_050, target)
    data = pipeline.push(first) + pipeline.settle()
    settled = pipeline.samples_out
    assert pipeline.settle() == b""
    assert pipeline.samples_out == settled
    data += pipeline.push(second) + pipeline.settle()
    more = pipeline.samples_out
    assert more - settled >= 4_800
    heard = decode(target, data + pipeline.finish())
    assert len(heard) >= pipeline.samples_out == more
    alone = decode(PCM, spoken(22_050, PCM, [second]))
    begins = target.delay + round(24_000 * pipeline.to_output_s(4_410))
    assert np.corrcoef(alone, heard[begins : begins + len(alone)])[0, 1] > 0.98


def test_no_step_leads_into_the_silence_and_none_out_of_it() -> None:
    loud = np.full(3_000, 29_000, np.int16)
    pipeline = AudioPipeline(24_000, FLAC)
    data = pipeline.push(loud) + pipeline.settle() + pipeline.push(loud) + pipeline.finish()
    audio = decode(FLAC, data)
    assert len(audio) > 6_000
    assert not audio[3_130:3_140].any()
    assert largest_step(audio[1:]) <= 29_000 / 120 + 1


def test_settling_a_stream_without_audio_gives_its_header() -> None:
    pipeline = AudioPipeline(24_000, WAV)
    assert len(pipeline.settle()) == 44
    assert pipeline.settle() == pipeline.finish() == b""


@EVERY_FORMAT
@pytest.mark.parametrize("speed", [0.4, 1.3, 3.0])
def test_how_stretched_audio_is_cut_changes_no_byte(target: AudioFormat, speed: float) -> None:
    def bytes_of(sizes: int | tuple[int, ...]) -> bytes:
        pipeline = AudioPipeline(22_050, target, speed=speed, gain=0.5)
        return b"".join(pipeline.push(piece) for piece in cut(speechlike(11_111, 22_050), sizes)) + pipeline.finish()

    assert bytes_of(700) == bytes_of((2_205, 0, 1, 999)) == bytes_of(11_111)


def test_normal_speed_and_gain_touch_nothing() -> None:
    pcm = speechlike(5_000)
    pipeline = AudioPipeline(24_000, PCM, speed=1.0, gain=1.0)
    assert pipeline.push(pcm) + pipeline.finish() == pcm.tobytes()


def test_gain_makes_it_louder() -> None:
    pcm = speechlike(1_000) // 4
    pipeline = AudioPipeline(24_000, PCM, gain=2.0)
    assert pipeline.push(pcm) + pipeline.finish() == (2 * pcm).tobytes()


@EVERY_FORMAT
@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 48_000])
def test_the_listener_gets_the_rate_asked_for(target: AudioFormat, sample_rate: int) -> None:
    pcm = speechlike(12_000)
    pipeline = AudioPipeline(24_000, target, sample_rate=sample_rate)
    data = pipeline.push(pcm) + pipeline.finish()
    if target is not PCM:
        with av.open(io.BytesIO(data)) as container:
            rate = container.streams.audio[0].rate
        assert rate == (48_000 if target is OPUS else sample_rate)
    assert pipeline.samples_out == sample_rate // 2
    assert len(decode(target, data, sample_rate)) >= sample_rate // 2


def test_a_wav_of_known_length_at_another_rate_is_true_and_a_stretched_one_is_of_unknown_length() -> None:
    pcm = speechlike(4_411, 22_050)
    pipeline = AudioPipeline(22_050, WAV, total_samples=4_411, sample_rate=16_000)
    with wave.open(io.BytesIO(pipeline.push(pcm) + pipeline.finish())) as reader:
        assert reader.getparams()[:4] == (1, 2, 16_000, pipeline.samples_out)
    stretched = AudioPipeline(22_050, WAV, total_samples=4_411, speed=2.0)
    data = stretched.push(pcm) + stretched.finish()
    assert data[40:44] == b"\xff" * 4


@pytest.mark.parametrize(("rate", "sample_rate"), [(22_050, 24_000), (24_000, 24_000), (24_000, 8_000)])
def test_places_are_told_exactly_through_resampling_and_settling(rate: int, sample_rate: int) -> None:
    pipeline = AudioPipeline(rate, FLAC, sample_rate=sample_rate)
    blip, data, starts = np.zeros(rate // 3, np.int16), b"", []
    blip[rate // 10 : rate // 10 + rate // 50] = 20_000
    for _ in range(4):
        starts.append(pipeline.samples_in + rate // 10)
        data += pipeline.push(blip) + pipeline.settle()
    data += pipeline.finish()
    loud = decode(FLAC, data, sample_rate) > 10_000
    heard = np.flatnonzero(loud[1:] & ~loud[:-1]) + 1
    assert len(heard) == 4
    assert [pipeline.to_output_s(start) * sample_rate for start in starts] == pytest.approx(heard, abs=1.5)


def test_an_end_is_told_before_the_silence_and_a_start_after_it() -> None:
    pipeline = AudioPipeline(24_000, AAC)
    pipeline.push(speechlike(12_000))
    pipeline.settle()
    assert pipeline.to_output_s(12_000, end=True) == pytest.approx(0.5)
    assert pipeline.to_output_s(12_000) * 24_000 == pytest.approx(pipeline.samples_out, abs=120)
    assert pipeline.to_output_s(12_000) > 0.54
    assert pipeline.to_output_s(0, end=True) == 0
    pipeline.close()


@pytest.mark.parametrize("speed", [0.5, 0.75, 1.2, 2.0, 4.0])
def test_a_word_is_heard_where_the_clock_says(speed: float) -> None:
    pcm, starts = bursts()
    pipeline = AudioPipeline(24_000, PCM, speed=speed)
    data = pipeline.push(pcm[:60_000]) + pipeline.settle() + pipeline.push(pcm[60_000:]) + pipeline.finish()
    audio = np.frombuffer(data, np.int16)
    told = [pipeline.to_output_s(start) for start in starts]
    assert all(abs(onset_s(audio, place) - place) <= 0.02 for place in told)
    assert abs(told[-1] - starts[-1] / 24_000 / speed) < 0.06


def test_places_never_go_back_even_before_anything_was_pushed() -> None:
    pipeline = AudioPipeline(22_050, PCM, speed=0.6)
    assert pipeline.to_output_s(22_050) == pytest.approx(1 / 0.6)
    pipeline.push(speechlike(15_000, 22_050))
    pipeline.settle()
    pipeline.push(speechlike(9_000, 22_050))
    places = [pipeline.to_output_s(sample) for sample in range(0, 40_000, 50)]
    assert places == sorted(places)
    assert places[-1] == pytest.approx(39_950 / 22_050 / 0.6, abs=0.1)


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
    assert not any(AudioPipeline(22_050, target, speed=1.1).trivial for target in FORMATS)


@pytest.mark.parametrize(("rate", "samples"), [(24_000, 2_400), (22_050, 2_205), (5, 1)])
def test_a_slice_is_100_ms(rate: int, samples: int) -> None:
    assert AudioPipeline(rate, PCM).slice_samples == samples


@pytest.mark.parametrize(("speed", "samples"), [(0.25, 600), (4.0, 2_400)])
def test_a_slice_gives_no_more_than_100_ms(speed: float, samples: int) -> None:
    assert AudioPipeline(24_000, PCM, speed=speed).slice_samples == samples
