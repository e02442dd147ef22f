"""Encoding beside the event loop: order, cancelling, closing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio.sounds import Pcm, speechlike
from voicegw.audio.format import FORMATS, MP3, PCM, AudioFormat
from voicegw.audio.offloop import OffLoop, encoding_threads
from voicegw.audio.pipeline import AudioPipeline

GUARD_S = 20.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with encoding_threads(2) as pool:
        yield pool


class WatchedPipeline(AudioPipeline):
    """The real pipeline; it notes where it ran, waits where it is told to, and fails where two calls overlap."""

    def __init__(self, rate: int, target: AudioFormat) -> None:
        super().__init__(rate, target)
        self.seen: list[tuple[str, int, bool]] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.closes = 0
        self._busy = threading.Lock()

    def push(self, pcm: NDArray[np.int16]) -> bytes:
        assert self._busy.acquire(blocking=False)
        try:
            self.entered.set()
            assert self.go_on.wait(GUARD_S)
            on_loop = threading.current_thread() is threading.main_thread()
            self.seen.append(("push", len(pcm), on_loop))
            return super().push(pcm)
        finally:
            self._busy.release()

    def close(self) -> None:
        assert self._busy.acquire(blocking=False)
        self.closes += 1
        super().close()
        self._busy.release()


async def pushed(stage: OffLoop, pcm: Pcm) -> list[bytes]:
    return [await stage.push(piece) for piece in stage.slices(pcm)]


async def collected(stage: OffLoop, *segments: Pcm) -> bytes:
    data = []
    for segment in segments:
        stage.seam()
        data += await pushed(stage, segment)
    return b"".join(data) + await stage.finish()


@pytest.mark.parametrize("target", FORMATS, ids=lambda entry: entry.name)
@pytest.mark.parametrize("rate", [22_050, 24_000])
async def test_the_bytes_are_those_of_the_pipeline(target: AudioFormat, rate: int, threads: ThreadPoolExecutor) -> None:
    segments = [speechlike(9_000, rate), speechlike(5_001, rate, seed=1)]
    plain = AudioPipeline(rate, target)
    expected = plain.push(segments[0])
    plain.seam()
    expected += plain.push(segments[1]) + plain.finish()
    with OffLoop(AudioPipeline(rate, target), threads) as stage:
        assert await collected(stage, *segments) == expected


async def test_many_requests_share_the_threads_and_keep_their_order(threads: ThreadPoolExecutor) -> None:
    audio = [speechlike(12_000, seed=seed) for seed in range(6)]
    stages = [OffLoop(WatchedPipeline(24_000, MP3), threads) for _ in audio]
    got = await asyncio.gather(*(collected(stage, pcm) for stage, pcm in zip(stages, audio, strict=True)))
    for pcm, data in zip(audio, got, strict=True):
        plain = AudioPipeline(24_000, MP3)
        assert data == plain.push(pcm) + plain.finish()


async def test_slices_of_100_ms_go_to_a_thread_one_by_one(threads: ThreadPoolExecutor) -> None:
    pipeline = WatchedPipeline(24_000, MP3)
    parts = await pushed(OffLoop(pipeline, threads), speechlike(6_000))
    assert pipeline.seen == [("push", 2_400, False), ("push", 2_400, False), ("push", 1_200, False)]
    assert len(parts) == 3
    assert all(parts)


async def test_an_uncompressed_format_stays_on_the_loop_by_the_second(threads: ThreadPoolExecutor) -> None:
    pipeline = WatchedPipeline(22_050, PCM)
    assert all(await pushed(OffLoop(pipeline, threads), speechlike(30_000, 22_050)))
    assert pipeline.seen == [("push", 22_050, True), ("push", 7_950, True)]


@pytest.mark.parametrize("target", [MP3, PCM], ids=lambda entry: entry.name)
def test_of_nothing_there_is_no_slice(target: AudioFormat, threads: ThreadPoolExecutor) -> None:
    with OffLoop(AudioPipeline(24_000, target), threads) as stage:
        assert [*stage.slices(np.empty(0, np.int16))] == []


async def test_a_stretched_stream_goes_to_a_thread_and_settles(threads: ThreadPoolExecutor) -> None:
    pcm = speechlike(9_000)
    plain = AudioPipeline(24_000, PCM, speed=1.5)
    expected = plain.push(pcm) + plain.settle()
    with OffLoop(AudioPipeline(24_000, PCM, speed=1.5), threads) as stage:
        parts = await pushed(stage, pcm)
        assert stage._running is not None
        assert b"".join(parts) + await stage.settle() == expected
        assert await stage.settle() == b""


async def test_the_loop_runs_on_while_a_slice_is_encoded(threads: ThreadPoolExecutor) -> None:
    pipeline = WatchedPipeline(24_000, MP3)
    pipeline.go_on.clear()
    task = asyncio.create_task(collected(OffLoop(pipeline, threads), speechlike(2_400)))
    assert await asyncio.to_thread(pipeline.entered.wait, GUARD_S)  # not reached if the slice were worked on here
    pipeline.go_on.set()
    assert await task


async def test_cancelled_inside_a_slice_it_is_closed_after_it(threads: ThreadPoolExecutor) -> None:
    pipeline = WatchedPipeline(24_000, MP3)
    pipeline.go_on.clear()
    stage = OffLoop(pipeline, threads)

    async def speak() -> None:
        with stage:
            await collected(stage, speechlike(24_000))

    task = asyncio.create_task(speak())
    assert await asyncio.to_thread(pipeline.entered.wait, GUARD_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task  # at once, though the slice still runs
    assert pipeline.closes == 0
    with pytest.raises(RuntimeError, match="at work"):
        stage.seam()
    stage.close()
    pipeline.go_on.set()
    threads.shutdown()  # waits for the slice, and for what was to happen after it
    assert [name for name, _, _ in pipeline.seen] == ["push"]
    assert pipeline.closes == 1


async def test_cancelled_before_a_thread_is_free_the_slice_never_runs() -> None:
    with encoding_threads(1) as busy:
        held = threading.Event()
        busy.submit(held.wait, GUARD_S)
        pipeline = WatchedPipeline(24_000, MP3)
        with OffLoop(pipeline, busy) as stage:
            task = asyncio.create_task(collected(stage, speechlike(2_400)))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert pipeline.closes == 1
        held.set()
    assert pipeline.seen == []


async def test_one_push_at_a_time(threads: ThreadPoolExecutor) -> None:
    pipeline = WatchedPipeline(24_000, MP3)
    pipeline.go_on.clear()
    stage = OffLoop(pipeline, threads)
    first = asyncio.create_task(collected(stage, speechlike(2_400)))
    assert await asyncio.to_thread(pipeline.entered.wait, GUARD_S)
    with pytest.raises(RuntimeError, match="at work"):
        await stage.finish()
    pipeline.go_on.set()
    assert await first


async def test_an_error_in_a_thread_reaches_the_caller(threads: ThreadPoolExecutor) -> None:
    with OffLoop(AudioPipeline(24_000, MP3), threads) as stage:
        await stage.finish()
        with pytest.raises(ValueError, match="ended"):
            await stage.finish()


async def test_closing_is_final_and_may_be_repeated(threads: ThreadPoolExecutor) -> None:
    pipeline = WatchedPipeline(24_000, MP3)
    stage = OffLoop(pipeline, threads)
    stage.close()
    stage.close()
    assert pipeline.closes == 1
    with pytest.raises(ValueError, match="ended"):
        await stage.settle()


def test_there_are_few_threads() -> None:
    with encoding_threads() as pool:
        assert 1 <= pool._max_workers <= 4
