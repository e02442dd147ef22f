"""The scheduler with its thread, driven by a scripted model: what consumers hear, and what the model is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from tests.support.scripted_runner import STEP, ScriptedRunner, utterance, whole
from tests.support.scripted_scheduler import exhaust, hear, held, running, until
from voicegw.backend import AudioChunk, WordTiming
from voicegw.backend.slots import SlotLimits

SEVERAL = [utterance(f"text {n}", steps=1 + 5 * n, prefill=30 * n) for n in range(9)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("tail", [False, True])
@pytest.mark.parametrize("first_render", [1, 4])
@pytest.mark.parametrize("slots", [1, 3, 16])
async def test_batched_equals_alone_equals_whole(slots: int, first_render: int, tail: bool, late: bool) -> None:
    runner = ScriptedRunner(slots=slots, first_render=first_render, tail=tail, late=late)
    async with running(runner, limits=SlotLimits(prefill_positions=50)) as scheduler:
        alone = [await hear(scheduler, spoken) for spoken in SEVERAL]
        batched = await asyncio.gather(*(hear(scheduler, spoken) for spoken in SEVERAL))
    for spoken, one, other in zip(SEVERAL, alone, batched, strict=True):
        assert np.array_equal(one, whole(spoken))
        assert np.array_equal(other, whole(spoken))
    assert not runner.seats
    assert max(len(plan.decode) for plan in runner.plans) <= slots


async def test_joined_mid_flight_equals_alone() -> None:
    runner, long, short = ScriptedRunner(), utterance("long", steps=40), utterance("short", steps=5, prefill=700)
    async with running(runner) as scheduler, aclosing(scheduler.synthesize(long)) as events:
        first = await anext(events)
        joined = await hear(scheduler, short)
        rest = [event async for event in events]
    assert np.array_equal(joined, whole(short))
    chunks = [event.pcm for event in [first, *rest] if isinstance(event, AudioChunk)]
    assert np.array_equal(np.concatenate(chunks), whole(long))


async def test_word_times_come_before_the_audio_they_start_in() -> None:
    async with running(ScriptedRunner(first_render=2)) as scheduler:
        heard = 0
        async for event in scheduler.synthesize(utterance(steps=7, words=True)):
            if isinstance(event, AudioChunk):
                heard += len(event.pcm)
            elif isinstance(event, WordTiming):
                assert event.start >= heard
    assert heard == 7 * STEP


async def test_every_call_of_the_model_comes_from_one_thread_that_is_not_the_loops() -> None:
    runner = ScriptedRunner(slots=2, late=True)
    async with running(runner) as scheduler:
        await asyncio.gather(*(hear(scheduler, spoken) for spoken in SEVERAL))
        voice_thread = await scheduler.call(threading.get_ident)
    assert runner.threads == {voice_thread}
    assert voice_thread != threading.get_ident()


async def test_what_is_owed_is_collected_when_nothing_is_left_to_plan() -> None:
    runner = ScriptedRunner(late=True)
    async with running(runner) as scheduler:
        spoken = utterance(steps=1, prefill=5)
        assert np.array_equal(await hear(scheduler, spoken), whole(spoken))
        await until(lambda: runner.settled > 0)
        assert scheduler.stats().open == 0


async def test_a_new_tenant_never_hears_what_is_owed_to_the_one_before() -> None:
    runner = ScriptedRunner(slots=1, late=True)
    async with running(runner) as scheduler:
        async with aclosing(scheduler.synthesize(utterance("old", steps=1000))) as events:
            await anext(events)
        new = utterance("new", steps=6)
        assert np.array_equal(await hear(scheduler, new), whole(new))
    assert [slot for slot, _, _ in runner.opened] == [0, 0]


async def test_more_utterances_than_slots_are_served_in_order() -> None:
    runner = ScriptedRunner(slots=2)
    async with running(runner) as scheduler:
        async with asyncio.TaskGroup() as group:
            for n in range(10):
                group.create_task(hear(scheduler, utterance(str(n))))
                await asyncio.sleep(0)
        assert [text for _, _, text in runner.opened] == [str(n) for n in range(10)]
    assert len(runner.closed) == 10
    assert set(runner.closed) <= {0, 1}


async def test_a_lagging_consumer_pauses_its_slot_and_no_other() -> None:
    runner = ScriptedRunner()
    async with running(runner, limits=SlotLimits(pending_s=0.1)) as scheduler:
        slow = utterance("slow", steps=300)
        async with aclosing(scheduler.synthesize(slow)) as events:
            chunks = [await anext(events)]
            await until(lambda: scheduler.stats().paused == 1)
            fast = utterance("fast", steps=300)
            assert np.array_equal(await hear(scheduler, fast), whole(fast))
            assert runner.seats[0].decoded <= 12, "ten steps may wait, one was taken, one was under way"
            chunks += [event async for event in events]
    heard = np.concatenate([event.pcm for event in chunks if isinstance(event, AudioChunk)])
    assert np.array_equal(heard, whole(slow))


@pytest.mark.parametrize("why", ["no work", "everybody paused"])
async def test_the_thread_sleeps_when_there_is_nothing_to_do(why: str) -> None:
    looks: list[float] = []

    def clock() -> float:
        looks.append(0.0)
        return 0.0

    spoken = utterance(steps=300 if why == "everybody paused" else 3)
    async with (
        running(ScriptedRunner(), limits=SlotLimits(pending_s=0.1), clock=clock) as scheduler,
        aclosing(scheduler.synthesize(spoken)) as events,
    ):
        await anext(events)
        await until(lambda: scheduler.stats().paused == 1 or scheduler.stats().open == 0)
        await asyncio.sleep(0.02)
        before = len(looks)
        await asyncio.sleep(0.1)
        assert len(looks) == before


async def test_one_step_is_one_callback_however_many_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = ScriptedRunner(slots=32)
    loop, calls = asyncio.get_running_loop(), []
    original = loop.call_soon_threadsafe

    def counting(callback: Callable[..., object], *args: Any, **options: Any) -> asyncio.Handle:
        calls.append(callback)
        return original(callback, *args, **options)

    async with running(runner) as scheduler:
        monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
        runner.gate.clear()
        tasks = [asyncio.create_task(hear(scheduler, utterance(str(n), steps=20))) for n in range(32)]
        await held(runner)
        runner.gate.set()
        await asyncio.gather(*tasks)
        monkeypatch.undo()
    assert len(calls) <= len(runner.plans)
    assert len(runner.plans) <= 22


async def test_an_opening_that_fails_is_that_utterances_error() -> None:
    runner = ScriptedRunner(slots=1)
    error = ValueError("no such voice")
    async with running(runner) as scheduler:
        bad = asyncio.create_task(hear(scheduler, utterance("bad", fail_open=error)))
        good = utterance("good")
        assert np.array_equal(await hear(scheduler, good), whole(good))
        with pytest.raises(ValueError, match="no such voice") as caught:
            await bad
    assert caught.value is error
    assert runner.closed == [0, 0]


async def test_an_error_of_one_utterance_leaves_the_others() -> None:
    runner = ScriptedRunner()
    async with running(runner) as scheduler:
        good = utterance("good", steps=30)
        listening = asyncio.create_task(hear(scheduler, good))
        async with aclosing(
            scheduler.synthesize(utterance("bad", fail_event=ZeroDivisionError(), fail_at=3))
        ) as events:
            heard = [await anext(events), await anext(events)]
            with pytest.raises(ZeroDivisionError):
                await exhaust(events)
        assert all(isinstance(event, AudioChunk) for event in heard), "what was said before the error is heard"
        assert np.array_equal(await listening, whole(good))
        assert scheduler.stats().failed_steps == 0
