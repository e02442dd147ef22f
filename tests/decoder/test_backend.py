"""The adapter, in this process and unsealed: what it collects, when it begins, how it ends."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.decoder.kit import options
from tests.support.recordings import FORMATS, tone, wav
from voicegw.backend import AudioChunk, DecodeDone, DecodeEvent, InvalidRequest
from voicegw.decoder import sandbox
from voicegw.decoder.backend import Decoder
from voicegw.decoder.sandbox import Allowance, Watch

SOUND = (20_000 * tone(5.0, 16_000)[0]).astype(np.int16)
WAV = wav(SOUND, 16_000)


def _nothing(_fraction: float, _what: str) -> None:
    """Take progress that nobody wants to see."""


@asynccontextmanager
async def loaded(**config: Any) -> AsyncIterator[Decoder]:
    decoder = Decoder(config)
    await decoder.load(_nothing)
    try:
        yield decoder
    finally:
        await decoder.close()


async def pieces(data: bytes, size: int = 50_000) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def events(decoder: Decoder, source: AsyncIterator[bytes], **asked: Any) -> list[DecodeEvent]:
    async with aclosing(decoder.decode(source, options(**asked))) as made:
        return [event async for event in made]


@pytest.mark.parametrize("size", [1_000, 50_000, 10**6])
async def test_an_upload_is_decoded_however_it_is_cut(size: int) -> None:
    async with loaded() as decoder:
        *chunks, done = await events(decoder, pieces(WAV, size))
        assert done == DecodeDone(5.0, "wav", "pcm_s16le", 16_000, 1)
        heard = [chunk.pcm for chunk in chunks if isinstance(chunk, AudioChunk)]
        assert np.concatenate(heard).tolist() == SOUND.tolist()
        assert max(map(len, heard)) <= 17_000


async def test_nothing_comes_before_all_of_the_upload_is_there() -> None:
    more = asyncio.Event()

    async def slow() -> AsyncGenerator[bytes, None]:
        yield WAV[:-2]
        await more.wait()
        yield WAV[-2:]

    async with loaded() as decoder:
        work = asyncio.create_task(events(decoder, slow()))
        done, _ = await asyncio.wait([work], timeout=0.2)
        assert not done
        more.set()
        assert len(await work) > 1


async def test_an_upload_that_does_not_come_is_not_waited_for() -> None:
    async def never() -> AsyncGenerator[bytes, None]:
        yield WAV[:-2]
        await asyncio.Event().wait()

    async with loaded(wall_s=0.05) as decoder:
        with pytest.raises(InvalidRequest, match=r"did not arrive within 0\.05 s") as caught:
            await events(decoder, never())
        assert (caught.value.code, caught.value.param) == ("upload_too_slow", "file")


async def test_an_upload_that_is_too_large_is_not_taken_to_its_end() -> None:
    taken = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(1_000)

    async with loaded(upload_bytes=10_000) as decoder:
        with pytest.raises(InvalidRequest, match="more than 10000 bytes") as caught:
            await events(decoder, endless())
        assert (caught.value.code, taken) == ("file_too_large", 11)


async def test_what_the_source_raises_is_raised() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield WAV[:100]
        raise ConnectionError("gone")

    async with loaded() as decoder:
        with pytest.raises(ConnectionError):
            await events(decoder, broken())


async def test_whoever_is_cancelled_leaves_nothing_running() -> None:
    """The next upload must not wait behind a step of the one before, or share its fate."""
    entered, leave = threading.Event(), threading.Event()

    class Slow(Decoder):
        def _steps(self, upload: Any, asked: Any) -> Any:
            if upload.getvalue() != b"slow":
                yield from super()._steps(upload, asked)
                return
            entered.set()
            leave.wait()
            yield None

    decoder = Slow({})
    await decoder.load(_nothing)
    try:
        work = asyncio.create_task(events(decoder, pieces(b"slow")))
        await asyncio.to_thread(entered.wait)
        work.cancel()
        done, _ = await asyncio.wait([work], timeout=0.1)
        assert not done
        leave.set()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert len(await events(decoder, pieces(WAV))) > 1
    finally:
        await decoder.close()


async def test_a_listener_that_stops_lets_the_next_one_on() -> None:
    async with loaded() as decoder:
        async with aclosing(decoder.decode(pieces(FORMATS["mp3"].make(5.0)), options())) as made:
            assert isinstance(await anext(made), AudioChunk)
        assert len(await events(decoder, pieces(WAV))) > 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"memory": 1}, "memory: unknown; there are: upload_bytes, memory_bytes, stuck_s, wall_s"),
        ({"wall_s": 0}, "wall_s: must be a number above 0"),
        ({"stuck_s": "3"}, "stuck_s: must be a number above 0"),
        ({"stuck_s": float("nan")}, "stuck_s: must be a number above 0"),
    ],
)
def test_a_bad_configuration_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Decoder.describe(config)
    with pytest.raises(ValueError, match=message):
        Decoder(config)


async def test_the_manifest() -> None:
    info = Decoder.describe({})
    assert (info.kind, info.limits.slots, info.sample_rate) == ("decode", 1, 16_000)
    decoder = Decoder({})
    assert await decoder.load(_nothing) == info
    await decoder.close()


class Kernel:
    """Notes what would be asked of the kernel; what a sealed process really cannot do is tested in one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hard: int = resource.RLIM_INFINITY) -> None:
        self.limits: dict[int, list[tuple[int, int]]] = {}
        self.timers: list[float] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (hard, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda what, most: self.limits.setdefault(what, []).append(most))
        alarm = SimpleNamespace(setitimer=lambda _, seconds: self.timers.append(seconds), ITIMER_REAL=0)
        monkeypatch.setattr(sandbox, "signal", alarm)


async def test_a_seal_leaves_nothing_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    async with loaded(memory_bytes=2**28) as decoder:
        decoder.seal()
        assert kernel.limits[resource.RLIMIT_NOFILE] == kernel.limits[resource.RLIMIT_CORE] == [(0, 0)]
        ((soft, hard),) = kernel.limits[resource.RLIMIT_AS]
        assert soft == hard > 2**28
        *_, done = await events(decoder, pieces(WAV))
        assert isinstance(done, DecodeDone)
    assert kernel.timers[-1] == 0


def test_a_stricter_limit_of_the_system_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, hard=2**20)
    sandbox.seal(Allowance(2**28, 3.0, 300.0))
    assert kernel.limits[resource.RLIMIT_AS] == [(2**20, 2**20)]
    kernel = Kernel(monkeypatch, hard=1)
    with Watch(Allowance(2**28, 3.0, 300.0)).step():
        assert kernel.limits[resource.RLIMIT_CPU] == [(1, 1)]


def test_every_step_has_its_own_time_and_all_of_them_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    now = 100.0
    monkeypatch.setattr(sandbox, "time", SimpleNamespace(monotonic=lambda: now, process_time=lambda: 7.25))
    watch = Watch(Allowance(2**28, 3.0, 40.0))
    for seconds in (15.0, 15.0, 10.0):
        with watch.step():
            now += seconds
        now += 1000.0  # the listener's time
    assert kernel.timers == [30.0, 0, 25.0, 0, 10.0, 0]
    infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert kernel.limits[resource.RLIMIT_CPU] == [(11, resource.RLIM_INFINITY), infinite] * 3
    with pytest.raises(InvalidRequest, match="more than the 40 s"), watch.step():
        raise AssertionError("begun all the same")
