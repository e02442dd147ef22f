"""Audio for tests, and ways to read back what was encoded."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from voicegw.audio.format import AudioFormat

Pcm = NDArray[np.int16]


def speechlike(samples: int, rate: int = 24_000, seed: int = 0) -> Pcm:
    """A gliding tone with overtones and a little noise: loud, and nowhere equal to itself shifted."""
    random = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(2.3 * t) + 20 * random.random()) / rate
    audio = sum(np.sin(k * phase) * 5000 / k for k in (1, 2, 3, 5)) + random.normal(0, 150, samples)
    return np.asarray(audio).astype(np.int16)


def cut(pcm: Pcm, sizes: int | tuple[int, ...]) -> Iterator[Pcm]:
    """Cut audio into pieces of these sizes, over and over."""
    cycle = (sizes,) if isinstance(sizes, int) else sizes
    start = turn = 0
    while start < len(pcm):
        end = start + cycle[turn % len(cycle)]
        yield pcm[start:end]
        start, turn = end, turn + 1


def decode(target: AudioFormat, data: bytes, rate: int = 24_000) -> Pcm:
    """Decode with FFmpeg and bring the result to a rate; nothing is trimmed that the format does not say to trim.

    Raw samples must have that rate.
    """
    if target.name == "pcm":
        return np.frombuffer(data, np.int16)
    with av.open(io.BytesIO(data), "r") as container:
        frames = [frame for frame in container.decode(audio=0) if isinstance(frame, AudioFrame)]
    if not frames:
        return np.empty(0, np.int16)
    audio = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    floats = audio.astype(np.float64) / (32768 if audio.dtype == np.int16 else 1)
    resampled = soxr.resample(floats, frames[0].sample_rate, rate)
    return np.asarray(np.rint(resampled * 32768).clip(-32768, 32767), np.int16)


def bursts(rate: int = 24_000) -> tuple[Pcm, list[int]]:
    """Six seconds of near silence with tones, noise and speech-like sound in it, and the samples where they begin."""
    random = np.random.default_rng(7)
    audio = random.normal(0, 20, 6 * rate)
    starts = [round((0.4 + 0.83 * turn) * rate) for turn in range(6)]
    for turn, start in enumerate(starts):
        length = round((0.15 + 0.03 * turn) * rate)
        tone = 9_000 * np.sin(2 * np.pi * (200 + 170 * turn) * np.arange(length) / rate)
        audio[start : start + length] += (tone, random.normal(0, 6_000, length), speechlike(length, rate))[turn % 3]
    return audio.clip(-32_768, 32_767).astype(np.int16), starts


def onset_s(audio: Pcm, near_s: float, rate: int = 24_000) -> float:
    """Give the second, at most 0.12 s from another, at which the level of 5 ms first is half of the loudest there."""
    begin = max(0, round((near_s - 0.12) * rate))
    power = audio[begin : round((near_s + 0.12) * rate)].astype(float) ** 2
    width = rate // 200
    level = np.sqrt(np.convolve(power, np.ones(width) / width, "same"))
    return (begin + int(np.argmax(level > level.max() / 2))) / rate


def largest_step(pcm: Pcm) -> int:
    """The largest difference between two neighbours."""
    return int(np.abs(np.diff(pcm.astype(np.int32))).max(initial=0))
