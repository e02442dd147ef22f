"""How streams end before their time: cancelled, failed with a step, closed. The slot must be free in each case."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from tests.support.scripted_runner import ScriptedRunner, utterance, whole
from tests.support.scripted_scheduler import exhaust, hear, held, running, until
from voicegw.backend import BackendFailed
from voicegw.backend.slots import SlotLimits, SlotScheduler
from voicegw.errors import Unavailable

ENDLESS = 10**9


async def test_cancelled_between_chunks_the_slot_is_closed_before_the_next_step() -> None:
    runner, at_yield = ScriptedRunner(), asyncio.Event()

    async def listen(scheduler: SlotScheduler[Any]) -> None:
        async with aclosing(scheduler.synthesize(utterance(steps=ENDLESS))) as events:
            async for _ in events:
                at_yield.set()
                await asyncio.Event().wait()

    async with running(runner, limits=SlotLimits(pending_s=1000.0)) as scheduler:
        task = asyncio.create_task(listen(scheduler))
        await at_yield.wait()
        await held(runner)
        steps = len(runner.plans)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        runner.gate.set()
        await until(lambda: bool(runner.closed))
        assert len(runner.plans) == steps + 1, "the step that it stood in, and none after"
        assert scheduler.stats().open == 0


async def test_cancelled_inside_anext_the_slot_is_closed_before_the_next_step() -> None:
    runner = ScriptedRunner(first_render=ENDLESS)
    async with running(runner) as scheduler:
        other = asyncio.create_task(hear(scheduler, utterance("other", steps=ENDLESS)))
        await until(lambda: bool(runner.plans))
        task = asyncio.create_task(hear(scheduler, utterance("cancelled", steps=ENDLESS)))
        await until(lambda: scheduler.stats().open == 2)
        await held(runner)
        steps = len(runner.plans)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        runner.gate.set()
        await until(lambda: len(runner.plans) > steps + 1)
        assert 1 in runner.plans[steps].decode
        assert all(1 not in plan.decode for plan in runner.plans[steps + 1 :])
        assert runner.closed == [1]
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


async def test_cancelled_while_it_waits_it_never_opens() -> None:
    runner = ScriptedRunner(slots=1)
    async with running(runner) as scheduler:
        runner.gate.clear()
        first = asyncio.create_task(hear(scheduler, utterance("first")))
        await held(runner)
        second = asyncio.create_task(hear(scheduler, utterance("second")))
        third = asyncio.create_task(hear(scheduler, utterance("third")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        runner.gate.set()
        await asyncio.gather(first, third)
    assert [text for _, _, text in runner.opened] == ["first", "third"]


async def test_a_thousand_that_go_away_leave_nothing() -> None:
    runner = ScriptedRunner(slots=8, late=True)
    async with running(runner) as scheduler:
        for n in range(0, 1000, 50):
            tasks = [asyncio.create_task(hear(scheduler, utterance(str(n + k), steps=ENDLESS))) for k in range(50)]
            await asyncio.sleep(0.001)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: scheduler.stats().open == scheduler.stats().waiting == 0)
        assert not runner.seats
        good = utterance("good")
        assert np.array_equal(await hear(scheduler, good), whole(good))


@pytest.mark.parametrize("late", [False, True])
async def test_a_failed_step_fails_the_open_ones_and_the_scheduler_goes_on(late: bool) -> None:
    runner = ScriptedRunner(slots=2, late=late)
    async with running(runner) as scheduler:
        runner.gate.clear()
        bad = asyncio.create_task(hear(scheduler, utterance("bad", fail_step=2)))
        mate = asyncio.create_task(hear(scheduler, utterance("mate", steps=50)))
        await held(runner)
        spoken = utterance("waiting", steps=5)
        waiting = asyncio.create_task(hear(scheduler, spoken))
        await asyncio.sleep(0)
        runner.gate.set()
        errors = await asyncio.gather(bad, mate, return_exceptions=True)
        assert np.array_equal(await waiting, whole(spoken))
        assert scheduler.stats().failed_steps == 1
    assert [type(error) for error in errors] == [BackendFailed, BackendFailed]
    assert errors[0] is not errors[1]
    assert isinstance(errors[0], BackendFailed)
    assert "RuntimeError" in errors[0].message
    assert isinstance(errors[0].__cause__, RuntimeError)
    assert not runner.seats


async def test_a_failure_while_settling_is_the_failure_of_a_step() -> None:
    runner = ScriptedRunner(late=True, fail_settle=RuntimeError("lost"))
    async with running(runner, limits=SlotLimits(pending_s=0.01)) as scheduler:
        async with aclosing(scheduler.synthesize(utterance(steps=50))) as events:
            await anext(events)  # paused after the first chunk, so that the thread settles
            await until(lambda: runner.settled > 0)
            with pytest.raises(BackendFailed):
                await exhaust(events)
        assert scheduler.stats().failed_steps == 1
        runner.fail_settle = None
        good = utterance("good")
        assert np.array_equal(await hear(scheduler, good), whole(good))


async def test_a_slot_that_cannot_be_closed_stops_nobody() -> None:
    runner = ScriptedRunner(slots=1, fail_close=RuntimeError("stuck"))
    async with running(runner) as scheduler:
        for text in ("one", "two"):
            assert np.array_equal(await hear(scheduler, utterance(text)), whole(utterance(text)))
    assert runner.closed == [0, 0]


async def test_closing_ends_every_stream_every_slot_and_the_thread() -> None:
    runner = ScriptedRunner(slots=2)
    threads = set(threading.enumerate())
    async with running(runner, limits=SlotLimits(pending_s=0.05)) as scheduler:
        tasks = [asyncio.create_task(hear(scheduler, utterance(str(n), steps=ENDLESS))) for n in range(4)]
        await until(lambda: scheduler.stats().open == 2 and scheduler.stats().waiting == 2)
        await scheduler.close()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [Unavailable] * 4
        assert not runner.seats
        assert set(threading.enumerate()) == threads
        with pytest.raises(Unavailable):
            await hear(scheduler, utterance())
        with pytest.raises(Unavailable):
            await scheduler.call(int)
        await scheduler.close()


async def test_what_comes_while_it_closes_is_refused() -> None:
    runner = ScriptedRunner()
    async with running(runner) as scheduler:
        runner.gate.clear()
        first = asyncio.create_task(hear(scheduler, utterance("first", steps=ENDLESS)))
        await held(runner)
        closing = asyncio.create_task(scheduler.close())
        await asyncio.sleep(0)
        late = [asyncio.create_task(hear(scheduler, utterance("late"))), asyncio.create_task(scheduler.call(int))]
        cancelled = asyncio.create_task(scheduler.call(int))
        await asyncio.sleep(0)
        cancelled.cancel()
        runner.gate.set()
        await closing
        ends = await asyncio.gather(first, *late, cancelled, return_exceptions=True)
    assert [type(end) for end in ends] == [Unavailable] * 3 + [asyncio.CancelledError]


async def test_before_the_start_there_is_nothing_to_hear_or_close() -> None:
    scheduler: SlotScheduler[None] = SlotScheduler(ScriptedRunner())
    await scheduler.close()
    with pytest.raises(Unavailable):
        await hear(scheduler, utterance())
    await scheduler.start()
    with pytest.raises(RuntimeError, match="once"):
        await scheduler.start()
    await scheduler.close()


@pytest.mark.parametrize(("slots", "used"), [(None, 4), (2, 2), (9, 4)])
def test_the_runners_slots_are_the_most_that_are_used(slots: int | None, used: int) -> None:
    assert SlotScheduler(ScriptedRunner(slots=4), slots=slots).stats().slots == used


def test_a_scheduler_has_a_slot() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SlotScheduler(ScriptedRunner(slots=4), slots=0)


async def test_a_call_runs_between_steps_and_its_error_is_its_own() -> None:
    runner = ScriptedRunner()
    async with running(runner) as scheduler:
        spoken = utterance(steps=5000)
        listening = asyncio.create_task(hear(scheduler, spoken))
        await until(lambda: bool(runner.plans))
        assert await scheduler.call(lambda: len(runner.plans)) >= 1
        with pytest.raises(ZeroDivisionError):
            await scheduler.call(lambda: 1 // 0)
        await held(runner)
        ran: list[int] = []
        cancelled = asyncio.create_task(scheduler.call(lambda: ran.append(1)))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        runner.gate.set()
        assert np.array_equal(await listening, whole(spoken))
        assert not ran


def test_a_loop_that_closes_under_the_thread_ends_it() -> None:
    runner, loop = ScriptedRunner(), asyncio.new_event_loop()
    scheduler: SlotScheduler[None] = SlotScheduler(runner, name="orphan")

    async def leave_in_the_middle_of_a_step() -> None:
        await scheduler.start()
        runner.gate.clear()
        task = asyncio.create_task(hear(scheduler, utterance(steps=ENDLESS)))
        await held(runner)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    loop.run_until_complete(leave_in_the_middle_of_a_step())
    loop.close()
    runner.gate.set()
    until_s = time.monotonic() + 20
    while any(thread.name == "orphan" for thread in threading.enumerate()):
        assert time.monotonic() < until_s, "the thread goes on for nobody"
        time.sleep(0.001)
    assert not runner.seats


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_should_the_thread_itself_fail_nobody_waits_for_ever() -> None:
    runner = ScriptedRunner()
    broken = threading.Event()

    def clock() -> float:
        if broken.is_set():
            raise RuntimeError("no time")
        return time.monotonic()

    async with running(runner, clock=clock) as scheduler:
        listening = asyncio.create_task(hear(scheduler, utterance(steps=ENDLESS)))
        await until(lambda: bool(runner.plans))
        broken.set()
        with pytest.raises((Unavailable, BackendFailed)):
            await listening
        with pytest.raises(Unavailable):
            await hear(scheduler, utterance())
