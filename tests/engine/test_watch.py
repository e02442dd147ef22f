"""What the engine tells of its utterances: who waits, who has a slot, how long the model took, who was replaced."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.engine.kit import GUARD_S, LIMITS, bare_worker, children, ended, one_model, running, say, speak, spec, until
from tests.engine.test_link import linked, told
from voicegw.backend import SpeechDone
from voicegw.backend.slots import STEP_BUCKETS_S
from voicegw.engine import wire
from voicegw.engine.pool import ModelPool
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.errors import DeadlineExceeded, Unavailable, WorkerLost


@dataclass
class Heard:
    """All that a watch was told."""

    waited: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def admitted(self, waited_s: float) -> None:
        self.waited.append(waited_s)

    def spoken(self, took_s: float) -> None:
        self.took.append(took_s)


def counts(pool: ModelPool) -> tuple[int, int]:
    return pool.waiting, pool.running


async def take(pool: ModelPool, watch: Heard, *, pause_s: float) -> None:
    """Listen to twenty chunks of 10 ms each."""
    utterance = say(chunks=20, samples=240, pause_s=pause_s)
    async with asyncio.timeout(GUARD_S), aclosing(pool.synthesize(utterance, watch=watch)) as events:
        assert isinstance([event async for event in events][-1], SpeechDone)


async def test_a_watch_hears_of_the_wait_and_of_the_work() -> None:
    watch = Heard()
    async with one_model(slots=1) as pool:
        async with aclosing(pool.synthesize(say(hang_after=1))) as first:
            await anext(first)
            waiting = asyncio.create_task(take(pool, watch, pause_s=0.005))
            await until(lambda: pool.workers[0].status.waiting == 1)
            await asyncio.sleep(0.05)
            assert watch.waited == []
        await waiting
    assert [wait > 0.049 for wait in watch.waited] == [True]
    assert [took > 0.099 for took in watch.took] == [True]


async def test_waiting_to_be_heard_is_no_work() -> None:
    async with bare_worker() as (peer,):
        opened = time.monotonic()
        peer.open(1, say(chunks=2, samples=1000), credit=1000)
        await peer.get("event")
        for _ in range(10):  # by then the second chunk is made, and waits for credit
            await peer.status()
        slow = time.monotonic()
        await asyncio.sleep(0.2)
        slow_s = time.monotonic() - slow
        peer.send("credit", 1, 10_000)
        _, done = await ended(peer, 1)
        assert 0 <= done["took_s"] <= time.monotonic() - opened - slow_s


async def test_a_worker_of_before_that_does_not_tell_its_time_is_understood() -> None:
    watch = Heard()
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 1000, watch)
        number = (await peer.get("open"))[1]
        peer.send("start", number, 0.25)
        peer.send("done", number, {"finish": "stop"})
        assert await stream.next(GUARD_S) == SpeechDone()
    assert (watch.waited, watch.took) == ([0.25], [])


@pytest.mark.parametrize("frame", [["start", 1], ["start", 1, "soon"], ["done", 1, {"finish": "stop", "took_s": []}]])
async def test_figures_that_are_none_are_a_fault_of_the_worker(frame: list[object]) -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 1000, Heard())
        await peer.get("open")
        peer.send(*frame)
        await peer.lost
        with pytest.raises(WorkerLost):
            [await stream.next(GUARD_S) for _ in range(2)]


async def test_who_waits_and_who_has_a_slot_is_known_at_once_and_nobody_is_left() -> None:
    async with one_model(EngineLimits(ping_s=60.0, hang_s=120.0), slots=2) as pool:  # no word from the worker meanwhile
        assert counts(pool) == (0, 0)
        tasks = [asyncio.create_task(speak(pool, say(hang_after=0, request=str(n)))) for n in range(5)]
        await until(lambda: counts(pool) == (3, 2))
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        await until(lambda: counts(pool) == (2, 2))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert counts(pool) == (0, 0)
        await speak(pool, say())
        assert counts(pool) == (0, 0)


async def test_a_slot_is_given_back_with_the_last_frame_whoever_still_listens() -> None:
    async with one_model() as pool, aclosing(pool.synthesize(say(chunks=3))) as events:
        await anext(events)
        await until(lambda: counts(pool) == (0, 0))
        assert [type(event) async for event in events][-1] is SpeechDone


async def test_those_who_wait_for_a_worker_are_counted(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    slow = spec(load_s=1000.0, mark=str(mark))
    async with running(slow, ready=False) as engine:
        pool = engine.pools["m"]
        await until(mark.exists)
        waiting = [asyncio.create_task(speak(pool, say(request=str(n), within_s=1000.0))) for n in range(3)]
        await until(lambda: counts(pool) == (3, 0))
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert counts(pool) == (0, 0)


async def test_those_who_wait_until_a_model_is_described_are_counted() -> None:
    pool = ModelPool(ModelSpec("m", "scripted"), LIMITS)
    waiting = asyncio.create_task(pool.describe(1000.0))
    await until(lambda: pool.waiting == 1)
    pool.close()
    with pytest.raises(Unavailable):
        await waiting
    assert pool.waiting == 0
    with pytest.raises((DeadlineExceeded, Unavailable)):
        await ModelPool(ModelSpec("m", "scripted"), LIMITS).describe(0.0)


async def test_a_replaced_worker_is_counted_and_an_unloaded_one_is_not() -> None:
    async with one_model(idle_unload_s=0.2, preload=False, ready=False) as pool:
        (worker,) = pool.workers
        await speak(pool, say())
        assert (worker.serving, worker.restarts) == (worker.link, 0)
        await until(lambda: worker.state is ModelState.UNLOADED)
        assert (worker.serving, worker.restarts) == (None, 0)
        await speak(pool, say())
        assert worker.restarts == 0
    async with one_model() as pool:
        (worker,) = pool.workers
        for restarts in (1, 2):
            children()[0].kill()
            await until(lambda: worker.serving is None)
            await until(lambda count=restarts: worker.restarts == count and worker.serving)  # type: ignore[misc]


async def test_a_worker_without_slots_to_step_tells_of_no_steps() -> None:
    async with bare_worker() as (peer,):
        status = await peer.status()
        assert (status["step_counts"], status["step_total_s"]) == ([], 0.0)


async def test_steps_are_told_with_the_status() -> None:
    batching = ModelSpec("m", "tone", parameters={"step_ms": 80})
    async with running(batching) as engine:
        pool = engine.pools["m"]
        (worker,) = pool.workers
        await speak(pool, say("one two"))  # a second in steps of 80 ms: 13
        await until(lambda: sum(worker.status.step_counts) == 13)
        assert len(worker.status.step_counts) == len(STEP_BUCKETS_S) + 1
        assert worker.status.step_total_s > 0


async def test_credit_remembers_how_long_it_was_missing() -> None:
    credit = wire.Credit(10)
    await credit.take(10)
    assert credit.waited_s == 0.0
    waiting = asyncio.create_task(credit.take(1))
    await asyncio.sleep(0.05)
    credit.grant(1)
    await waiting
    assert credit.waited_s > 0.04


async def test_a_link_counts_only_those_that_began() -> None:
    async with linked() as (link, peer):
        first, _second = (link.synthesize(say(), None, 1000) for _ in range(2))
        assert (link.in_flight, link.running) == (2, 0)
        peer.send("start", (await peer.get("open"))[1], 0.0)
        await told(link, peer)
        assert (link.in_flight, link.running) == (2, 1)
        first.close()
        assert (link.in_flight, link.running) == (1, 0)
