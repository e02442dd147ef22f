"""The gateway's end of a connection, against a worker whose every frame the test writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from tests.engine.kit import GUARD_S, Peer, listening, say, until, voice
from voicegw.backend import AudioChunk, ModelInfo, SpeechDone, Voice, VoiceSample
from voicegw.engine import codec, wire
from voicegw.engine.link import Link
from voicegw.engine.spec import ModelState
from voicegw.engine.wire import PIECE, PROTOCOL
from voicegw.errors import BackendFailed, InvalidRequest, Overloaded, TextTooLong, WorkerLost

HELLO: dict[str, Any] = {"protocol": PROTOCOL, "info": codec.plain(ModelInfo("speech", 24000)), "state": "ready"}


class Heard:
    """What a link told its owner."""

    def __init__(self) -> None:
        self.changes = 0
        self.losses = 0

    def change(self) -> None:
        self.changes += 1

    def loss(self) -> None:
        self.losses += 1


@asynccontextmanager
async def linked(heard: Heard | None = None) -> AsyncIterator[tuple[Link, Peer]]:
    heard = heard or Heard()
    async with listening() as (address, peers):
        link = Link(address, heard.change, heard.loss)
        await link.connect()
        await until(lambda: peers and peers[0].made.is_set())
        try:
            yield link, peers[0]
        finally:
            link.close()
            async with asyncio.timeout(GUARD_S):
                await peers[0].lost


async def told(link: Link, peer: Peer) -> None:
    """Wait until the link has read all that the peer sent."""
    link.ping(0.0)
    number = (await peer.get("ping"))[1]
    peer.send("pong", number, {"state": "ready"})
    await until(lambda: link.silent_s(1.0) == 0.0)


async def test_the_greeting_is_taken_over() -> None:
    heard = Heard()
    async with linked(heard) as (link, peer):
        assert (link.status.state, link.info) == (ModelState.DECLARED, None)
        peer.send("hello", {**HELLO, "slots": 7, "of_next_year": True})
        await link.greeted.wait()
        assert (link.status.state, link.status.slots) == (ModelState.READY, 7)
        assert link.info == ModelInfo("speech", 24000)
        peer.send("status", {"state": "draining"})
        await until(lambda: link.status.state is ModelState.DRAINING)
        assert heard.changes == 2
    assert heard.losses == 1


async def test_another_protocol_is_refused_and_nothing_of_it_believed() -> None:
    async with linked() as (link, peer):
        peer.send("hello", {**HELLO, "protocol": PROTOCOL + 1})
        await link.greeted.wait()
        assert not link.connection.connected
        assert link.info is None
        assert f"protocol {PROTOCOL + 1}, not {PROTOCOL}" in link.fault


SENSELESS: list[list[Any]] = [
    ["hello"],
    ["hello", None],
    ["hello", {**HELLO, "state": "asleep"}],
    ["hello", {**HELLO, "info": {"kind": "speech"}}],
    ["pong", 1],
    ["event"],
    ["event", 1, "video", 0],
    ["event", 1, "audio", 0.0],
    ["event", 1, "audio", 0.0, b"odd"],
    ["event", 1, "audio", 0.0, "text"],
    ["event", 1, "word", 1],
    ["done", 1, {"finish": "never"}],
    ["done", 1],
    ["error", 1],
    ["error", 1, "text"],
    ["start", {}],
]


@pytest.mark.parametrize("frame", SENSELESS, ids=repr)
async def test_a_worker_that_makes_no_sense_is_lost_with_all_its_streams(frame: list[Any]) -> None:
    heard = Heard()
    async with linked(heard) as (link, peer):
        streams = [link.synthesize(say(), None, 1000) for _ in range(3)]
        await peer.get("open")
        peer.send("event", 2, "audio", 1.0, b"\x01\x00")
        peer.send(*frame)
        event = await streams[1].next(GUARD_S)  # what had come before is still there
        assert isinstance(event, AudioChunk)
        for stream in streams:
            with pytest.raises(WorkerLost):
                await stream.next(GUARD_S)
        assert not link.connection.connected
        assert link.in_flight == 0
        assert heard.losses == 1
        with pytest.raises(WorkerLost):
            link.synthesize(say(), None, 1000)


async def test_garbage_is_lost_too() -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 1000)
        assert peer.connection._transport is not None
        peer.connection._transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(WorkerLost, match="over the limit"):
            await stream.next(GUARD_S)


async def test_what_the_worker_answers_is_given_or_raised() -> None:
    async with linked() as (link, peer):
        errors = [
            Overloaded("full", retry_after_s=7.0),
            TextTooLong("long", fits_chars=11),
            BackendFailed("failed", code="bad_audio"),
        ]
        for error in errors:
            stream = link.synthesize(say(), None, 1000)
            peer.send("error", (await peer.get("open"))[1], error.to_wire())
            with pytest.raises(type(error)) as caught:
                await stream.next(GUARD_S)
            assert caught.value.to_wire() == error.to_wire()
        stream = link.synthesize(say(), None, 1000)
        number = (await peer.get("open"))[1]
        assert not stream.started
        peer.send("start", number, 0.5)
        peer.send("event", number, "word", 1, 2, 3, 4)
        peer.send("done", number, {"finish": "length", "continuation": b"x"})
        await stream.next(GUARD_S)
        assert stream.started
        assert await stream.next(GUARD_S) == SpeechDone("length", b"x")
        assert link.in_flight == 0
        peer.send("event", number, "audio", 1.0, b"\x01\x00")  # of a stream that is over
        peer.send("no such frame", number)
        await told(link, peer)
        assert link.connection.connected


async def test_waiting_for_an_event_has_an_end() -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 1000)
        with pytest.raises(TimeoutError):
            await stream.next(0.0)
        peer.send("event", (await peer.get("open"))[1], "audio", 1.0, b"\x01\x00")
        assert isinstance(await stream.next(GUARD_S), AudioChunk)


async def test_every_wait_has_its_own_end_though_one_timer_serves_them_all() -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 1000)
        number = (await peer.get("open"))[1]
        for within_s in (GUARD_S, 1.0, GUARD_S):  # the second one is due sooner than the first one was
            waiting = asyncio.create_task(stream.next(within_s))
            await asyncio.sleep(0)
            peer.send("event", number, "audio", 1.0, b"\x01\x00")
            assert isinstance(await waiting, AudioChunk)
        waiting = asyncio.create_task(stream.next(GUARD_S))
        await asyncio.sleep(0)
        timer = stream._alarm._timer
        assert timer is not None
        stream._alarm._ring()  # as the timer of an earlier wait does
        assert stream._alarm._timer is not None
        assert stream._alarm._timer.when() > timer.when()
        await asyncio.sleep(0)
        assert not waiting.done()
        peer.send("event", number, "audio", 1.0, b"\x02\x00")
        assert isinstance(await waiting, AudioChunk)
        stream._alarm._ring()  # between two waits nobody is to be told
        assert stream._alarm._timer is None
        with pytest.raises(TimeoutError):
            await stream.next(0.0)


async def test_a_stream_that_is_over_holds_no_timer() -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 1000)
        waiting = asyncio.create_task(stream.next(GUARD_S))
        peer.send("done", (await peer.get("open"))[1], {"finish": "stop"})
        await waiting
        assert stream._alarm._timer is None


async def test_a_stream_that_is_closed_is_cancelled_once() -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 1000)
        number = (await peer.get("open"))[1]
        for _ in range(3):
            stream.close()
        assert link.in_flight == 0
        link.ping(0.0)
        assert await peer.get("cancel", "ping") == ["cancel", number]
        assert (await peer.get("cancel", "ping"))[0] == "ping"
        done = link.synthesize(say(), None, 1000)
        number = (await peer.get("open"))[1]
        peer.send("done", number, {"finish": "stop"})
        await done.next(GUARD_S)
        done.close()
        done.lost(WorkerLost("too late to matter"))
        assert peer.frames.empty()


async def test_credit_goes_back_as_the_listener_takes() -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None, 4000)
        _, number, _, _, credit = await peer.get("open")
        assert credit == 4000
        for _ in range(4):
            peer.send("event", number, "audio", 1.0, bytes(1000))
        peer.send("event", number, "word", 1, 2, 3, 4)
        await told(link, peer)
        assert peer.frames.empty()  # nothing taken, nothing given
        for _ in range(5):
            await stream.next(GUARD_S)
        assert [await peer.get("credit") for _ in range(4)] == [["credit", number, 1000]] * 4


async def test_a_voice_goes_up_in_pieces_when_it_is_asked_for() -> None:
    who = voice(100_000)
    async with linked() as (link, peer):
        stream = link.synthesize(say(), who, 1000)
        _, number, _, header, _ = await peer.get("open")
        assert header["voice_key"] == who.key
        peer.send("need_voice", number, who.key)
        peer.send("need_voice", number, who.key)  # asking again changes nothing
        head = (await peer.get("voice"))[2]
        data = b""
        while len(data) < 400_000:
            piece = (await peer.get("voice_data", "voice"))[2]
            assert len(piece) <= PIECE
            data += piece
        got = codec.voice_of(head, data)
        assert got.key == who.key
        assert (got.samples[0].samples == np.float32(0.25)).all()
        stream.close()


async def test_an_upload_ends_with_its_stream() -> None:
    async with linked() as (link, peer):
        stream = link.synthesize(say(), voice(4_000_000), 1000)
        number = (await peer.get("open"))[1]
        assert peer.connection._transport is not None
        peer.connection._transport.pause_reading()
        peer.send("need_voice", number, "k")
        await until(lambda: stream._tasks)
        (upload,) = stream._tasks
        async with asyncio.timeout(GUARD_S):
            await stream.aclose()
        assert upload.cancelled()
        peer.connection._transport.resume_reading()


@pytest.mark.parametrize("who", [None, "a transcript that fits no frame"])
async def test_a_voice_that_cannot_be_sent_is_an_error(who: str | None) -> None:
    sample = VoiceSample(np.zeros(4, np.float32), 24000, "x" * (wire.MAX_FRAME + 1))
    async with linked() as (link, peer):
        stream = link.synthesize(say(), None if who is None else Voice.of(sample), 1000)
        peer.send("need_voice", (await peer.get("open"))[1], "k")
        with pytest.raises(InvalidRequest) as caught:
            await stream.next(GUARD_S)
        assert caught.value.param == "voice"
        stream.close()


@pytest.mark.parametrize("parameters", [{"x": "x" * wire.MAX_FRAME}, {"x": 2**64}, {"x": object()}], ids=len)
async def test_a_request_that_fits_no_frame_is_refused_and_leaves_nothing(parameters: dict[str, Any]) -> None:
    async with linked() as (link, peer):
        with pytest.raises(InvalidRequest):
            link.synthesize(say(**parameters), None, 1000)
        assert link.in_flight == 0
        await told(link, peer)


async def test_silence_counts_from_the_ping_or_the_last_word() -> None:
    async with linked() as (link, peer):
        assert link.silent_s(1e12) == 0.0
        link.ping(100.0)
        link.ping(200.0)  # one at a time
        assert link.silent_s(250.0) == 150.0
        peer.send("status", {"state": "ready"})  # no answer, but alive
        await until(lambda: link.status.state is ModelState.READY)
        heard = link._beat.heard
        assert link.silent_s(heard + 3.0) == 3.0
        peer.send("pong", (await peer.get("ping"))[1], {"state": "ready"})
        await until(lambda: link.silent_s(1e12) == 0.0)
        assert peer.frames.empty()


async def test_the_load_is_ours_now_and_that_of_others_when_last_told() -> None:
    async with linked() as (link, peer):
        mine = [link.synthesize(say(), None, 1000) for _ in range(2)]
        assert link.load == 2
        peer.send("status", {"state": "ready", "running": 4, "waiting": 1})  # ours and three of others
        await until(lambda: link.status.running == 4)
        assert link.load == 5
        for stream in mine:
            stream.close()
        assert link.load == 3  # ours are gone, without waiting for the worker to say so
        peer.send("status", {"state": "ready", "running": 0, "waiting": 0})
        await until(lambda: link.status.running == 0)
        assert link.load == 0


async def test_nobody_at_the_address() -> None:
    link = Link("unix:///nonexistent/worker", lambda: None, lambda: None)
    with pytest.raises(OSError, match=r"."):
        await link.connect()
    link.close()
    with pytest.raises(WorkerLost):
        link.synthesize(say(), None, 1)
