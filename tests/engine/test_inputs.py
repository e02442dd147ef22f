"""Listening through a pool: what goes up arrives as it was, under credit, and what comes back is what was heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engine.kit import GUARD_S, LIMITS, bare_worker, children, one_model, running, say, until
from tests.support.adapters.voicegw_ears import told
from voicegw.backend import (
    Activity,
    AudioChunk,
    BackendFailed,
    DecodeDone,
    DecodeEvent,
    DecodeOptions,
    Hypothesis,
    InvalidRequest,
    Language,
    RequestMeta,
    TranscriptDone,
    TranscriptEvent,
    TranscriptionOptions,
    TranscriptSegment,
)
from voicegw.engine import codec
from voicegw.engine.inputs import Input
from voicegw.engine.operations import INPUT_BYTES, DetectRequest, EmbedRequest
from voicegw.engine.pool import ModelPool
from voicegw.engine.spec import EngineLimits, ModelSpec
from voicegw.engine.wire import PIECE, WireError
from voicegw.errors import DeadlineExceeded, Overloaded, WorkerLost

META = RequestMeta("r", start_within_s=GUARD_S)
NOISE = np.random.default_rng(3).integers(-32768, 32767, 16_000 * 25, endpoint=True).astype(np.int16)


@asynccontextmanager
async def ears(limits: EngineLimits = LIMITS, **config: Any) -> AsyncIterator[ModelPool]:
    """Run one listening model and give its pool."""
    async with running(ModelSpec("ears", "ears", parameters=config), limits=limits) as engine:
        yield engine.pools["ears"]


def options(**parameters: Any) -> TranscriptionOptions:
    return TranscriptionOptions(META, words=True, parameters=parameters)


async def pieces(samples: NDArray[np.int16], size: int = 1600) -> AsyncGenerator[NDArray[np.int16], None]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


async def heard(
    pool: ModelPool, audio: AsyncIterator[NDArray[np.int16]], asked: TranscriptionOptions
) -> list[TranscriptEvent]:
    async with asyncio.timeout(GUARD_S), aclosing(pool.transcribe(audio, asked)) as events:
        return [event async for event in events]


def texts(events: list[TranscriptEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, TranscriptSegment)]


def as_heard(samples: NDArray[np.int16]) -> str:
    return told(samples.astype(np.float32) / np.float32(32768))


@pytest.mark.parametrize("size", [1, 1600, 16_000 * 25, 40_001])
async def test_audio_arrives_to_the_sample_however_it_is_cut(size: int) -> None:
    audio = NOISE[:2000] if size == 1 else NOISE
    async with ears() as pool:
        events = await heard(pool, pieces(audio, size), options())
        whole = [audio[start : start + 160_000] for start in range(0, len(audio), 160_000)]
        assert events[0] == Language("en", 0.75)
        assert texts(events) == [as_heard(part) for part in whole]
        assert events[-1] == TranscriptDone(len(audio) / 16_000, 1, 2)
        segment = events[1]
        assert isinstance(segment, TranscriptSegment)
        assert segment.tokens == (1, 2, 3)
        assert [word.text for word in segment.words] == segment.text.split()


async def test_what_is_heard_comes_while_audio_still_goes_up() -> None:
    more = asyncio.Event()

    async def audio() -> AsyncGenerator[NDArray[np.int16], None]:
        yield NOISE[:16_000]
        await more.wait()
        yield NOISE[16_000:20_000]

    async with ears() as pool, asyncio.timeout(GUARD_S):
        async with aclosing(pool.transcribe(audio(), options(segment_s=1.0, hypotheses=True))) as events:
            seen = [await anext(events) for _ in range(3)]
            assert [type(event) for event in seen] == [Language, Hypothesis, TranscriptSegment]
            more.set()
            rest = [event async for event in events]
        assert texts([*seen, *rest]) == [as_heard(NOISE[:16_000]), as_heard(NOISE[16_000:20_000])]


async def test_nothing_is_taken_from_the_source_before_there_is_a_slot() -> None:
    taken = []

    async def audio() -> AsyncGenerator[NDArray[np.int16], None]:
        taken.append(1)
        yield NOISE[:160]

    async with ears(slots=1) as pool:
        holder = asyncio.create_task(heard(pool, pieces(NOISE[:16]), options(hang_after=0)))
        await until(lambda: pool.workers[0].status.running or pool.in_flight == 1)
        waiting = asyncio.create_task(heard(pool, audio(), options()))
        await until(lambda: pool.in_flight == 2)
        soon = replace(options(), meta=replace(META, start_within_s=0.05))
        with pytest.raises(DeadlineExceeded):
            await heard(pool, audio(), soon)
        assert not taken
        holder.cancel()
        assert texts(await waiting) == [as_heard(NOISE[:160])]
        assert taken == [1]


async def test_a_source_is_taken_no_further_than_the_credit() -> None:
    given = 0

    async def endless() -> AsyncGenerator[NDArray[np.int16], None]:
        nonlocal given
        while True:
            given += 2 * 1600
            yield NOISE[:1600]

    async with ears() as pool:
        work = asyncio.create_task(heard(pool, endless(), options(hang_after=0, read_nothing=True)))
        await until(lambda: given >= INPUT_BYTES)
        await asyncio.sleep(0.05)
        assert given <= INPUT_BYTES + 2 * PIECE
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await until(lambda: not pool.in_flight)
        assert texts(await heard(pool, pieces(NOISE[:160]), options())) == [as_heard(NOISE[:160])]


async def test_what_the_source_raises_is_raised_and_the_slot_is_free() -> None:
    async def broken() -> AsyncGenerator[NDArray[np.int16], None]:
        yield NOISE[:160]
        raise InvalidRequest("the upload broke off", param="file")

    async with ears(slots=1) as pool:
        with pytest.raises(InvalidRequest, match="broke off"):
            await heard(pool, broken(), options())
        assert texts(await heard(pool, pieces(NOISE[:160]), options())) == [as_heard(NOISE[:160])]


async def test_a_source_is_closed_where_the_listener_stops() -> None:
    closed = asyncio.Event()

    async def audio() -> AsyncGenerator[NDArray[np.int16], None]:
        try:
            while True:
                yield NOISE[:1600]
        finally:
            closed.set()

    async with ears() as pool, asyncio.timeout(GUARD_S):
        source = audio()
        async with aclosing(source), aclosing(pool.transcribe(source, options(segment_s=0.1))) as events:
            async for event in events:
                if isinstance(event, TranscriptSegment):
                    break
        await closed.wait()
        await until(lambda: not pool.in_flight)


@pytest.mark.parametrize(
    ("script", "kind"),
    [({"raise_after": 0}, BackendFailed), ({"no_done": True}, BackendFailed), ({"confuse": True}, BackendFailed)],
)
async def test_a_models_failure_is_this_requests_alone(script: dict[str, Any], kind: type[Exception]) -> None:
    async with ears(slots=1) as pool:
        with pytest.raises(kind) as caught:
            await heard(pool, pieces(NOISE[:16_000]), options(segment_s=0.5, **script))
        assert "secret" not in str(caught.value)
        assert texts(await heard(pool, pieces(NOISE[:160]), options())) == [as_heard(NOISE[:160])]


async def test_a_worker_that_dies_is_replaced_and_what_it_was_told_is_not_told_again() -> None:
    async with ears() as pool:
        with pytest.raises(WorkerLost):
            await heard(pool, pieces(NOISE[:16_000]), options(segment_s=0.5, crash_after=1))
        assert texts(await heard(pool, pieces(NOISE[:160]), options())) == [as_heard(NOISE[:160])]


async def test_a_request_that_waits_survives_the_death_of_its_worker() -> None:
    async with ears(slots=1) as pool:
        holder = asyncio.create_task(heard(pool, pieces(NOISE[:16]), options(hang_after=0)))
        await until(lambda: pool.in_flight == 1)
        waiting = asyncio.create_task(heard(pool, pieces(NOISE[:160]), options()))
        await until(lambda: pool.in_flight == 2)
        for child in children():
            child.kill()
        with pytest.raises(WorkerLost):
            await holder
        assert texts(await waiting) == [as_heard(NOISE[:160])]


async def test_a_model_that_gives_nothing_is_stalled_but_one_that_waits_for_us_is_not() -> None:
    async def slow() -> AsyncGenerator[NDArray[np.int16], None]:
        yield NOISE[:160]
        await asyncio.sleep(1.5)
        yield NOISE[160:320]

    async with ears(replace(LIMITS, stall_s=1.0)) as pool:
        assert texts(await heard(pool, slow(), options())) == [as_heard(NOISE[:320])]
        with pytest.raises(BackendFailed) as caught:
            await heard(pool, pieces(NOISE[:160]), options(hang_after=0))
        assert caught.value.code == "stalled"


async def test_a_full_queue_refuses() -> None:
    async with ears(replace(LIMITS, queue_per_slot=0), slots=1) as pool:
        holder = asyncio.create_task(heard(pool, pieces(NOISE[:16]), options(hang_after=0)))
        await until(lambda: pool.in_flight == 1)
        with pytest.raises(Overloaded):
            await heard(pool, pieces(NOISE[:160]), options())
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)


async def test_activity_comes_as_it_changes() -> None:
    audio = np.zeros(4000, np.int16)
    audio[1000:2500] = 7
    async with ears(kind="activity") as pool, aclosing(pool.detect(pieces(audio, 333), META)) as events:
        assert [event async for event in events] == [Activity(1000, True, 1.0), Activity(2500, False, 1.0)]


@pytest.mark.parametrize("clips", [[], [160], [160, 0, 3, 40_000]])
async def test_clips_are_embedded_in_their_order(clips: list[int]) -> None:
    async with ears(kind="embedding") as pool, asyncio.timeout(GUARD_S):
        made = await pool.embed([np.full(size, 16_384, np.int16) for size in clips], META)
        assert made.tolist() == [[0.5 if size else 0.0, size] for size in clips]
        assert made.dtype == np.float32


async def uploaded(pool: ModelPool, *data: bytes) -> list[DecodeEvent]:
    async def source() -> AsyncGenerator[bytes, None]:
        for piece in data:
            yield piece

    async with asyncio.timeout(GUARD_S), aclosing(pool.decode(source(), DecodeOptions(META, 16_000, 10.0))) as events:
        return [event async for event in events]


async def test_an_upload_is_decoded() -> None:
    data = NOISE[:200_000].tobytes()
    async with ears(kind="decode") as pool:
        *chunks, done = await uploaded(pool, data[:5], b"", data[5:])
        assert b"".join(chunk.pcm.tobytes() for chunk in chunks if isinstance(chunk, AudioChunk)) == data
        assert done == DecodeDone(12.5, "raw", "pcm_s16le", 16_000, 1)
        with pytest.raises(InvalidRequest, match="half a sample"):
            await uploaded(pool, data[:5])
        with pytest.raises(WorkerLost):
            await uploaded(pool, b"crash", data)
        assert len(await uploaded(pool, data[:4])) == 2


async def test_a_model_is_asked_for_its_own_kind_of_work_only() -> None:
    async with ears(kind="decode") as pool:
        with pytest.raises(InvalidRequest, match="does not know the operation 'transcribe'"):
            await heard(pool, pieces(NOISE[:160]), options())
    async with one_model() as pool:
        with pytest.raises(InvalidRequest, match="does not know the operation 'detect'"):
            _ = [event async for event in pool.detect(pieces(NOISE[:160]), META)]


async def test_input_that_nobody_asked_for_ends_the_connection() -> None:
    async with bare_worker(gateways=2) as (peer, other):
        peer.open(1, say(hang_after=0))
        await peer.get("start")
        peer.send("input", 1, b"12")
        async with asyncio.timeout(GUARD_S):
            await peer.lost
        assert (await other.idle())["running"] == 0


async def test_an_input_is_bounded_by_what_was_granted() -> None:
    granted: list[int] = []
    source: Input[bytes] = Input(granted.append, bytes)
    source.open()
    assert granted == [INPUT_BYTES]
    for _ in range(INPUT_BYTES // PIECE + 1):
        source.put(bytes(PIECE))
    with pytest.raises(WireError, match="credit"):
        source.put(b"x")
    assert len(await anext(source)) == PIECE
    assert granted[1:] == [PIECE]
    assert source.taken == PIECE


@pytest.mark.parametrize("request_", [DetectRequest(META), EmbedRequest(META, (1, 2)), options(a=1)])
def test_requests_come_back_equal(request_: Any) -> None:
    assert codec.build(type(request_), codec.plain(request_)) == request_
