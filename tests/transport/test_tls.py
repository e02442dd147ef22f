"""The same over TLS, where a handshake comes first and a close takes two."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from starlette.types import Receive, Scope, Send

from tests.support.door import echo, opened, read_body
from tests.support.raw import head, peer, post

SOON_S = 0.6
CROWDED_S = 3.0
"""The same where many connections are made first, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate of this machine, and who trusts it."""

    certificate: Path
    trusting: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(path)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Tls(path, context)


def hello(context: ssl.SSLContext) -> bytes:
    """Give the first message of a handshake."""
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def test_requests_are_served(tls: Tls) -> None:
    async with opened(echo, certificate=tls.certificate) as door, peer(door.port, tls.trusting) as client:
        client.send(post({}))
        client.send(post({}, "Connection: close"))
        assert [answer.status for answer in await client.closed()] == [200, 200]
        await door.until(0)


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["nothing", "half a hello", "a hello"])
async def test_a_handshake_that_does_not_come_to_its_end(tls: Tls, part: float) -> None:
    first = hello(tls.trusting)
    async with opened(echo, certificate=tls.certificate, headers_s=CROWDED_S) as door, AsyncExitStack() as stack:
        stuck = []
        for _ in range(20):
            stuck.append(await stack.enter_async_context(peer(door.port)))
            stuck[-1].quiet = True
            stuck[-1].send(first[: round(part * len(first))])
        async with peer(door.port, tls.trusting) as other:
            other.send(post({}))
            assert (await other.answer()).status == 200
        for each in stuck:
            await each.closed()
        await door.until(0)


async def test_what_is_no_tls_is_closed(tls: Tls) -> None:
    async with opened(echo, certificate=tls.certificate) as door, peer(door.port) as client:
        client.quiet = True
        client.send(post({}))
        await client.closed()
        await door.until(0)


async def test_half_a_head_is_answered(tls: Tls) -> None:
    async with (
        opened(echo, certificate=tls.certificate, headers_s=SOON_S) as door,
        peer(door.port, tls.trusting) as half,
        peer(door.port, tls.trusting) as silent,
    ):
        half.send(head()[:30])
        assert [answer.status for answer in await half.closed()] == [408]
        assert await silent.closed() == []
        await door.until(0)


async def test_an_idle_connection_is_closed(tls: Tls) -> None:
    async with opened(echo, certificate=tls.certificate, keep_alive_s=SOON_S) as door:
        async with peer(door.port, tls.trusting) as idle:
            idle.send(post({}))
            assert [answer.status for answer in await idle.closed()] == [200]
        await door.until(0)


async def test_an_idle_connection_makes_room(tls: Tls) -> None:
    async with opened(echo, certificate=tls.certificate, most=1) as door, peer(door.port, tls.trusting) as idle:
        await door.until(1)
        async with peer(door.port, tls.trusting) as other:
            other.send(post({}))
            assert (await other.answer()).status == 200
        await idle.closed()


async def test_while_all_are_at_work_there_is_no_handshake(tls: Tls) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go.wait()
        await echo(scope, receive, send)

    async with opened(held, certificate=tls.certificate, most=1) as door, peer(door.port, tls.trusting) as busy:
        busy.send(post({}))
        await begun.wait()
        with pytest.raises(ConnectionError):
            async with peer(door.port, tls.trusting):
                pass
        go.set()
        assert (await busy.answer()).status == 200


async def test_handshakes_count_as_connections_and_make_room(tls: Tls) -> None:
    async with opened(echo, certificate=tls.certificate, most=3) as door, AsyncExitStack() as stack:
        stuck = [await stack.enter_async_context(peer(door.port)) for _ in range(5)]
        for each in stuck[:2]:
            await each.closed()
        async with peer(door.port, tls.trusting) as other:
            await stuck[2].closed()
            other.send(post({}))
            assert (await other.answer()).status == 200
        assert [each.ended for each in stuck[3:]] == [False, False]


async def test_a_handshake_under_way_ends_with_the_door(tls: Tls) -> None:
    async with AsyncExitStack() as stack:
        async with opened(echo, certificate=tls.certificate) as door:
            late = await stack.enter_async_context(peer(door.port))
            await asyncio.sleep(0.05)  # or it is closed before it is accepted, which is as well
        await late.closed()


@pytest.mark.parametrize("megabytes", [1, 32], ids=["all said", "more to say"])
async def test_a_client_that_stops_reading_is_cut_off(tls: Tls, megabytes: int) -> None:
    async def loud(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await read_body(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(16 * megabytes):
            await send({"type": "http.response.body", "body": bytes(2**16), "more_body": True})
        await send({"type": "http.response.body"})

    limits = {"write_idle_s": 0.4, "keep_alive_s": SOON_S}
    async with (
        opened(loud, certificate=tls.certificate, **limits) as door,  # type: ignore[arg-type]
        peer(door.port, tls.trusting) as client,
    ):
        client.transport.pause_reading()
        client.send(post({}))
        await door.until(1)
        await door.until(0)
