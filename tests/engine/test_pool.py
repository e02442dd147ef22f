"""Speaking through a pool: what comes out, what is refused, and what is given up when nobody listens any more."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.kit import GUARD_S, LIMITS, audio, one_model, running, say, speak, spec, until, voice
from voicegw.backend import AudioChunk, Mark, RequestMeta, SpeechDone, Utterance, WordTiming
from voicegw.engine import pool as pool_module
from voicegw.engine.poison import Poison
from voicegw.engine.pool import ModelPool
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.errors import (
    BackendFailed,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PoisonRequest,
    TextTooLong,
    VoicegwError,
)


async def test_speech_comes_out_as_it_was_made() -> None:
    async with one_model() as pool:
        before = time.monotonic()
        events = await speak(pool, say("tête \ud800", chunks=4, samples=3, words=True))
        assert events[0] == WordTiming(0, 3, 0, 6)
        assert audio(events).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert events[-1] == SpeechDone("stop", b"+")
        chunks = [e for e in events if isinstance(e, AudioChunk)]
        assert all(c.pcm.dtype == np.int16 for c in chunks)
        times = [c.at for c in chunks if c.at is not None]
        assert times == sorted(times)
        assert before < times[0]
        assert times[-1] < time.monotonic()
        whole = audio(await speak(pool, say(chunks=2, samples=200_000)))
        as_float = audio(await speak(pool, say(chunks=2, samples=200_000, float=True)))
        assert (whole == np.repeat([0, 1], 200_000)).all()
        assert (whole == as_float).all()


async def test_a_continuation_goes_from_utterance_to_utterance() -> None:
    async with one_model() as pool:
        done = (await speak(pool, say()))[-1]
        assert isinstance(done, SpeechDone)
        going_on = Utterance(RequestMeta("r"), "and on", continuation=done.continuation)
        assert (await speak(pool, going_on))[-1] == SpeechDone("stop", b"++")


async def test_a_voice_is_sent_once_for_49_that_need_it() -> None:
    async with one_model(slots=50, prepare_s=0.05) as pool:
        who = voice(123_456)
        said = await asyncio.gather(*(speak(pool, say(samples=1, request=str(n)), who) for n in range(49)))
        assert {tuple(audio(events).tolist()) for events in said} == {tuple((123_456 + n) % 32768 for n in range(3))}
        assert audio(await speak(pool, say(say_prepared=True, chunks=1, samples=1), who)).tolist() == [1]


async def test_errors_keep_their_class_and_leave_the_worker_alone(capfd: pytest.CaptureFixture[str]) -> None:
    cases: list[tuple[dict[str, Any], type[VoicegwError], str]] = [
        ({"raise_after": 0}, BackendFailed, "backend_failed"),
        ({"cancel_after": 1}, BackendFailed, "backend_failed"),
        ({"error": 5_000_000}, BackendFailed, "backend_failed"),
        ({"nan": True}, BackendFailed, "bad_audio"),
        ({"no_done": True}, BackendFailed, "backend_failed"),
        ({"too_long": 2}, TextTooLong, "text_too_long"),
        ({"seed": 2**70}, InvalidRequest, "invalid_value"),
    ]
    async with one_model(clones=False) as pool:
        for script, kind, code in cases:
            with pytest.raises(kind) as caught:
                await speak(pool, say("hush hush", **script))
            assert caught.value.code == code
            assert "hush" not in caught.value.message
            assert "secret" not in caught.value.message
        with pytest.raises(InvalidRequest) as caught:
            await speak(pool, say("hush hush"), voice())
        assert caught.value.param == "voice"
        assert pool.in_flight == 0
        assert len(audio(await speak(pool, say("hush hush")))) == 720
    assert "hush" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("how", ["cancelled", "closed", "dropped"])
async def test_a_listener_that_goes_frees_the_slot(how: str, tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    async with one_model(slots=1) as pool:
        stream = pool.synthesize(say(hang_after=1, cleaned=str(cleaned)))
        await anext(stream)
        if how == "cancelled":
            task = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif how == "closed":
            async with aclosing(stream):
                pass
        else:
            del stream
        await until(lambda: pool.in_flight == 0)
        assert len(audio(await speak(pool, say()))) == 720
        assert cleaned.read_text() == "cleaned\n"


async def test_200_listeners_that_go_leave_nothing() -> None:
    async with one_model(slots=20) as pool:

        async def go(n: int) -> None:
            async with aclosing(pool.synthesize(say(request=str(n), hang_after=n % 3))) as events:
                with suppress(TimeoutError):  # somewhere on its way: queued, started, speaking, done
                    async with asyncio.timeout(0.001 * (n % 7)):
                        async for _ in events:
                            pass

        for batch in range(10):
            await asyncio.gather(*(go(20 * batch + n) for n in range(20)))
        assert pool.in_flight == 0
        await until(lambda: pool.workers[0].status.running == 0)
        assert len(asyncio.all_tasks()) <= 3  # this one, and the worker's place
        assert len(audio(await speak(pool, say()))) == 720


async def test_a_slow_listener_gets_it_all_and_holds_little() -> None:
    limits = EngineLimits(ping_s=0.1, stream_bytes=16_000)
    async with one_model(limits, slots=2) as pool:
        script: dict[str, Any] = {"chunks": 200, "samples": 1000}
        slow = pool.synthesize(say(**script))
        got = [await anext(slow)]
        fast = audio(await speak(pool, say(request="fast", **script)))
        link = pool.workers[0].link
        assert link is not None
        (held,) = link._streams.values()
        assert sum(size for _, size in held._events) <= 16_000 + 2000  # type: ignore[misc]
        got += [event async for event in slow]
        assert (audio(got) == fast).all()
        assert len(fast) == 200_000


async def test_a_full_queue_is_overloaded_and_a_long_one_too_late() -> None:
    async with one_model(EngineLimits(ping_s=0.1, queue_per_slot=1), slots=1) as pool:
        running_one = pool.synthesize(say(hang_after=1))
        await anext(running_one)
        waiting = asyncio.create_task(speak(pool, say(request="waiting", within_s=0.3)))
        await until(lambda: pool.in_flight == 2)
        with pytest.raises(Overloaded) as caught:
            await speak(pool, say(request="too many"))
        assert caught.value.retry_after_s is not None
        with pytest.raises(DeadlineExceeded, match="no slot was free") as late:
            await waiting
        assert late.value.retry_after_s is not None
        await running_one.aclose()
        assert len(audio(await speak(pool, say()))) == 720


async def test_a_model_that_gives_nothing_is_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "GRACE_S", 0.0)
    async with one_model(slots=1) as pool:
        for script in ({"hang_after": 0}, {"hang_after": 0, "words": True}):
            with pytest.raises(DeadlineExceeded, match="gave no audio in time"):
                await speak(pool, say(within_s=0.1, **script))  # type: ignore[arg-type]
        assert len(audio(await speak(pool, say()))) == 720  # the slot is free again


async def test_a_model_that_stops_in_the_middle_is_given_up() -> None:
    async with one_model(EngineLimits(ping_s=0.1, stall_s=0.2), slots=1) as pool:
        with pytest.raises(BackendFailed) as caught:
            await speak(pool, say(hang_after=1))
        assert caught.value.code == "stalled"
        stream = pool.synthesize(say(chunks=30, samples=100_000))
        await anext(stream)
        await asyncio.sleep(0.4)  # a listener that pauses is no stall
        assert len([e async for e in stream if isinstance(e, AudioChunk)]) > 30
        assert len(audio(await speak(pool, say()))) == 720


async def test_models_live_side_by_side() -> None:
    async with running(spec("a", sample_rate=16000), spec("b", load_fails=True), ready=False) as engine:
        assert list(engine.pools) == ["a", "b"]
        assert (await engine.pools["a"].describe(GUARD_S)).sample_rate == 16000
        await until(lambda: engine.pools["b"].state is ModelState.FAILED)
        assert len(audio(await speak(engine.pools["a"], say()))) == 720
        stream = engine.pools["a"].synthesize(say(hang_after=1))
        await anext(stream)
        assert engine.active_streams() == 1
        await stream.aclose()
        assert engine.active_streams() == 0


def test_a_pool_without_workers_is_declared() -> None:
    pool = ModelPool(ModelSpec("m", "b"), LIMITS)
    assert (pool.state, pool.info, pool.detail, pool.in_flight) == (ModelState.DECLARED, None, "", 0)


def test_two_crashes_make_a_request_poison() -> None:
    poison, mine = Poison(), Poison.fingerprint(say("mine"), None)
    poison.check(mine)
    for _ in range(3):
        poison.crashed(mine, "one death, seen by three equal requests")
    poison.check(mine)
    poison.crashed(mine, "another")
    with pytest.raises(PoisonRequest):
        poison.check(mine)
    poison.check(Poison.fingerprint(say("yours"), None))


def test_what_was_served_after_a_crash_is_no_poison() -> None:
    poison = Poison()
    poison.crashed(b"a", "1")
    poison.forgive(b"a")
    poison.forgive(b"never seen")
    poison.crashed(b"a", "2")
    poison.check(b"a")


def test_poison_is_what_makes_the_same_work() -> None:
    same = Poison.fingerprint(say("text \ud800", request="a", tenant="a", x=1), voice())
    assert same == Poison.fingerprint(say("text \ud800", request="b", tenant="b", within_s=1.0, x=1), voice())
    others = [(say("text"), voice()), (say("text \ud800", x=2), voice()), (say("text \ud800", x=1), voice(7))]
    others.append((replace(say("text \ud800", x=1), marks=(Mark(0, 4, "ipa", "t"),)), voice()))
    assert same not in [Poison.fingerprint(*other) for other in others]


def test_poison_is_forgiven_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    poison = Poison(most=2, keep_s=60.0)
    poison.crashed(b"a", "1")
    poison.crashed(b"a", "2")
    now += 61.0
    poison.check(b"a")
    poison.crashed(b"a", "3")  # what is forgiven does not count again
    poison.check(b"a")
    poison.crashed(b"b", "4")
    poison.crashed(b"c", "5")
    assert list(poison._crashes) == [b"b", b"c"]
