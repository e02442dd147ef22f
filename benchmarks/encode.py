"""Processor time of the audio pipeline: every format against PyAV alone, and stretching at several speeds.

Run it as ``python benchmarks/encode.py``; each figure is the best of seven runs over 10 s of audio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial

import av
import numpy as np
from numpy.typing import NDArray

from voicegw.audio.encode import _COMMON, _RECIPES, _Sink
from voicegw.audio.format import AAC, FLAC, MP3, OPUS, OUTPUT_RATE, PCM, AudioFormat
from voicegw.audio.pipeline import AudioPipeline

SECONDS, RUNS = 10, 7
SPEEDS = (0.25, 0.5, 0.75, 1.25, 2.0, 4.0)


@cache
def pieces(rate: int) -> list[NDArray[np.int16]]:
    """Make a tone that glides, in pieces of 100 ms."""
    t = np.arange(SECONDS * rate) / rate
    audio = 9_000 * np.sin(2 * np.pi * (150 * t + 30 * np.sin(2.3 * t)))
    return np.array_split(audio.astype(np.int16), 10 * SECONDS)


def alone(target: AudioFormat) -> None:
    """Encode with as little of Python as there can be, codec and options being the same."""
    recipe, sink, start = _RECIPES[target], _Sink(), 0
    container = av.open(sink, "w", format=recipe.muxer, options={**_COMMON, **recipe.muxer_options})
    options = {"frame_size": str(OUTPUT_RATE // 50)} if target is FLAC else recipe.codec_options
    stream = container.add_stream(recipe.codec, rate=OUTPUT_RATE, options=options)
    stream.layout = "mono"
    stream.format = recipe.samples
    if target is not FLAC:
        stream.bit_rate = target.bit_rate
    for piece in pieces(OUTPUT_RATE):
        frame = av.AudioFrame("s16", "mono", len(piece))
        frame.planes[0].update(piece.tobytes())
        frame.sample_rate = OUTPUT_RATE
        frame.time_base = Fraction(1, OUTPUT_RATE)
        frame.pts = start
        start += len(piece)
        container.mux(stream.encode(frame))
        sink.take()
    container.mux(stream.encode(None))
    container.close()


def ours(target: AudioFormat, rate: int = OUTPUT_RATE, speed: float = 1.0) -> None:
    """Push all of it through a pipeline."""
    pipeline = AudioPipeline(rate, target, speed=speed)
    for piece in pieces(rate):
        pipeline.push(piece)
    pipeline.finish()


def cost_ms(work: Callable[[], None]) -> float:
    """Give the milliseconds of processor time per second of audio."""
    work()  # once beside the count: it makes the audio
    times = []
    for _ in range(RUNS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times) * 1000 / SECONDS


def main() -> None:
    """Print both tables."""
    print("format   PyAV alone   pipeline   ratio   (ms per s of audio)")
    for target in (MP3, OPUS, AAC, FLAC):
        bare, whole = cost_ms(partial(alone, target)), cost_ms(partial(ours, target))
        print(f"{target.name:6} {bare:12.2f} {whole:10.2f} {whole / bare:7.3f}")
    print("pcm, resampled from 22,050 Hz", f"{cost_ms(partial(ours, PCM, rate=22_050)):.2f}", sep="   ")
    for speed in SPEEDS:
        print(f"pcm, speed {speed:<4g}   {cost_ms(partial(ours, PCM, speed=speed)):.2f}")


if __name__ == "__main__":
    main()
