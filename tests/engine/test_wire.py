"""Frames, addresses, credit: over real sockets wherever there is one."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import msgpack
import pytest

from tests.engine.kit import GUARD_S, Peer, listening, until
from voicegw.engine import wire
from voicegw.engine.wire import MAX_FRAME, PIECE, Connection, Credit, FrameReader, Window, WireError

FRAMES: list[list[Any]] = [
    ["ping", 1],
    ["open", 7, "synthesize", {"utterance": {"text": "tête à tête \ud83d\ude00 \udcff"}}, 65536],
    ["event", 7, "audio", 12.5, bytes(range(256)) * 200],
    ["x"],
    ["error", 2**63, {"message": None, "nested": [[], {}, [1.5, True]]}],
]


def framed(*frames: list[Any]) -> bytes:
    return b"".join(wire.encode(frame) for frame in frames)


def raw(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000, 10**6])
def test_frames_come_out_whole_however_the_bytes_arrive(size: int) -> None:
    reader, data = FrameReader(), framed(*FRAMES)
    got = [f for i in range(0, len(data), size) for f in reader.feed(data[i : i + size])]
    assert got == FRAMES


def test_an_unfinished_frame_is_kept_and_nothing_more() -> None:
    reader = FrameReader()
    whole = framed(["ping", 1])
    assert list(reader.feed(framed(*FRAMES) + whole[:-1])) == FRAMES
    assert len(reader._rest) == len(whole) - 1
    assert list(reader.feed(whole[-1:])) == [["ping", 1]]
    assert not reader._rest


BROKEN = {
    "a length over the limit": struct.pack(">I", MAX_FRAME + 1),
    "a length of 2^32 - 1": b"\xff" * 64,
    "no msgpack": raw(b"\xc1garbage"),
    "text after the value": raw(msgpack.packb(["ping", 1]) + b"!"),
    "cut short": raw(msgpack.packb(["ping", "long enough to be cut"])[:-4]),
    "nothing": raw(b""),
    "a map": raw(msgpack.packb({"ping": 1})),
    "an empty list": raw(msgpack.packb([])),
    "no name": raw(msgpack.packb([1, "ping"])),
    "a key that is no text": raw(b"\x92\xa1x\x81\x01\x02"),
    "nested 5,000 deep": raw(b"\x91" * 5000 + b"\xc0"),
    "text that is no UTF-8": raw(b"\x91\xa2\xff\xfe"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_frame_is_an_error_after_the_frames_before_it(data: bytes) -> None:
    frames = FrameReader().feed(framed(["ping", 1]) + data)
    assert next(frames) == ["ping", 1]
    with pytest.raises(WireError):
        next(frames)


def test_a_frame_of_just_the_limit_passes_and_a_byte_more_does_not() -> None:
    room = MAX_FRAME - len(msgpack.packb(["x", b""])) - 3  # a long byte string has a head of 5 bytes instead of 2
    (got,) = FrameReader().feed(wire.encode(["x", bytes(room)]))
    assert len(got[1]) == room
    with pytest.raises(WireError, match="over the limit"):
        wire.encode(["x", bytes(room + 1)])


@pytest.mark.parametrize("value", [object(), 2**64, {1, 2}], ids=["an object", "a number of 65 bits", "a set"])
def test_what_has_no_wire_form_is_a_wire_error(value: object) -> None:
    with pytest.raises(WireError, match="cannot be encoded"):
        wire.encode(["x", value])


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_both_ways_over_a_real_socket(kind: str) -> None:
    async with listening(kind) as (address, peers):
        here = Peer()
        await wire.connect(address, here.connection)
        await until(lambda: peers and peers[0].made.is_set())
        for frame in FRAMES:
            here.send(*frame)
            peers[0].send(*frame)
        assert [await peers[0].get(f[0]) for f in FRAMES] == FRAMES
        assert [await here.get(f[0]) for f in FRAMES] == FRAMES
        here.connection.close()
        assert await peers[0].lost is None
        assert await here.lost is None


async def test_bytes_one_by_one_over_a_real_socket() -> None:
    async with listening() as (address, peers):
        _, writer = await asyncio.open_unix_connection(address.removeprefix("unix://"))
        for byte in framed(["ping", 1], ["ping", 2]):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert await peers[0].get("ping") == ["ping", 1]
        assert await peers[0].get("ping") == ["ping", 2]
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_no_frame_ends_the_connection_with_the_reason(data: bytes) -> None:
    async with listening() as (address, peers):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix://"))
        writer.write(framed(["ping", 1]) + data)
        async with asyncio.timeout(GUARD_S):
            assert await reader.read() == b""
            assert isinstance(await peers[0].lost, WireError)
        assert await peers[0].get("ping") == ["ping", 1]
        writer.close()


@pytest.mark.parametrize("error", [KeyError("a"), IndexError(), TypeError(), ValueError(), AttributeError()])
async def test_a_frame_that_its_reader_chokes_on_ends_the_connection(error: Exception) -> None:
    lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def choke(_frame: wire.Frame) -> None:
        raise error

    async with listening() as (address, peers):
        await wire.connect(address, Connection(choke, lost.set_result))
        await until(lambda: peers and peers[0].made.is_set())
        peers[0].send("ping", 1)
        fault = await lost
        assert isinstance(fault, WireError)
        assert type(error).__name__ in str(fault)


async def test_after_the_end_nothing_is_sent_and_nobody_waits() -> None:
    async with listening() as (address, peers):
        here = Peer()
        assert not here.connection.connected
        here.send("ping", 0)
        await wire.connect(address, here.connection)
        assert here.connection.connected
        await until(lambda: peers and peers[0].made.is_set())
        for _ in range(300):  # more than the kernel takes while nobody reads
            here.send("event", bytes(PIECE))
        there = peers[0].connection._transport
        assert there is not None
        there.pause_reading()
        waiting = asyncio.create_task(here.connection.drain())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        here.connection.abort()
        await waiting
        await here.lost
        assert not here.connection.connected
        here.send("ping", 1)
        here.connection.close()
        here.connection.abort()
        await here.connection.drain()


async def test_a_sender_that_waits_goes_on_when_the_peer_reads() -> None:
    async with listening() as (address, peers):
        here = Peer()
        await wire.connect(address, here.connection)
        for _ in range(100):
            here.send("event", bytes(PIECE))
            await here.connection.drain()
        for _ in range(100):
            assert len((await peers[0].get("event"))[1]) == PIECE


async def test_credit_is_spent_and_waited_for() -> None:
    credit = Credit(10)
    await credit.take(6)
    await credit.take(6)  # falls below zero by less than one piece
    third = asyncio.create_task(credit.take(1))
    await asyncio.sleep(0)
    credit.grant(1)  # still below zero
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not third.done()
    credit.grant(2)
    await third


async def test_a_cancelled_wait_for_credit_spends_none() -> None:
    credit = Credit(0)
    waiting = asyncio.create_task(credit.take(5))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    credit.grant(1)
    credit.grant(1)
    await credit.take(1)
    assert credit._amount == 1


@pytest.mark.parametrize("size", [1, 3, 4, 100, 65536])
async def test_credit_and_window_never_lock_up(size: int) -> None:
    credit = Credit(size)
    window = Window(size, credit.grant)
    async with asyncio.timeout(GUARD_S):
        for piece in [1, size, 2 * size, 1, 1, 3] * 20:
            await credit.take(piece)
            window.consumed(piece)


def test_a_window_gives_back_in_lumps_what_was_consumed() -> None:
    grants: list[int] = []
    window = Window(400, grants.append)
    for _ in range(25):
        window.consumed(30)
    assert grants == [120] * 6
    window.consumed(400)
    assert sum(grants) == 25 * 30 + 400


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE])
def test_bulk_is_cut_into_pieces(length: int) -> None:
    data = bytes(i % 251 for i in range(length))
    cut = list(wire.pieces(data))
    assert b"".join(cut) == data
    assert all(len(piece) <= PIECE for piece in cut)
    assert list(wire.pieces(memoryview(data))) == cut


def test_addresses() -> None:
    assert wire.parse_address("unix:///run/w.1") == ("unix", "/run/w.1")
    assert wire.parse_address("tcp://127.0.0.1:7000") == ("tcp", "127.0.0.1:7000")


@pytest.mark.parametrize(
    "address", ["", "unix://", "unix://host/path", "/run/w", "tcp://host", "tcp://:7000", "http://host:80", "tcp://h:x"]
)
async def test_what_is_no_address(address: str) -> None:
    with pytest.raises(WireError, match="not a worker address"):
        wire.parse_address(address)
    with pytest.raises(WireError, match="not a worker address"):
        await wire.connect(address, Peer().connection)


async def test_nobody_listens() -> None:
    with pytest.raises(OSError, match=r"."):
        await wire.connect("unix:///nonexistent/socket", Peer().connection)
