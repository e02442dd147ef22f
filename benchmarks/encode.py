"""What encoding costs beside bare PyAV, in the same run and interleaved, and whether its memory grows.

Usage: python benchmarks/encode.py [--seconds 10] [--rounds 7] [--encodes 2000]

Prints, for each format, the CPU milliseconds per second of audio of ``voicegw.audio.pipeline``, fed 100 ms at a time
as the gateway does it, and of PyAV alone with the same codec, options and pieces (for wav and pcm there is nothing of
the kind), the medians over the rounds and their ratio; then the resident memory over many encodes of 1 s.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from voicegw.audio.encode import _COMMON, _RECIPES
from voicegw.audio.format import FLAC, FORMATS, OUTPUT_RATE, AudioFormat
from voicegw.audio.pipeline import AudioPipeline

PIECE = OUTPUT_RATE // 10

Encode = Callable[[AudioFormat, NDArray[np.int16]], int]


def sound(seconds: float) -> NDArray[np.int16]:
    """Make a gliding tone with overtones and noise, about as hard to encode as speech."""
    t = np.arange(round(seconds * OUTPUT_RATE)) / OUTPUT_RATE
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(2.3 * t)) / OUTPUT_RATE
    voice = np.sin(phase) + np.sin(2 * phase) / 2 + np.sin(3 * phase) / 3 + np.sin(5 * phase) / 5
    loudness = 4000 * (1 + np.sin(2 * np.pi * 3 * t))
    return np.asarray(voice * loudness + np.random.default_rng(0).normal(0, 150, len(t)), np.int16)


def ours(target: AudioFormat, pcm: NDArray[np.int16]) -> int:
    """Encode as the gateway does; gives the number of bytes."""
    pipeline = AudioPipeline(OUTPUT_RATE, target)
    size = sum(len(pipeline.push(pcm[at : at + PIECE])) for at in range(0, len(pcm), PIECE))
    return size + len(pipeline.finish())


class Sink:
    """Counts bytes."""

    size = 0

    def write(self, data: bytes) -> int:
        """Count."""
        self.size += len(data)
        return len(data)


def bare(target: AudioFormat, pcm: NDArray[np.int16]) -> int:
    """Encode with PyAV as its documentation shows it, with our options; gives the number of bytes."""
    recipe, sink = _RECIPES[target], Sink()
    with av.open(sink, "w", format=recipe.muxer, options={**_COMMON, **recipe.muxer_options}) as container:
        stream = container.add_stream(recipe.codec, rate=OUTPUT_RATE, options=recipe.codec_options)
        stream.layout, stream.format = "mono", recipe.samples
        if target is not FLAC:
            stream.bit_rate = target.bit_rate
        for at in range(0, len(pcm), PIECE):
            frame = av.AudioFrame.from_ndarray(pcm[None, at : at + PIECE], format="s16", layout="mono")
            frame.sample_rate, frame.pts = OUTPUT_RATE, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.size


def cpu_ms(encode: Encode, target: AudioFormat, pcm: NDArray[np.int16]) -> float:
    """Give CPU milliseconds per second of audio."""
    before = time.process_time()
    encode(target, pcm)
    return (time.process_time() - before) * 1000 * OUTPUT_RATE / len(pcm)


def compare(target: AudioFormat, pcm: NDArray[np.int16], rounds: int) -> None:
    """Print one line of costs; which one goes first changes every round."""
    ways = {ours, bare} if target in _RECIPES else {ours}
    costs: dict[Encode, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in sorted(ways, key=lambda way: (way is ours) == bool(turn % 2)):
            costs[way].append(cpu_ms(way, target, pcm))
    mine = statistics.median(costs[ours])
    if bare not in costs:
        print(f"{target.name:5} {mine:8.3f}")
        return
    theirs = statistics.median(costs[bare])
    print(f"{target.name:5} {mine:8.3f} {theirs:8.3f} {mine / theirs:8.3f}   spread {_spread(costs[ours])}")


def _spread(costs: list[float]) -> str:
    return f"{min(costs):.2f}-{max(costs):.2f}"


def rss_mb() -> float:
    """Give the resident memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def growth(encodes: int) -> None:
    """Print the resident memory at every quarter; the formats take turns, each fourth encoder is dropped unfinished."""
    pcm = sound(1)
    for turn in range(encodes + 1):
        if turn % max(1, encodes // 4) == 0:
            print(f"RSS after {turn:5} encodes of 1 s: {rss_mb():6.1f} MB")
        target = FORMATS[turn % len(FORMATS)]
        if turn % 4 == 3:
            AudioPipeline(OUTPUT_RATE, target).push(pcm)
        else:
            ours(target, pcm)


def main() -> None:
    """Compare, then watch the memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10, help="audio per encode when comparing")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--encodes", type=int, default=2000)
    options = parser.parse_args()
    pcm = sound(options.seconds)
    for target in FORMATS:
        ours(target, pcm)  # pages and tables are touched once
    print("CPU ms per second of audio (median)\n         ours     bare    ratio")
    for target in FORMATS:
        compare(target, pcm, options.rounds)
    growth(options.encodes)


if __name__ == "__main__":
    main()
