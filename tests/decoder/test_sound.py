"""Samples are what they were: to the bit where nothing has to be done to them, else to the last bit of 16."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from tests.decoder.kit import Pcm, decoded
from tests.support.recordings import Track, encoded, tone, wav
from voicegw.backend import DecodeDone
from voicegw.decoder.sound import Converter, mono, samples_of

NOISE = np.random.default_rng(5).integers(-32768, 32767, (48_000, 2), np.int16, endpoint=True)


def test_16_bit_mono_at_the_asked_rate_is_untouched() -> None:
    pcm, done = decoded(wav(NOISE[:, 0], 16_000))
    assert pcm.tolist() == NOISE[:, 0].tolist()
    assert done == DecodeDone(3.0, "wav", "pcm_s16le", 16_000, 1)


@pytest.mark.parametrize(("muxer", "codec"), [("flac", "flac"), ("ipod", "alac"), ("ogg", "flac")])
def test_what_loses_nothing_loses_nothing(muxer: str, codec: str) -> None:
    sound = (NOISE[:, 0] / np.float32(32768)).astype(np.float32)[None]
    assert decoded(encoded(muxer, Track(sound, 16_000, codec)))[0].tolist() == NOISE[:, 0].tolist()


def test_channels_are_averaged() -> None:
    pcm, done = decoded(wav(NOISE, 16_000))
    assert done.source_channels == 2
    assert pcm.tolist() == np.rint(NOISE.astype(float).mean(axis=1)).tolist()


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 16])
def test_any_number_of_channels_is_averaged(channels: int) -> None:
    noise = np.random.default_rng(channels).integers(-32768, 32767, (16_000, channels), np.int16)
    exact = noise.astype(float).mean(axis=1)
    pcm, done = decoded(wav(noise, 16_000))
    assert done.source_channels == channels
    assert np.abs(pcm - exact).max() <= 0.51


def planar(channels: int) -> AudioFrame:
    """Give a frame of a format that lies channel by channel, made without looking at its planes."""
    values = np.arange(100 * channels, dtype=np.float32).reshape(100, channels) / 10_000
    frame = AudioFrame("flt", {7: "6.1", 8: "7.1", 16: "hexadecagonal"}[channels], 100)
    frame.sample_rate = 16_000
    frame.planes[0].update(values.tobytes())
    return AudioResampler("fltp").resample(frame)[0]


@pytest.mark.parametrize("channels", [7, 8, 16])
def test_many_planes_are_read_to_their_end_and_no_further(channels: int) -> None:
    values = np.arange(100 * channels).reshape(100, channels) / 10_000
    assert mono(samples_of(planar(channels))) == pytest.approx(32768 * values.mean(axis=1), abs=0.01)


@pytest.mark.parametrize(
    ("samples", "exact"),
    [
        (np.array([0, 1, 128, 255], np.uint8), [-32768, -32512, 0, 32512]),
        (np.array([-(2**31), -32768, 32767, 32768, 98304, 2**31 - 1], np.int32), [-32768, 0, 0, 0, 2, 32767]),
        (np.array([-1, -0.5, 0, 1 / 65536, 0.75 / 32768, 0.5, 1], np.float32), [-32768, -16384, 0, 0, 1, 16384, 32767]),
        (np.array([-2, -1.1, 1.1, 1e30, 3e38, -3e38], np.float32), [-32768, -32768, 32767, 32767, 32767, -32768]),
        (np.array([-1e300, 1e300, 0.25, 0.1], np.float64), [-32768, 32767, 8192, 3277]),
    ],
)
def test_other_samples_are_rounded_and_clipped(samples: NDArray[Any], exact: list[int]) -> None:
    pcm, _ = decoded(wav(np.tile(samples, 1000), 16_000))
    assert pcm[: len(samples)].tolist() == exact


def test_loud_samples_of_opposite_sign_are_a_number() -> None:
    loud = np.tile(np.array([3e38, 3e38, -3e38, -3e38], np.float32), (48_000, 1))
    assert not decoded(wav(loud, 48_000))[0].any()


def test_the_rate_is_changed_as_soxr_changes_it_at_once_however_the_frames_fall() -> None:
    pcm, _ = decoded(wav(NOISE[:, 0], 48_000))
    at_once = soxr.resample(NOISE[:, 0].astype(np.float32), 48_000, 16_000, quality="HQ")
    assert pcm.tolist() == np.rint(at_once).clip(-32768, 32767).tolist()


def test_a_converter_gives_nothing_for_nothing() -> None:
    converter = Converter(16_000)
    assert len(converter.push([])) == 0
    assert len(converter.finish()) == 0


def faster_whisper(data: bytes, rate: int = 16_000) -> Pcm:
    """Decode as faster-whisper's ``decode_audio`` does: FFmpeg's resampler makes s16 mono of every frame."""
    resampler, made = AudioResampler("s16", "mono", rate), []
    with av.open(io.BytesIO(data), "r") as container:
        for frame in [*container.decode(audio=0), None]:
            made += [each.to_ndarray().ravel() for each in resampler.resample(frame)]
    return np.concatenate(made)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
@pytest.mark.parametrize("channels", [1, 2])
def test_at_one_rate_it_is_what_faster_whisper_hears(dtype: type[Any], channels: int) -> None:
    """Its truncation of 32 bit may be one step off, and so may half steps of averages."""
    scale = {np.int16: 1, np.int32: 65536, np.float32: 1 / 32768}[dtype]
    data = wav((NOISE[:, :channels].astype(np.float64) * scale).astype(dtype), 16_000)
    assert np.abs(decoded(data)[0].astype(int) - faster_whisper(data)).max() <= 1


def test_at_another_rate_it_is_what_faster_whisper_hears_but_for_the_resampler() -> None:
    data = wav((32767 * tone(2.0, 44_100, hz=1000.0)[0]).astype(np.int16), 44_100)
    ours, theirs = decoded(data)[0].astype(float), faster_whisper(data).astype(float)
    assert abs(len(ours) - len(theirs)) <= 32
    difference = (ours[1000:30_000] - theirs[1000:30_000]) / 32768
    assert np.sqrt(np.mean(difference**2)) < 1e-3
