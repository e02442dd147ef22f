"""Processor time of the gateway per stream and per chunk, encoding aside, beside that of a bare uvicorn.

python -m benchmarks.cost [--runs 3] [--streams 64] [--chunks 20000] [--rtf 0.25]

Raw samples are asked for, which nothing is done to. A chunk is 80 ms of audio, the model gives each of them alone, and
a line is laid through the cost of streams of different lengths: its height at no chunks is what a stream costs, its
slope what a chunk costs. The bare uvicorn sends as many pieces of the same size, at the same pace, from a timer.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.goals import Goal, measured, options
from benchmarks.harness import body, serving, tone_config
from voicegw.audio.format import PCM
from voicegw.bench.client import Target
from voicegw.bench.control import serving as bare_serving
from voicegw.bench.load import Load, run
from voicegw.bench.watch import Watch

CHUNK_S, WORD_S = 0.08, 0.5
CHUNK_BYTES = 3840
WORDS = (1, 4, 16, 64)
"""Lengths of the streams: 7 to 400 chunks."""

GOALS = (
    Goal("gateway, ms per stream", most=1.0),
    Goal("gateway, us per chunk", most=50.0),
    Goal("bare uvicorn, ms per stream"),
    Goal("bare uvicorn, us per piece"),
    Goal("pieces sent per chunk"),
    Goal("streams that were not whole", most=0, every=True),
)


@dataclass(slots=True)
class Points:
    """What was measured: for each length, chunks and seconds of processor time of one stream."""

    chunks: list[int]
    cpu_s: list[float]

    def line(self) -> tuple[float, float]:
        """Give seconds per stream and per chunk, each point counting by how far it is off in proportion.

        nan where one of them took less than the clock of processor time can tell.
        """
        cpu = np.array(self.cpu_s)
        if not cpu.all():
            return math.nan, math.nan
        rows = np.column_stack([np.ones(len(cpu)), self.chunks])
        (per_stream, per_chunk), *_ = np.linalg.lstsq(rows / cpu[:, None], np.ones(len(cpu)), rcond=None)
        return float(per_stream), float(per_chunk)


async def measure(streams: int, chunks: int, rtf: float) -> Mapping[str, float]:
    """Measure both servers with some ``chunks`` of every length, ``streams`` at a time, at a real-time factor."""
    ours, bare, pieces, broken = Points([], []), Points([], []), 0.0, 0
    with serving(tone_config(slots=streams, rtf=rtf)) as server:
        watch = Watch(server.process.pid)
        await run(_load(server.target, 4, 2 * streams, streams))
        for words in WORDS:
            load = _load(server.target, words, _requests(words, streams, chunks), streams)
            before = watch.read().gateway_cpu_s
            summary = await run(load)
            ours.chunks.append(_chunks(words))
            ours.cpu_s.append((watch.read().gateway_cpu_s - before) / load.requests)
            pieces += summary.pieces_per_answer / _chunks(words) / len(WORDS)
            broken += load.requests - summary.ok
    for words in WORDS:
        with bare_serving(_chunks(words), CHUNK_BYTES, rtf * CHUNK_S) as (url, pid):
            load = _load(Target.of(url), words, _requests(words, streams, chunks), streams)
            watch = Watch(pid)
            await run(_load(Target.of(url), words, streams, streams))
            before = watch.read().gateway_cpu_s
            await run(load)
            bare.chunks.append(_chunks(words))
            bare.cpu_s.append((watch.read().gateway_cpu_s - before) / load.requests)
    (stream_s, chunk_s), (bare_stream_s, bare_chunk_s) = ours.line(), bare.line()
    figures = (1e3 * stream_s, 1e6 * chunk_s, 1e3 * bare_stream_s, 1e6 * bare_chunk_s, pieces, broken)
    return dict(zip((goal.name for goal in GOALS), figures, strict=True))


def _chunks(words: int) -> int:
    return math.ceil(words * WORD_S / CHUNK_S)


def _requests(words: int, streams: int, chunks: int) -> int:
    """Give how many streams of a length there are: whole rounds of them, so that all run at a time to the end."""
    return streams * max(1, round(chunks / _chunks(words) / streams))


def _load(target: Target, words: int, requests: int, streams: int) -> Load:
    return Load(target, body(words), PCM, requests, streams)


def main() -> int:
    """Measure and print."""
    given = options(__doc__ or "", streams=64, chunks=20_000, rtf=0.25)
    return measured(GOALS, partial(measure, given.streams, given.chunks, given.rtf), given.runs)


if __name__ == "__main__":
    sys.exit(main())
