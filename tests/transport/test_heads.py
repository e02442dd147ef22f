"""Heads of requests: all of one in time and of a size, whatever came before it on the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.door import Opened, echo, opened, reply
from tests.support.raw import HEALTH, head, peer, post

SOON_S = 0.6
CROWDED_S = 3.0
"""The same where a hundred connections are made first, on a machine that is busy."""

REQUEST = post({"a": 1}, "X-Request-Id: mine")
HEAD = REQUEST[: REQUEST.index(b"\r\n\r\n") + 4]


@asynccontextmanager
async def hasty(**limits: Any) -> AsyncGenerator[Opened, None]:
    """Open a door whose connections have little time for a head."""
    async with opened(echo, **{"headers_s": SOON_S, **limits}) as door:
        yield door


async def early(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without reading the body."""
    del scope, receive
    await reply(send, 401, b"no")


async def test_a_hundred_half_heads_end_while_others_are_served() -> None:
    cuts = [number % len(HEAD) for number in range(0, 100 * 7, 7)]
    async with hasty(headers_s=CROWDED_S) as door, AsyncExitStack() as stack:
        halves = []
        for cut in cuts:
            halves.append(await stack.enter_async_context(peer(door.port)))
            halves[-1].send(HEAD[:cut])
        async with peer(door.port) as whole:
            for number in range(3):
                whole.send(REQUEST)
                assert (await whole.answer(number)).status == 200
        for each, cut in zip(halves, cuts, strict=True):
            answers = await each.closed()
            assert [answer.status for answer in answers] == ([408] if cut else [])
            if answers:
                assert answers[0].error["code"] == "request_timeout"
                assert answers[0].headers["connection"] == "close"
                assert answers[0].headers["x-should-retry"] == "true"
        await door.until(0)


async def test_the_id_that_came_is_answered() -> None:
    async with hasty() as door, peer(door.port) as half:
        half.send(HEAD[:-2] + b"X-")  # a header is one when the next begins
        assert (await half.closed())[0].headers["x-request-id"] == "mine"


async def test_bytes_that_go_on_coming_do_not_help() -> None:
    async with hasty() as door, peer(door.port) as slow:
        slow.send(HEAD[:-2] + b"X-Slow: ")
        await slow.dribble(b"a" * 10_000, 0.01)
        assert [answer.status for answer in await slow.closed()] == [408]


@pytest.mark.parametrize("before", [b"", REQUEST], ids=["at first", "after a request"])
async def test_blank_lines_are_no_request(before: bytes) -> None:
    async with hasty() as door, peer(door.port) as slow:
        slow.send(before)
        if before:
            await slow.answer()
        await slow.dribble(b"\r\n" * 10_000, 0.01)
        assert [answer.status for answer in await slow.closed()] == ([200] if before else [])


async def test_heads_that_come_byte_by_byte_are_served() -> None:
    async with opened(echo) as door, peer(door.port) as slow:
        await slow.dribble(REQUEST * 2)
        assert [(await slow.answer(number)).status for number in range(2)] == [200, 200]


async def test_half_a_head_after_a_request() -> None:
    async with hasty() as door, peer(door.port) as half:
        half.send(REQUEST)
        await half.answer()
        half.send(HEAD[:30])
        assert [answer.status for answer in await half.closed()] == [200, 408]


async def test_half_a_head_in_one_piece_with_a_request() -> None:
    async with hasty() as door, peer(door.port) as half:
        half.send(REQUEST * 2 + HEAD[:30])
        assert [answer.status for answer in await half.closed()] == [200, 200, 408]


async def test_no_time_passes_while_an_answer_is_made() -> None:
    go = asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await echo(scope, receive, send)

    async with opened(held, headers_s=SOON_S) as door, peer(door.port) as half:
        half.send(REQUEST + HEAD[:30])
        await asyncio.sleep(2 * SOON_S)
        go.set()
        assert (await half.answer()).status == 200
        assert [answer.status for answer in await half.closed()] == [200, 408]


async def test_an_idle_connection_is_kept_and_closed() -> None:
    async with opened(echo, keep_alive_s=SOON_S) as door, peer(door.port) as idle:
        idle.send(REQUEST)
        assert [answer.status for answer in await idle.closed()] == [200]
        await door.until(0)


async def test_idle_for_longer_than_a_head_may_take() -> None:
    async with hasty(keep_alive_s=60) as door, peer(door.port) as idle:
        idle.send(REQUEST)
        await idle.answer()
        await asyncio.sleep(2 * SOON_S)
        idle.send(REQUEST)
        assert (await idle.answer(1)).status == 200


async def test_the_rest_of_a_body_that_nobody_wants_is_waited_for_in_vain() -> None:
    async with opened(early, headers_s=SOON_S) as door, peer(door.port) as slow, peer(door.port) as silent:
        for each in (slow, silent):
            each.send(head("Content-Length: 100000"))
            assert (await each.answer()).status == 401
        await slow.dribble(b"a" * 10_000, 0.01)
        assert len(await slow.closed()) == len(await silent.closed()) == 1


async def test_the_rest_of_a_body_that_nobody_wants_may_come() -> None:
    async with opened(early) as door, peer(door.port) as client:
        for number in range(3):
            client.send(head("Content-Length: 10"))
            assert (await client.answer(number)).status == 401
            client.send(b"0123456789")


async def test_who_was_not_asked_for_a_body_is_not_taken_at_its_next_word() -> None:
    async with opened(early, headers_s=600) as door, peer(door.port) as client:
        client.send(head("Content-Length: 10", "Expect: 100-continue"))
        assert [answer.status for answer in await client.closed()] == [401]
        await door.until(0)


async def test_after_such_a_body_a_connection_is_idle() -> None:
    async with opened(early, keep_alive_s=SOON_S, headers_s=600) as door, peer(door.port) as client:
        client.send(head("Content-Length: 10"))
        await client.answer()
        client.send(b"0123456789")
        assert len(await client.closed()) == 1


LARGE = b"a" * 2**17
TOO_LARGE = {
    "a header": [head()[:-2] + b"X-A: " + LARGE + b"\r\n\r\n"],
    "a header without end": [head()[:-2] + b"X-A: ", *[LARGE] * 10],
    "a target": [b"GET /" + LARGE + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
    "a target without end": [b"GET /", *[LARGE] * 10],
    "many headers": [head()[:-2] + b"a: b\r\n" * 20_000 + b"\r\n"],
    "what follows the chunks": [head("Transfer-Encoding: chunked"), b"1\r\na\r\n0\r\nX-A: ", *[LARGE] * 10],
    "what comes with a chunk": [head("Transfer-Encoding: chunked"), b"1;", *[LARGE] * 10],
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_what_is_too_large_is_431(name: str) -> None:
    async with opened(echo) as door, peer(door.port) as client:
        for piece in TOO_LARGE[name]:
            client.send(piece)
        (answer,) = await client.closed()
        assert (answer.status, answer.error["code"]) == (431, "headers_too_large")
        assert "65536 bytes" in answer.error["message"]


async def test_a_head_of_the_limit_is_taken_however_it_comes() -> None:
    filled = head("X-A: " + "a" * (2**16 - 100), "Content-Length: 0")
    async with opened(echo) as door, peer(door.port) as client:
        client.send(filled)
        assert (await client.answer(0)).status == 200
        client.send(filled + post({"a": "b" * 2**18}))  # not the head is large, but what came with it
        assert [(await client.answer(number)).status for number in (1, 2)] == [200, 200]
        client.send(HEALTH)
        assert (await client.answer(3)).status == 200
