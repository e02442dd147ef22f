"""Several requests on one connection: in their order, and what becomes of them when the client goes away."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.door import echo, opened, read_body, reply
from tests.support.raw import peer, post


class Held:
    """An application that answers when it is let go; counts who waits, and who went away."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.gone = asyncio.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        body = await read_body(receive)
        self.begun.release()
        waits = [asyncio.ensure_future(each) for each in (receive(), self.go.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if waits[0].done():
            self.gone.release()
        else:
            await reply(send, 200, body)
        for each in waits:
            each.cancel()


@pytest.mark.parametrize("cut", [1, 10, 60, 100])
async def test_answers_come_in_order_however_the_requests_are_cut(cut: int) -> None:
    sent = b"".join(post({"number": number}) for number in range(5))
    async with opened(echo) as door, peer(door.port) as client:
        for at in range(0, len(sent), cut):
            client.send(sent[at : at + cut])
            await asyncio.sleep(0)
        bodies = [json.loads((await client.answer(number)).body)["body"] for number in range(5)]
        assert bodies == [f'{{"number": {number}}}' for number in range(5)]


@pytest.mark.parametrize("queued", [0, 1, 2])
async def test_leaving_ends_the_one_that_runs(queued: int) -> None:
    app = Held()
    async with opened(app) as door:
        async with peer(door.port) as client:
            client.send(post({}) * (1 + queued))
            await app.begun.acquire()
        await app.gone.acquire()
        await door.until(0)
        assert app.begun.locked()  # those behind it have not begun


async def test_leaving_ends_the_second_once_it_runs() -> None:
    app = Held()
    async with opened(app) as door:
        async with peer(door.port) as client:
            client.send(post({}) * 2)
            await app.begun.acquire()
            app.go.set()
            await client.answer()
            await app.begun.acquire()
            await client.answer(1)
            app.go.clear()
            client.send(post({}))
            await app.begun.acquire()
        await app.gone.acquire()


async def test_leaving_with_garbage_behind_a_request() -> None:
    app = Held()
    async with opened(app) as door:
        async with peer(door.port) as client:
            client.send(post({}) + b"garbage\r\n\r\n")
            await app.begun.acquire()
        await app.gone.acquire()
        await door.until(0)


async def test_connection_close_ends_it_after_that_answer() -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(post({"number": 0}) + post({"number": 1}, "Connection: close") + post({"number": 2}))
        assert [answer.status for answer in await client.closed()] == [200, 200]
        await door.until(0)
