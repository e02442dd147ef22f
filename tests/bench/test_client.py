"""The client that makes the load: it must not take half an answer for a whole one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trustme

from voicegw.bench.client import Broken, Connection, Target

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-One: a: b\r\n\r\n"


@asynccontextmanager
async def answering(*answers: bytes, context: ssl.SSLContext | None = None) -> AsyncGenerator[Target, None]:
    """Answer the requests of each connection with these bytes, one after the other, then close it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Target("127.0.0.1", port, context is not None, "")


async def asked(target: Target) -> tuple[Connection, list[bytes]]:
    connection = await Connection.open(target)
    try:
        await connection.post("/v1/audio/speech", {"input": "x"}, {"x-mine": "1"})
        return connection, [piece async for piece in connection.body()]
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://localhost:9/v1", Target("localhost", 9, False, "")),
        ("127.0.0.1:9", Target("127.0.0.1", 9, False, "")),
        ("https://example.org/speech/v1/", Target("example.org", 443, True, "/speech")),
        ("http://[::1]", Target("::1", 80, False, "")),
    ],
)
def test_targets(url: str, target: Target) -> None:
    assert Target.of(url) == target


@pytest.mark.parametrize("url", ["ftp://x", "http://", ""])
def test_what_is_no_target(url: str) -> None:
    with pytest.raises(ValueError, match="is no http or https address"):
        Target.of(url)


async def test_chunks_come_as_they_were_sent() -> None:
    async with answering(CHUNKED + b"3\r\nabc\r\n2\r\n\r\n\r\n0\r\n\r\n") as target:
        connection, pieces = await asked(target)
    assert (connection.status, connection.headers["x-one"]) == (200, "a: b")
    assert pieces == [b"abc", b"\r\n"]
    assert connection.reusable


async def test_a_body_of_known_length() -> None:
    async with answering(b"HTTP/1.1 429 Too Many\r\ncontent-length: 4\r\nconnection: close\r\n\r\nwait") as target:
        connection, pieces = await asked(target)
    assert (connection.status, b"".join(pieces), connection.reusable) == (429, b"wait", False)


async def test_a_connection_takes_one_request_after_the_other() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n"
    async with answering(answer + b"a", answer + b"b") as target:
        connection = await Connection.open(target)
        heard = []
        for _ in range(2):
            await connection.post("/", {})
            heard += [piece async for piece in connection.body()]
        await connection.close()
    assert heard == [b"a", b"b"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        CHUNKED,
        CHUNKED + b"3\r\nab",
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\n",
        CHUNKED + b"zz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
    ],
)
async def test_an_answer_that_is_not_whole_is_broken(answer: bytes) -> None:
    async with answering(answer) as target:
        with pytest.raises(Broken):
            await asked(target)


async def test_tls_without_looking_at_the_certificate() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(context)
    async with answering(CHUNKED + b"1\r\na\r\n0\r\n\r\n", context=context) as target:
        _, pieces = await asked(target)
    assert pieces == [b"a"]
