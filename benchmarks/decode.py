"""Decoding of uploads in sealed workers: how soon a hostile file is refused, and what a good one costs.

python -m benchmarks.decode
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import psutil

from tests.support.hostile_uploads import elsewhere, no_audio
from tests.support.recordings import Track, encoded, flac_of_silence, tone, wav
from voicegw import logs
from voicegw.audio.decode import Decoder, pieces
from voicegw.backend import DecodeOptions, RequestMeta
from voicegw.engine.spec import ModelState
from voicegw.errors import InvalidRequest
from voicegw.settings import Limits

RUNS = 3
_ADAPTERS = Path(__file__).parents[1] / "tests" / "support" / "adapters"
_OPTIONS = DecodeOptions(RequestMeta("benchmark"), 16_000, 1e9)
_SHORT = wav((20_000 * tone(0.1, 16_000)[0]).astype(np.int16), 16_000)


@asynccontextmanager
async def workers(backend: str = "decode") -> AsyncGenerator[tuple[Decoder, list[psutil.Process]], None]:
    """Run decode workers with the default limits, once they are ready."""
    limits = Limits()
    spec = replace(limits.decode_spec(), backend=backend)
    async with Decoder(spec, limits.decode_engine(), limits.decoded_s) as decoder:
        await _ready(decoder)
        yield decoder, psutil.Process().children()


async def _ready(decoder: Decoder) -> None:
    while any(worker.state is not ModelState.READY for worker in decoder.pool.workers):  # noqa: ASYNC110 - of others
        await asyncio.sleep(0.005)


async def refused_ms(decoder: Decoder, data: bytes) -> tuple[float, str]:
    """Give the time until an upload was refused, and the code."""
    began = time.perf_counter()
    try:
        await decoder.clip(pieces(data), _OPTIONS)
    except InvalidRequest as error:
        return 1000 * (time.perf_counter() - began), error.code
    raise RuntimeError("it was decoded")


async def decoded_ms(decoder: Decoder, data: bytes) -> float:
    """Give the time until all of an upload was decoded."""
    began = time.perf_counter()
    await decoder.clip(pieces(data), _OPTIONS)
    return 1000 * (time.perf_counter() - began)


async def best(measure: Callable[[], Awaitable[float]]) -> float:
    """Give the best of some runs."""
    return min([await measure() for _ in range(RUNS)])


async def hostile() -> None:
    """Refuse what is no audio, and the bomb."""
    async with workers() as (decoder, processes):
        control = await best(lambda: decoded_ms(decoder, _SHORT))
        print(f"control: 0.1 s of wav in {control:.1f} ms")
        files = {**elsewhere(), **no_audio()}
        del files["an hour of silence too much"]  # which is less than a server takes
        files["25 MiB of zeros"], files["25 MiB of noise"] = bytes(25 * 2**20), os.urandom(25 * 2**20)
        took = {name: min([await refused_ms(decoder, data) for _ in range(RUNS)]) for name, data in files.items()}
        for name, (ms, code) in sorted(took.items(), key=lambda item: -item[1][0])[:8]:
            print(f"  {name}: {code} after {ms:.1f} ms")
        print(f"  and {len(took) - 8} others sooner")
        bomb, before = flac_of_silence(25 * 2**20), psutil.Process().memory_info().rss
        ms, code = min([await refused_ms(decoder, bomb) for _ in range(RUNS)])
        grown = (psutil.Process().memory_info().rss - before) / 2**20
        print(f"25 MiB of FLAC, two days of silence: {code} after {ms:.0f} ms; the gateway grew by {grown:.1f} MiB")
        print(f"largest worker so far: {max(map(_peak_mib, processes)):.0f} MiB")


def _peak_mib(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


async def taken_over() -> None:
    """Refuse what makes its worker crash, spin or eat; see that the next upload does not wait."""
    os.environ["PYTHONPATH"] = str(_ADAPTERS)
    async with workers("hostile") as (decoder, _):
        for word in ("crash", "spin", "spin and hold the lock", "eat"):
            figures = []
            for _ in range(RUNS):
                await _ready(decoder)
                ms, _ = await refused_ms(decoder, word.encode() + b"\n")
                figures.append((ms, await decoded_ms(decoder, _SHORT)))
            print(
                f"{word}: refused after {min(figures)[0]:.0f} ms, the next upload decoded in {min(figures)[1]:.1f} ms"
            )
        await _ready(decoder)
        began = time.perf_counter()
        for _ in range(100):
            await refused_ms(decoder, b"crash\n")
        each = 10 * (time.perf_counter() - began)
        print(f"100 crashes one after the other: {each:.0f} ms each; then {await decoded_ms(decoder, _SHORT):.1f} ms")


def _alone_s(data: bytes) -> float:
    """Give the processor time of PyAV alone: decode once, keep nothing, resample nothing."""
    began = time.process_time()
    with av.open(io.BytesIO(data), "r") as container:
        for _ in container.decode(audio=0):
            pass
    return time.process_time() - began


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def good() -> None:
    """Decode what people mean well."""
    clip = wav((20_000 * tone(10.0, 16_000)[0]).astype(np.int16), 16_000)
    noise = np.random.default_rng(1).normal(0, 0.05, (2, 44_100 * 600)).astype(np.float32)
    files = {
        "mp3, 44.1 kHz stereo": encoded("mp3", Track(noise, 44_100, "libmp3lame", 64_000)),
        "ogg opus, mono": encoded("ogg", Track(noise[:1, : 48_000 * 500], 48_000, "libopus", 24_000)),
        "m4a, 44.1 kHz stereo": encoded("ipod", Track(noise, 44_100, "aac", 96_000)),
        "flac, 44.1 kHz mono": encoded("flac", Track(noise[:1, : 44_100 * 200], 44_100, "flac")),
    }
    async with workers() as (decoder, processes):
        print(f"idle worker: {processes[0].memory_info().rss / 2**20:.0f} MiB")
        print(f"10 s of wav: {await best(lambda: decoded_ms(decoder, clip)):.1f} ms")
        for name, data in files.items():
            costs = []
            for _ in range(RUNS):
                before = _cpu_s(processes)
                source = (await decoder.clip(pieces(data), _OPTIONS)).source
                costs.append(1000 * (_cpu_s(processes) - before) / source.duration_s)
            alone = 1000 * min(_alone_s(data) for _ in range(RUNS)) / source.duration_s
            print(f"{name}: {min(costs):.2f} ms of processor per second of audio; PyAV alone, once: {alone:.2f}")


async def start() -> float:
    """Give the time from nothing to workers that are ready."""
    began = time.perf_counter()
    async with workers():
        return 1000 * (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    logs.configure("error", "json")
    sys.stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the workers' own lines
    print(f"load average: {', '.join(f'{each:.1f}' for each in os.getloadavg())}")
    print(f"two workers ready after {asyncio.run(best(start)):.0f} ms")
    for part in (hostile, taken_over, good):
        asyncio.run(part())


if __name__ == "__main__":
    main()
