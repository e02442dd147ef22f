"""How a voice comes to a worker that does not have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.kit import Peer, bare_worker, ended, say, voice
from voicegw.backend import Voice
from voicegw.engine import codec, wire
from voicegw.engine.spec import EngineLimits
from voicegw.engine.wire import PIECE


async def upload(peer: Peer, number: int, who: Voice) -> None:
    """Send a voice in pieces, as a gateway does."""
    header, data = codec.voice_header(who)
    peer.send("voice", number, header)
    for piece in wire.pieces(data):
        peer.send("voice_data", number, piece)
        await peer.connection.drain()


async def test_a_voice_that_is_missing_is_asked_for_and_comes_in_pieces() -> None:
    who = voice(200_000)  # 13 pieces
    async with bare_worker(gateways=2) as (peer, other):
        peer.open(1, say(chunks=1, samples=1), key=who.key)
        assert (await peer.get("need_voice"))[1:] == [1, who.key]
        await upload(peer, 1, who)
        spoken, _ = await ended(peer, 1)
        assert np.frombuffer(spoken, "<i2").tolist() == [200_000 % 32768]
        assert (await peer.status())["voices"] == 1
        other.open(1, say(chunks=1, samples=1), key=who.key)  # the worker has it, whoever brought it
        again, done = await ended(other, 1)
        assert (again, done["finish"], done["continuation"]) == (spoken, "stop", b"+")
        assert other.frames.empty()
        other.send("forget", who.key)
        assert (await other.status())["voices"] == 0
        assert (await other.status())["voice_bytes"] == 0


async def test_a_voice_of_another_key_is_refused() -> None:
    async with bare_worker() as (peer,):
        peer.open(1, say(), key="0" * 64)
        await peer.get("need_voice")
        await upload(peer, 1, voice())
        _, error = await ended(peer, 1)
        assert (error["kind"], error["param"]) == ("InvalidRequest", "voice")
        assert (await peer.idle())["voices"] == 0


@pytest.mark.parametrize("fault", ["too large", "more than announced", "no audio"])
async def test_a_voice_of_the_wrong_size_is_refused_and_not_kept(fault: str) -> None:
    limits = EngineLimits(voice_bytes=2 * PIECE)
    who = voice({"too large": PIECE, "more than announced": 10, "no audio": 0}[fault])
    async with bare_worker(limits) as (peer,):
        peer.open(1, say(), key=who.key)
        await peer.get("need_voice")
        if fault == "more than announced":
            peer.send("voice", 1, codec.voice_header(who)[0])
            peer.send("voice_data", 1, bytes(41))
        await upload(peer, 1, who)
        _, error = await ended(peer, 1)
        assert (error["kind"], error["param"]) == ("InvalidRequest", "voice")
        assert (await peer.idle())["voices"] == 0


async def test_a_voice_that_never_comes_costs_the_request_its_deadline_and_not_its_slot() -> None:
    async with bare_worker(slots=1) as (peer,):
        peer.open(1, say(within_s=0.05), key="k")
        _, error = await ended(peer, 1)
        assert (error["kind"], error["param"]) == ("DeadlineExceeded", "voice")
        peer.send("voice", 1, codec.voice_header(voice())[0])  # too late, and harmless
        peer.send("voice_data", 1, b"1234")
        await peer.idle()
        peer.open(2, say())
        assert (await ended(peer, 2))[1]["finish"] == "stop"


async def test_who_waits_for_a_voice_takes_over_when_its_bringer_goes() -> None:
    who = voice()
    async with bare_worker(gateways=2) as (peer, other):
        peer.open(1, say(chunks=1, samples=1), key=who.key)
        await peer.get("need_voice")
        other.open(1, say(chunks=1, samples=1), key=who.key)
        await other.status()
        peer.connection.abort()
        assert (await other.get("need_voice"))[2] == who.key
        await upload(other, 1, who)
        assert (await ended(other, 1))[1]["finish"] == "stop"


@pytest.mark.parametrize("fields", [{"clones": False}, {"prepare_fails": True}])
async def test_a_model_that_makes_nothing_of_a_voice(fields: dict[str, Any]) -> None:
    async with bare_worker(**fields) as (peer,):
        peer.open(1, say(), key=voice().key)
        await upload(peer, 1, voice()) if "clones" not in fields and await peer.get("need_voice") else None
        _, error = await ended(peer, 1)
        assert error["kind"] == ("InvalidRequest" if "clones" in fields else "BackendFailed")
        await peer.idle()
        peer.send("forget", "k")
        peer.open(2, say())
        assert (await ended(peer, 2))[1]["finish"] == "stop"
