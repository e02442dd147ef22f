"""Workers that die of what they are given, and workers that are replaced before they are worn out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine.kit import GUARD_S, LIMITS, children, running, until
from voicegw.backend import DecodeDone, DecodeEvent, DecodeOptions, Limits, ModelInfo, RequestMeta
from voicegw.engine import wear
from voicegw.engine.pool import ModelPool
from voicegw.engine.runtime import GatewaySession, Runtime
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.engine.wear import Wear, resident_bytes
from voicegw.errors import DeadlineExceeded, WorkerLost

BRITTLE = replace(LIMITS, crashes=2, restart_base_s=600.0, restart_max_s=600.0)
"""A circuit breaker that stays open for longer than any test."""

META = RequestMeta("r", start_within_s=GUARD_S)


@asynccontextmanager
async def ears(limits: EngineLimits = LIMITS, **fields: Any) -> AsyncIterator[ModelPool]:
    """Run the scripted decoder; the keywords are those of the model's entry."""
    spec = ModelSpec("ears", "ears", parameters={"kind": "decode", "slots": 1}, **fields)
    async with running(spec, limits=limits) as engine:
        yield engine.pools["ears"]


async def uploaded(pool: ModelPool, data: bytes, within_s: float = GUARD_S) -> DecodeEvent:
    async def source() -> AsyncGenerator[bytes, None]:
        yield data

    asked = DecodeOptions(replace(META, start_within_s=within_s), 16_000, 10.0)
    async with asyncio.timeout(GUARD_S), aclosing(pool.decode(source(), asked)) as events:
        return [event async for event in events][-1]


async def works(pool: ModelPool) -> None:
    assert await uploaded(pool, bytes(3_200)) == DecodeDone(0.1, "raw", "pcm_s16le", 16_000, 1)


async def test_expendable_workers_are_replaced_at_once_however_often_they_die() -> None:
    async with ears(BRITTLE, expendable=True) as pool:
        for _ in range(4):
            with pytest.raises(WorkerLost):
                await uploaded(pool, b"crash")
            await works(pool)
        assert pool.workers[0].retry_at is None
        assert pool.workers[0].restarts == 4


async def test_others_are_not() -> None:
    async with ears(BRITTLE) as pool:
        with pytest.raises(WorkerLost):
            await uploaded(pool, b"crash")
        await until(lambda: pool.workers[0].retry_at is not None)
        with pytest.raises(DeadlineExceeded):
            await uploaded(pool, bytes(3_200), within_s=0.05)


async def test_expendable_workers_that_die_unasked_have_their_pauses() -> None:
    """What kills them is not what they are given: to start one after the other without end would help nobody."""
    async with ears(BRITTLE, expendable=True) as pool:
        (worker,) = children()
        worker.kill()
        await until(lambda: pool.workers[0].retry_at is not None)


async def test_whoever_waits_for_an_expendable_worker_goes_on_to_the_next_and_the_next() -> None:
    async with ears(BRITTLE, expendable=True) as pool:
        crashes = [asyncio.create_task(uploaded(pool, b"crash")) for _ in range(3)]
        waiting = asyncio.create_task(uploaded(pool, bytes(3_200)))
        told = await asyncio.gather(*crashes, return_exceptions=True)
        assert [type(each) for each in told] == [WorkerLost] * 3
        assert isinstance(await waiting, DecodeDone)


async def test_why_a_worker_died_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    async with ears(expendable=True) as pool:
        with pytest.raises(WorkerLost):
            await uploaded(pool, b"crash")
        await works(pool)
        (worker,) = children()
        worker.kill()
        await until(lambda: pool.workers[0].state is not ModelState.READY)
        await works(pool)
    told = capfd.readouterr().out
    assert "the worker died (exit status 9)" in told
    assert "the worker died (SIGKILL)" in told


async def test_a_list_of_processes_says_whose_worker_is_which() -> None:
    async with ears():
        assert [child.cmdline()[-1] for child in children()] == ["ears"]


