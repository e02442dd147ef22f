"""Whose fault it is when an upload is not decoded: told against decode workers that end in every way there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import numpy as np
import pytest

from voicegw.audio.decode import Decoder, pieces
from voicegw.backend import AudioChunk, DecodeDone, DecodeEvent, DecodeOptions, InvalidRequest, RequestMeta
from voicegw.engine.spec import EngineLimits, ModelSpec
from voicegw.errors import BackendFailed, DeadlineExceeded, Overloaded, Unavailable, VoicegwError, WorkerLost

DONE = DecodeDone(0.25, "wav", "pcm_s16le", 16_000, 1)
SOUND = np.arange(4_000, dtype=np.int16)


class Pool:
    """Decode workers that take the upload, as far as they want it, and then do as their script says."""

    def __init__(self, *script: DecodeEvent | Exception, pieces_taken: int | None = None) -> None:
        self.script = script
        self.pieces_taken = pieces_taken
        self.asked: list[DecodeOptions] = []

    async def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        self.asked.append(options)
        taken = 0
        while self.pieces_taken is None or taken < self.pieces_taken:
            try:
                await anext(data)
            except StopAsyncIteration:
                break
            taken += 1
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            yield step


def decoder_of(pool: Pool, max_s: float = 60.0) -> Decoder:
    decoder = Decoder(ModelSpec("decode", "decode"), EngineLimits(), max_s)
    decoder.pool = pool  # type: ignore[assignment]  # what it is asked for is all that counts
    return decoder


def options(max_s: float = 30.0) -> DecodeOptions:
    return DecodeOptions(RequestMeta("r"), 16_000, max_s)


async def test_a_clip_is_all_of_the_audio_and_what_it_was() -> None:
    pool = Pool(AudioChunk(SOUND[:1_000]), AudioChunk(SOUND[1_000:]), DONE)
    clip = await decoder_of(pool).clip(pieces(b"abc"), options())
    assert clip.pcm.tolist() == SOUND.tolist()
    assert clip.pcm.dtype == np.int16
    assert clip.source == DONE


async def test_events_come_as_they_are_made() -> None:
    script: list[DecodeEvent] = [AudioChunk(SOUND[:1_000]), AudioChunk(SOUND[1_000:]), DONE]
    async with aclosing(decoder_of(Pool(*script)).decode(pieces(b"abc"), options())) as events:
        assert [event async for event in events] == script


@pytest.mark.parametrize(("asked", "granted"), [(30.0, 30.0), (90.0, 60.0), (60.0, 60.0)])
async def test_no_request_gets_more_than_the_limit(asked: float, granted: float) -> None:
    pool = Pool(DONE)
    await decoder_of(pool).clip(pieces(b"abc"), options(asked))
    assert [each.max_s for each in pool.asked] == [granted]


LOST = WorkerLost("the worker was lost while it served the request")
STALLED = BackendFailed("the model gave nothing for 60 s", code="stalled")


@pytest.mark.parametrize("fault", [LOST, STALLED])
@pytest.mark.parametrize("heard", [(), (AudioChunk(SOUND),)])
async def test_a_worker_that_ends_of_an_upload_makes_it_a_bad_one(
    fault: Exception, heard: tuple[DecodeEvent, ...]
) -> None:
    pool = Pool(*heard, fault)
    with pytest.raises(InvalidRequest) as caught:
        await decoder_of(pool).clip(pieces(b"abc"), options())
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "audio_undecodable", "file")
    assert error.should_retry is False
    assert len(pool.asked) == 1  # it is not tried again
    assert "worker" not in error.message


@pytest.mark.parametrize("taken", [0, 1])
async def test_a_worker_that_ends_before_it_had_the_upload_does_not(taken: int) -> None:
    with pytest.raises(Unavailable) as caught:
        await decoder_of(Pool(LOST, pieces_taken=taken)).clip(pieces(b"abc"), options())
    assert caught.value.retry_after_s == 1.0


FAULTS: list[Callable[[], VoicegwError]] = [
    lambda: InvalidRequest("The file is empty.", param="file", code="audio_too_short"),
    lambda: Overloaded("full", retry_after_s=2.0),
    lambda: Unavailable("none"),
    lambda: DeadlineExceeded("late"),
    lambda: BackendFailed("the model failed on this request (ZeroDivisionError)"),
]


@pytest.mark.parametrize("make", FAULTS)
async def test_every_other_fault_is_what_it_was(make: Callable[[], VoicegwError]) -> None:
    fault = make()
    with pytest.raises(type(fault)) as caught:
        await decoder_of(Pool(fault)).clip(pieces(b"abc"), options())
    assert caught.value is fault


async def test_what_the_source_raises_is_raised() -> None:
    async def source() -> AsyncGenerator[bytes, None]:
        yield b"abc"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await decoder_of(Pool(DONE)).clip(source(), options())


async def test_decoding_that_ends_without_its_last_event_is_a_failure() -> None:
    with pytest.raises(BackendFailed):
        await decoder_of(Pool(AudioChunk(SOUND))).clip(pieces(b"abc"), options())


async def test_whoever_is_cancelled_closes_what_decodes() -> None:
    closed = asyncio.Event()

    class Endless(Pool):
        async def decode(self, data: AsyncIterator[bytes], asked: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
            del data, asked
            try:
                yield AudioChunk(SOUND)
                await asyncio.Event().wait()
            finally:
                closed.set()

    work = asyncio.create_task(decoder_of(Endless()).clip(pieces(b"abc"), options()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert closed.is_set()
