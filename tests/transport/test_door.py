"""How many connections there may be, who makes room for whom, and what happens when files run out."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.support.door import echo, opened, reply
from tests.support.raw import PATIENCE_S, head, peer, post, until_closed
from voicegw.transport import door as door_module
from voicegw.transport.descriptors import room_for


class Held:
    """An application that answers when it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = asyncio.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        self.begun.release()
        await self.go.wait()
        await reply(send, 200, b"done")


async def test_beyond_the_limit_a_newcomer_is_told() -> None:
    app = Held()
    async with opened(app, most=2) as door, AsyncExitStack() as stack:
        busy = [await stack.enter_async_context(peer(door.port)) for _ in range(2)]
        for each in busy:
            each.send(post({}))
            await app.begun.acquire()
        async with peer(door.port) as late:
            (answer,) = await late.closed()
        assert (answer.status, answer.error["code"]) == (503, "too_many_connections")
        assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("1", "true")
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(f"http://127.0.0.1:{door.port}/", json={})).status_code == 503
        app.go.set()
        assert [(await each.answer()).status for each in busy] == [200, 200]


async def test_the_one_that_has_been_idle_longest_makes_room() -> None:
    async with opened(echo, most=3) as door, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(peer(door.port)) for _ in range(3)]
        for each in (peers[1], peers[0], peers[2], peers[1]):
            each.send(post({}))
            await each.answer()
        peers[1].send(post({}))
        await peers[1].answer(1)
        newcomer = await stack.enter_async_context(peer(door.port))
        newcomer.send(post({}))
        assert (await newcomer.answer()).status == 200
        await peers[0].closed()
        for each in (peers[1], peers[2], newcomer):
            assert not each.ended
        assert len(door.state.connections) == 3


async def test_half_a_head_makes_room_too() -> None:
    async with opened(echo, most=1) as door, peer(door.port) as half:
        half.send(head()[:20])
        await door.until(1)
        async with peer(door.port) as other:
            other.send(post({}))
            assert (await other.answer()).status == 200
        assert await half.closed() == []


async def test_a_flood_leaves_those_at_work_alone() -> None:
    app = Held()
    async with opened(app, most=20) as door, AsyncExitStack() as stack:
        busy = [await stack.enter_async_context(peer(door.port)) for _ in range(10)]
        for each in busy:
            each.send(post({}))
            await app.begun.acquire()
        flood = [await stack.enter_async_context(peer(door.port)) for _ in range(200)]
        await door.until(20)
        app.go.set()
        assert [(await each.answer()).status for each in busy] == [200] * 10
        for each in flood[:-20]:
            assert {answer.status for answer in await each.closed()} <= {503}


@contextmanager
def files_left(number: int) -> Iterator[None]:
    """Let this process open so many files more, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    highest = max(int(each.name) for each in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    with pytest.raises(OSError, match="Too many open files"):
        taken.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(2 * highest + 16))
    for _ in range(number):
        os.close(taken.pop())
    try:
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_a_file_for_them_newcomers_are_dropped_and_the_others_served() -> None:
    async with opened(echo) as door, AsyncExitStack() as stack:
        there = await stack.enter_async_context(peer(door.port))
        there.send(post({}))
        await there.answer()
        with files_left(1):  # the client's side needs it
            for number in range(1, 4):
                async with peer(door.port) as late:
                    assert await late.closed() == []
                there.send(post({}))
                assert (await there.answer(number)).status == 200
        again = await stack.enter_async_context(peer(door.port))
        again.send(post({}))
        assert (await again.answer()).status == 200


async def test_it_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(door_module._log, "warning", lambda event, **fields: told.append((event, fields)))
    app = Held()
    async with opened(app, most=1) as door, peer(door.port) as busy:
        busy.send(post({}))
        await app.begun.acquire()
        for _ in range(3):
            async with peer(door.port) as late:
                await late.closed()
    assert told == [("too many connections", {"connections": 1})]


async def test_a_connection_that_nobody_accepted_is_closed_with_the_door() -> None:
    async with opened(echo) as door:
        late = socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S)
    with late:
        assert until_closed(late) == b""


ROOM = """
import resource, sys
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from voicegw.transport.descriptors import room_for
print(room_for(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ("256 4096 1000", "1000 1256 4096"),  # raised as far as is needed
        ("256 1000 10000", "744 1000 1000"),  # as far as is allowed
        ("4000 4000 1000", "1000 4000 4000"),  # left alone
        ("64 64 1000", "32 64 64"),  # where there are few, half are for the server itself
    ],
)
def test_room_for_connections(given: str, then: str) -> None:
    done = subprocess.run([sys.executable, "-c", ROOM, *given.split()], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == then, done.stderr


@pytest.mark.parametrize(
    ("limits", "room", "raised"),
    [
        ((256, resource.RLIM_INFINITY), 1000, 1256),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 1000, None),
    ],
)
def test_where_there_is_no_limit(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], room: int, raised: int | None
) -> None:
    told = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: told.append(given[0]))
    assert room_for(1000) == room
    assert told == ([raised] if raised else [])