async def test_a_worker_is_renewed_after_so_many_requests() -> None:
    async with ears(BRITTLE, renew_after=3) as pool:
        seen = []
        for _ in range(3):
            (worker,) = children()
            seen.append(worker.pid)
            for _ in range(3):
                await works(pool)
            await until(lambda seen=seen: [p.pid for p in children()] not in ([], [seen[-1]]))  # type: ignore[misc]  # mypy types no default
        assert len(set(seen)) == 3
        assert (pool.workers[0].retry_at, pool.workers[0].restarts) == (None, 0)  # none of these deaths is a crash
        await works(pool)


async def test_a_worker_that_is_to_be_renewed_finishes_its_work_and_gets_none() -> None:
    more = asyncio.Event()

    async def slow() -> AsyncGenerator[bytes, None]:
        yield bytes(1_600)
        await more.wait()
        yield bytes(1_600)

    async with ears(BRITTLE, renew_after=1) as pool, asyncio.timeout(GUARD_S):
        (before,) = children()
        asked = DecodeOptions(META, 16_000, 10.0)
        async with aclosing(pool.decode(slow(), asked)) as events:
            work = asyncio.create_task(_last(events))
            await until(lambda: pool.state is ModelState.DRAINING)
            waiting = asyncio.create_task(uploaded(pool, bytes(3_200)))
            await asyncio.sleep(0.2)
            assert pool.in_flight == 1
            assert children() == [before]
            more.set()
            assert isinstance(await work, DecodeDone)
        assert isinstance(await waiting, DecodeDone)
        assert before not in children()


async def _last(events: AsyncGenerator[DecodeEvent, None]) -> DecodeEvent:
    return [event async for event in events][-1]


def test_memory_is_looked_at_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([100, 150, 200, 201])
    monkeypatch.setattr(wear, "resident_bytes", lambda _: next(taken))
    spec = ModelSpec("m", "b", renew_growth_bytes=100)
    worn = Wear(spec, SimpleNamespace(pid=1), SimpleNamespace(opened=10**6))  # type: ignore[arg-type]
    assert [worn.over() for _ in range(4)] == [False, False, False, True]


def test_no_worker_is_renewed_unless_it_is_said_when() -> None:
    worn = Wear(ModelSpec("m", "b"), SimpleNamespace(pid=1), SimpleNamespace(opened=10**6))  # type: ignore[arg-type]
    assert not worn.over()


def test_the_memory_of_a_process() -> None:
    if Path("/proc/self/statm").exists():
        assert 2**20 < resident_bytes(os.getpid()) < 2**34
    assert resident_bytes(2**22 + 1) == 0  # no system has so many


class Sealable:
    """An adapter that notes when it is sealed."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def load(self, _progress: Any) -> ModelInfo:
        self.told.append("loaded")
        return ModelInfo("decode", 16_000, limits=Limits(slots=1))

    def seal(self) -> None:
        self.told.append("sealed")


async def test_an_adapter_is_sealed_once_it_is_loaded_and_its_gateway_is_there_and_nobody_else_gets_in() -> None:
    backend = Sealable()
    runtime = Runtime("m", backend, ModelInfo("decode", 16_000), LIMITS)
    loading = asyncio.create_task(runtime.load(lambda: backend.told.append("shut")))
    await asyncio.sleep(0.05)
    assert backend.told == ["loaded"]
    assert (runtime.state, runtime.sealed) == (ModelState.LOADING, False)
    runtime.add(GatewaySession(runtime))
    await loading
    assert backend.told == ["loaded", "shut", "sealed"]
    assert (runtime.state, runtime.sealed) == (ModelState.READY, True)


async def test_a_worker_that_cannot_be_sealed_serves_nobody() -> None:
    class Open(Sealable):
        def seal(self) -> None:
            raise PermissionError("not allowed")

    runtime = Runtime("m", Open(), ModelInfo("decode", 16_000), LIMITS)
    runtime.add(GatewaySession(runtime))
    await runtime.load(lambda: None)
    assert runtime.state is ModelState.FAILED
    assert "not allowed" in runtime.detail
