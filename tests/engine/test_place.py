"""Worker processes that die, hang, fail and idle, and the places that outlive them."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.engine.kit import (
    GUARD_S,
    LIMITS,
    audio,
    children,
    loads,
    one_model,
    running,
    say,
    speak,
    spec,
    until,
    voice,
)
from voicegw.backend import SpeechDone, SpeechEvent
from voicegw.engine.link import Link
from voicegw.engine.place import CrashHistory, Worker
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.errors import DeadlineExceeded, PoisonRequest, Unavailable, WorkerLost


async def test_a_crash_history_doubles_pauses_opens_the_circuit_and_forgets() -> None:
    limits = EngineLimits(restart_base_s=0.5, restart_max_s=20.0, crashes=5, crash_window_s=60.0)
    history = CrashHistory(limits)
    assert [history.crashed(float(t)) for t in range(4)] == [(0.5, False), (1.0, False), (2.0, False), (4.0, False)]
    assert history.crashed(5.0) == (20.0, True)
    history.settled()
    assert history.crashed(50.0) == (20.0, True)  # it was ready in between, and yet crashes all the time
    history.settled()
    assert history.crashed(200.0) == (0.5, False)
    assert len(history.times) == 1


async def test_loading_that_fails_slowly_opens_the_circuit_too() -> None:
    history = CrashHistory(EngineLimits(restart_base_s=1.0, restart_max_s=60.0, crashes=4, crash_window_s=60.0))
    told = [history.crashed(50.0 * n) for n in range(8)]  # never more than two in a window
    assert told[:3] == [(1.0, False), (2.0, False), (4.0, False)]
    assert told[3:] == [(60.0, True)] * 5
    history.settled()
    assert history.crashed(1000.0) == (1.0, False)


async def test_kill_9_with_8_streams_loses_each_and_nothing_else() -> None:
    async with one_model(slots=8) as pool:
        begun = asyncio.Semaphore(0)

        async def listen(number: int) -> list[SpeechEvent]:
            got = []
            utterance = say(f"text {number}", chunks=2, hang_after=1)
            async for event in pool.synthesize(utterance):
                got.append(event)
                begun.release()
            return got

        tasks = [asyncio.create_task(listen(n)) for n in range(8)]
        async with asyncio.timeout(GUARD_S):
            for _ in tasks:
                await begun.acquire()
        (worker,) = children()
        worker.kill()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(g) for g in got] == [WorkerLost] * 8
        assert pool.in_flight == 0
        assert len(audio(await speak(pool, say()))) == 720
        assert [p.pid for p in children()] != [worker.pid]


async def test_a_request_is_tried_again_where_nothing_was_heard(tmp_path: Path) -> None:
    async with one_model() as pool:
        events = await speak(pool, say(crash_once=str(tmp_path / "once")))
        assert len(audio(events)) == 720
        assert isinstance(events[-1], SpeechDone)


async def test_a_request_is_not_tried_again_once_something_was_heard(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with one_model(mark=str(mark)) as pool:
        got = []
        with pytest.raises(WorkerLost):  # noqa: PT012 - what came before the loss counts
            async for event in pool.synthesize(say(crash_after=1)):
                got.append(event)  # noqa: PERF401 - a comprehension would lose what came before
        assert len(audio(got)) == 240
        await until(lambda: pool.state is ModelState.READY and len(loads(mark)) == 2)


async def test_a_poison_request_takes_two_workers_and_no_third(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with one_model(mark=str(mark)) as pool:
        with pytest.raises(WorkerLost):
            await speak(pool, say("poison", crash_after=0))
        for request in ("r", "another"):
            with pytest.raises(PoisonRequest):
                await speak(pool, say("poison", request=request, crash_after=0))
        assert len(audio(await speak(pool, say("no poison", chunks=1)))) == 240
        assert len(loads(mark)) == 3


@pytest.mark.parametrize("how", ["stopped", "blocked"])
async def test_a_worker_that_hangs_is_replaced(how: str, capfd: pytest.CaptureFixture[str]) -> None:
    limits = EngineLimits(ping_s=0.1, hang_s=0.5, restart_base_s=0.01, restart_max_s=0.1)
    async with one_model(limits) as pool:
        (before,) = children()
        if how == "stopped":
            os.kill(before.pid, signal.SIGSTOP)
            assert len(audio(await speak(pool, say()))) == 720  # waits, is lost unheard, and tried again
        else:
            with pytest.raises(WorkerLost):
                await speak(pool, say(block_after=1))
            assert len(audio(await speak(pool, say()))) == 720
            assert "_misbehave" in capfd.readouterr().err  # where it hung
        assert before.pid not in [p.pid for p in children()]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_gateway_that_was_held_up_itself_kills_no_worker(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"

    async def hold_up() -> None:
        limits = EngineLimits(ping_s=0.05, hang_s=0.2, restart_base_s=0.01)
        async with one_model(limits, mark=str(mark)) as pool:
            for _ in range(2):
                await asyncio.sleep(0.06)
                time.sleep(0.4)  # noqa: ASYNC251 - the event loop stands still on purpose
            await speak(pool, say())

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(hold_up())
    assert len(loads(mark)) == 1


async def test_loading_is_followed_from_outside() -> None:
    async with one_model(load_s=0.3, ready=False) as pool:
        assert pool.info is None
        seen = []
        while pool.state is not ModelState.READY:
            seen.append((pool.state, pool.detail))
            await asyncio.sleep(0.01)
        assert seen[0] == (ModelState.DECLARED, "") or seen[0] == (ModelState.LOADING, "starting")
        assert (ModelState.LOADING, "half") in seen
        assert pool.detail == ""
        assert pool.info is not None


async def test_a_request_waits_for_the_model_to_load() -> None:
    async with one_model(load_s=0.2, ready=False) as pool:
        assert len(audio(await speak(pool, say()))) == 720
    async with one_model(load_s=1000, ready=False) as pool:
        with pytest.raises(DeadlineExceeded, match="not ready in time") as caught:
            await speak(pool, say(within_s=0.3))
        assert caught.value.retry_after_s


async def test_a_model_that_fails_to_load_says_so_and_is_tried_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with one_model(load_fails=True, mark=str(mark), ready=False) as pool:
        await until(lambda: pool.state is ModelState.FAILED)
        assert pool.detail == "RuntimeError: no weights"
        with pytest.raises(Unavailable, match="no weights") as caught:
            await speak(pool, say())
        assert caught.value.retry_after_s is not None
        assert caught.value.retry_after_s >= 1
        assert pool.info is not None  # it could be described
        await until(lambda: len(loads(mark)) >= 3)
        assert len(children()) <= 1


async def test_a_model_that_crashes_while_it_loads_opens_the_circuit(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    limits = EngineLimits(ping_s=0.1, restart_base_s=0.01, restart_max_s=1000.0, crashes=2)
    async with one_model(limits, load_crashes=True, mark=str(mark), ready=False) as pool:
        with pytest.raises(Unavailable, match=r"the worker (died|cannot be reached)") as caught:
            await speak(pool, say())
        assert caught.value.retry_after_s is not None
        assert 900 < caught.value.retry_after_s <= 1000
        assert pool.state is ModelState.FAILED
        assert len(loads(mark)) == 2
        assert not children()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"describe_fails": True}, "unknown key 'describe_fails'"),
        ({"describe_gives": None}, "made from a mapping"),
        ({"describe_gives": {"kind": "juggling", "sample_rate": 1}}, "'juggling' is none of"),
        ({"when": dt.date(2024, 2, 29)}, "not JSON serializable"),
    ],
)
async def test_a_model_that_cannot_be_described_is_unavailable(fields: dict[str, Any], why: str) -> None:
    limits = EngineLimits(restart_base_s=0.01, restart_max_s=100.0, crashes=1)
    async with one_model(limits, preload="describe_fails" in fields, ready=False, **fields) as pool:
        with pytest.raises(Unavailable, match=why):
            await pool.describe(GUARD_S)
        with pytest.raises(Unavailable, match=why):
            await speak(pool, say())


async def test_a_backend_that_is_not_installed_is_unavailable() -> None:
    limits = EngineLimits(restart_base_s=0.01, restart_max_s=100.0, crashes=1)
    async with running(ModelSpec("m", "nowhere"), limits=limits, ready=False) as engine:
        with pytest.raises(Unavailable, match=r"'nowhere' is not installed here; installed: .*scripted"):
            await engine.pools["m"].describe(GUARD_S)


async def test_a_description_that_takes_too_long_is_unavailable() -> None:
    async with one_model(describe_s=1000, ready=False) as pool:
        with pytest.raises(Unavailable, match="not ready in time"):
            await pool.describe(0.05)


async def test_a_model_that_is_not_preloaded_is_described_then_loaded_when_asked_for(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with one_model(preload=False, mark=str(mark), ready=False) as pool:
        assert (await pool.describe(GUARD_S)).sample_rate == 24000
        await until(lambda: pool.state is ModelState.DESCRIBED and not children())
        assert loads(mark) == []
        assert len(audio(await speak(pool, say()))) == 720
        assert len(loads(mark)) == 1


async def test_a_request_that_comes_while_the_model_is_described_loads_it() -> None:
    async with one_model(preload=False, describe_s=0.1, ready=False) as pool:
        assert len(audio(await speak(pool, say()))) == 720


async def test_an_idle_model_ends_its_process_and_comes_back(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with one_model(idle_unload_s=0.1, mark=str(mark)) as pool:
        for life in (1, 2):
            await speak(pool, say(chunks=3, pause_s=0.1))  # longer than it may idle, but not idle
            assert len(loads(mark)) == life
            await until(lambda: pool.state is ModelState.UNLOADED)
            assert not children()
            assert pool.info is not None
            assert pool.in_flight == 0


async def test_unloading_and_new_requests_race_and_none_is_lost() -> None:
    async with one_model(idle_unload_s=0.02) as pool:
        for n in range(7):
            assert len(audio(await speak(pool, say()))) == 720
            await asyncio.sleep(0.008 * n)


def _idle_worker(tmp_path: Path, idle_s: float | None) -> tuple[Worker, Link]:
    worker = Worker(
        spec(idle_unload_s=idle_s),
        device=None,
        name="w",
        limits=LIMITS,
        run_dir=tmp_path,
        on_change=lambda: None,
        log_requests=False,
    )
    worker.state = ModelState.READY
    return worker, Link("unix:///nowhere", lambda: None, lambda: None)


async def test_work_between_two_looks_counts_as_work(tmp_path: Path) -> None:
    worker, link = _idle_worker(tmp_path, 10.0)
    start = link.used_at
    assert not worker._idle(link, start + 9.0)
    link.used_at = start + 9.5  # a short request came and went unseen
    assert not worker._idle(link, start + 11.0)
    assert not worker._idle(link, start + 19.0)
    assert worker._idle(link, start + 20.0)
    never, link = _idle_worker(tmp_path, None)
    assert not never._idle(link, start + 1e9)


async def test_one_worker_per_device_and_number_and_load_is_shared() -> None:
    async with one_model(devices=("cuda:1", "cuda:2"), workers=2, slots=1) as pool:
        assert len(pool.workers) == 4
        assert len({p.pid for p in children()}) == 4
        events = await asyncio.gather(
            *(speak(pool, say(say_device=True, request=str(n), chunks=2, pause_s=0.1)) for n in range(4))
        )
        assert sorted(int(audio(e)[0]) for e in events) == [1, 1, 2, 2]


async def test_a_voice_goes_to_the_worker_that_knows_it_while_that_has_room() -> None:
    async with one_model(workers=3, slots=2) as pool:
        voices = [voice(100 + n) for n in range(6)]
        homes: dict[str, int] = {}
        for _ in range(3):
            for who in voices:
                (pid,) = set(audio(await speak(pool, say(say_pid=True), who)).tolist())
                assert homes.setdefault(who.key, pid) == pid
        await asyncio.gather(*(speak(pool, say(chunks=2, pause_s=0.1, request=str(n)), voices[0]) for n in range(6)))
        await asyncio.sleep(2 * LIMITS.ping_s)
        assert all(worker.status.voices for worker in pool.workers)  # the overflow went elsewhere


async def test_a_worker_that_was_unloaded_is_woken_when_the_others_are_full() -> None:
    async with one_model(workers=2, slots=1) as pool:
        first, second = pool.workers
        await second.link.connection.drain() if second.link else None
        second.state = ModelState.UNLOADED  # as after a quiet time
        second._wanted.clear()
        await asyncio.gather(*(speak(pool, say(request=str(n), pause_s=0.05)) for n in range(2)))
        assert second._wanted.is_set()
        assert first.state is ModelState.READY


@pytest.mark.parametrize("missing", ["/nonexistent/python", __file__])
async def test_an_interpreter_that_cannot_be_started_is_named(missing: str) -> None:
    limits = EngineLimits(restart_base_s=0.01, restart_max_s=100.0, crashes=1)
    async with one_model(limits, python=missing, ready=False) as pool:
        with pytest.raises(Unavailable, match="cannot be started"):
            await pool.describe(GUARD_S)
