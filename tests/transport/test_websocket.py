"""The way from HTTP to a WebSocket: the connection is handed over, and no clock of ours runs on."""

from __future__ import annotations

import asyncio

import pytest
import websockets
from starlette.types import Receive, Scope, Send

from tests.support.door import echo, opened
from tests.support.raw import PATIENCE_S, head, peer, post

SOON_S = 0.3
UPGRADE = head(
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    method="GET",
    path="/talk",
)


async def talk(scope: Scope, receive: Receive, send: Send) -> None:
    """Give back every message of a WebSocket; HTTP is echoed."""
    if scope["type"] != "websocket":
        await echo(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def test_it_outlives_every_clock_of_http() -> None:
    async with opened(talk, headers_s=SOON_S, keep_alive_s=SOON_S, write_idle_s=SOON_S) as door:
        async with websockets.connect(f"ws://127.0.0.1:{door.port}/talk") as socket:
            for word in ("one", "two"):
                await asyncio.sleep(2 * SOON_S)
                await socket.send(word)
                async with asyncio.timeout(PATIENCE_S):
                    assert await socket.recv() == word
            assert len(door.state.connections) == 1
        await door.until(0)


async def test_it_makes_no_room_for_others() -> None:
    async with opened(talk, most=1) as door, websockets.connect(f"ws://127.0.0.1:{door.port}/talk") as socket:
        async with peer(door.port) as other:
            assert [answer.status for answer in await other.closed()] == [503]
        await socket.send("still there")
        assert await socket.recv() == "still there"


async def test_half_a_handshake_has_the_time_of_a_head() -> None:
    async with opened(talk, headers_s=SOON_S) as door, peer(door.port) as half:
        half.send(UPGRADE[:-2])
        assert [answer.status for answer in await half.closed()] == [408]


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_on_a_connection_that_was_used(before: int) -> None:
    async with opened(talk) as door, peer(door.port) as client:
        for number in range(before):
            client.send(post({}))
            await client.answer(number)
        client.send(UPGRADE)
        assert await client.status(before) == 101


async def test_not_on_one_that_is_in_use() -> None:
    async with opened(talk) as door, peer(door.port) as client:
        client.send(post({}) + UPGRADE)
        assert [answer.status for answer in await client.closed()] == [200, 400]
