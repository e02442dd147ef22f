"""Clients that stop reading are cut off, and those that read slowly are not."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.door import opened, read_body
from tests.support.raw import PATIENCE_S, peer, post
from voicegw.transport.outflow import Outflow, bytes_taken

SOON_S = 0.4
PIECE = bytes(2**16)
MANY = 32 * 2**20
"""More than the buffers of two sockets hold."""


@asynccontextmanager
async def sending(size: int) -> AsyncGenerator[tuple[asyncio.Transport, socket.socket], None]:
    """Send so many bytes to a client that has not begun to read; gives the server's side and the client's."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[asyncio.Transport] = loop.create_future()

    class Sender(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(cast("asyncio.Transport", transport))

    server = await loop.create_server(Sender, "127.0.0.1", 0)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    with client:
        client.setblocking(False)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        transport = await accepted
        transport.write(bytes(size))
        yield transport, client
        transport.abort()
        server.close()


async def test_reading_a_little_within_the_time_is_enough() -> None:
    loop, outflow = asyncio.get_running_loop(), Outflow(60)
    async with sending(MANY) as (transport, client):
        for step in range(20):
            outflow.look([transport], 59.0 * step)
            before = bytes_taken(transport)
            async with asyncio.timeout(PATIENCE_S):
                while bytes_taken(transport) == before:
                    await loop.sock_recv(client, len(PIECE))
        assert not transport.is_closing()


async def test_not_reading_for_that_long_is_the_end() -> None:
    async with sending(MANY) as (transport, client), asyncio.timeout(PATIENCE_S):
        while not transport.is_closing():  # while the buffers fill, it looks as if somebody read
            outflow = Outflow(60)
            for now in (0.0, 59.0):
                outflow.look([transport], now)
            assert not transport.is_closing()
            outflow.look([transport], 60.0)
            await asyncio.sleep(0.05)
        with pytest.raises(ConnectionResetError):
            await drained(client)


async def drained(client: socket.socket) -> None:
    """Read to the end."""
    while await asyncio.get_running_loop().sock_recv(client, len(PIECE)):
        pass


async def test_nothing_to_read_is_no_reason() -> None:
    outflow = Outflow(60)
    async with sending(0) as (transport, _):
        for step in range(3):
            outflow.look([transport], 60.0 * step)
        assert not transport.is_closing()


async def test_elsewhere_than_on_linux_what_was_handed_on_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    async with sending(MANY) as (transport, _):
        assert bytes_taken(transport) == transport.get_write_buffer_size() > 0


class Talker:
    """An application that sends so much, in pieces; says when it has ended."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await read_body(receive)
        headers = [(b"content-length", b"%d" % (self._pieces * len(PIECE)))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for left in reversed(range(self._pieces)):
            await send({"type": "http.response.body", "body": PIECE, "more_body": left > 0})
        self.ended.set()


@pytest.mark.parametrize("more", [(), ("Connection: close",)], ids=["kept", "to be closed"])
async def test_a_client_that_stops_reading_frees_all_that_it_held(more: tuple[str, ...]) -> None:
    app = Talker(MANY // len(PIECE))
    async with opened(app, write_idle_s=SOON_S) as door, peer(door.port) as client:
        client.transport.pause_reading()
        client.send(post({}, *more))
        await app.ended.wait()
        await door.until(0)


@pytest.mark.parametrize("more", [(), ("Connection: close",)], ids=["kept", "to be closed"])
async def test_an_answer_that_is_all_said_but_not_read(more: tuple[str, ...]) -> None:
    async def loud(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await read_body(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(MANY)})

    async with opened(loud, write_idle_s=SOON_S, keep_alive_s=SOON_S) as door, peer(door.port) as client:
        client.transport.pause_reading()
        client.send(post({}, *more))
        await door.until(1)
        await door.until(0)


async def test_an_answer_that_is_read_late_comes_whole() -> None:
    app = Talker(MANY // len(PIECE))
    async with opened(app, keep_alive_s=SOON_S) as door, peer(door.port) as client:
        client.transport.pause_reading()
        client.send(post({}))
        await asyncio.sleep(2 * SOON_S)
        client.transport.resume_reading()
        assert len((await client.answer()).body) == MANY


async def test_it_is_not_idle_while_it_is_read() -> None:
    app = Talker(MANY // len(PIECE))
    async with opened(app, most=1, keep_alive_s=60) as door, peer(door.port) as client:
        client.send(post({}))
        await client.begun()
        client.transport.pause_reading()
        async with peer(door.port) as other:
            assert [answer.status for answer in await other.closed()] == [503]
        client.transport.resume_reading()
        assert len((await client.answer()).body) == MANY
