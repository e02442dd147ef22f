"""What is no HTTP, or more than a server need know of it: an error object, or the request as it was meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.support.door import echo, opened, read_body
from tests.support.raw import HEALTH, Answer, head, peer, post

REQUEST = post({"a": 1})
NO_HTTP = {
    "a handshake of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a word": b"hello\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"SPEAK / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown version": b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "lines without return": b"GET / HTTP/1.1\nHost: x\n\n",
    "a target that is not ASCII": "GET /ä HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "a target without path": b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a host for a target": b"GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a proxy's request": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a proxy's request with a path": b"CONNECT /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "a folded header": head("X-A: 1\r\n 2"),
    "a space before the colon": head("X-A : 1"),
    "a header without name": head(": 1"),
    "NUL in a header": head("X-A: a\0b"),
    "a return in a header": head("X-A: a\rb"),
    "a line feed in a header": head("X-A: a\nb"),
    "length and chunks": head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunks and length": head("Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n",
    "two equal lengths": head("Content-Length: 1", "Content-Length: 1") + b"a",
    "two lengths": head("Content-Length: 1", "Content-Length: 2") + b"aa",
    "a list of lengths": head("Content-Length: 1, 1") + b"a",
    "a signed length": head("Content-Length: +1") + b"a",
    "a negative length": head("Content-Length: -1"),
    "a hexadecimal length": head("Content-Length: 0x1") + b"a",
    "a length beyond 64 bits": head("Content-Length: 18446744073709551616"),
    "chunks twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunks that are not last": head("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "something like chunks": head("Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "an encoding that nobody knows": head("Transfer-Encoding: gzip"),
    "a chunk of no size": head("Transfer-Encoding: chunked") + b"5\r\nhello\r\nzz\r\n",
    "a chunk of another size": head("Transfer-Encoding: chunked") + b"5\r\nhello world\r\n",
    "a chunk beyond 64 bits": head("Transfer-Encoding: chunked") + b"10000000000000000\r\n",
    "a chunk of negative size": head("Transfer-Encoding: chunked") + b"-1\r\n",
}


@pytest.mark.parametrize("name", NO_HTTP)
async def test_it_is_answered_with_an_error_object(name: str) -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(NO_HTTP[name])
        (answer,) = await client.closed()
        assert answer.status == 400
        assert answer.error["type"] == "invalid_request_error"
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-should-retry"] == "false"
        await door.until(0)


async def test_the_reason_is_told() -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(NO_HTTP["two lengths"])
        error = (await client.closed())[0].error
        assert (error["code"], error["message"]) == (
            "invalid_http",
            "This is no HTTP request: Duplicate Content-Length.",
        )


async def test_who_goes_on_sending_hears_it_too() -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(NO_HTTP["a word"] + bytes(2**20))
        await client.dribble(b"more" * 100)
        assert [answer.status for answer in await client.closed()] == [400]


async def test_garbage_after_requests_is_answered_after_them() -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(REQUEST * 3 + b"garbage\r\n\r\n")
        assert [answer.status for answer in await client.closed()] == [200, 200, 200, 400]


async def test_a_broken_body_behind_a_request_is_answered_after_it() -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(REQUEST + NO_HTTP["a chunk of no size"])
        assert [answer.status for answer in await client.closed()] == [200, 400]


async def test_a_broken_body_is_answered_under_the_id_of_its_request() -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(post({}, "X-Request-Id: first"))
        client.send(head("X-Request-Id: second", "Transfer-Encoding: chunked") + b"zz\r\n")
        answers = await client.closed()
        assert [answer.status for answer in answers] == [200, 400]
        assert answers[1].headers["x-request-id"] == "second"


async def test_garbage_after_a_request_is_answered_under_an_id_of_its_own() -> None:
    async with opened(echo) as door, peer(door.port) as client:
        client.send(post({}, "X-Request-Id: first") + b"\x00")
        assert (await client.closed())[1].headers["x-request-id"].startswith("req_")


async def test_garbage_in_a_body_breaks_an_answer_that_has_begun() -> None:
    async def eager(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await read_body(receive)

    async with opened(eager) as door, peer(door.port) as client:
        client.send(head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        await client.begun()
        client.send(b"zz\r\n")
        (answer,) = await client.closed()
        assert (answer.status, bytes(answer.body), answer.complete) == (200, b"begun", False)


async def asked(*pieces: bytes, answers: int = 1) -> list[Any]:
    """Send pieces, and give what the application saw of each request."""
    async with opened(echo) as door, peer(door.port) as client:
        for piece in pieces:
            client.send(piece)
        return [json.loads((await client.answer(number)).body) for number in range(answers)]


CHUNKED = head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n"


async def test_what_follows_the_chunks_is_no_header() -> None:
    smuggled = b"Authorization: Bearer stolen\r\nX-Request-Id: other\r\n\r\n"
    first, second = await asked(CHUNKED + smuggled + REQUEST, answers=2)
    assert first["body"] == "hello"
    assert [name for name, _ in first["headers"]] == ["host", "transfer-encoding"]
    assert [name for name, _ in second["headers"]] == ["host", "content-length"]


async def test_a_chunk_may_have_extensions() -> None:
    (seen,) = await asked(head("Transfer-Encoding: chunked") + b'5;a=b;c="d"\r\nhello\r\n0\r\n\r\n')
    assert seen["body"] == "hello"


PROPOSAL = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
"""What Java's client sends along with the first request of every connection."""


async def test_who_proposes_another_protocol_is_served_in_this_one() -> None:
    proposed = post({"a": 1}, *PROPOSAL)
    for pieces in ([proposed + REQUEST], [proposed[:-4], proposed[-4:] + REQUEST]):
        first, second = await asked(*pieces, answers=2)
        assert (first["method"], first["path"], first["body"]) == ("POST", "/v1/audio/speech", '{"a": 1}')
        assert second["body"] == '{"a": 1}'


async def test_a_proposal_in_chunks_and_one_without_a_body() -> None:
    chunked = head("Transfer-Encoding: chunked", *PROPOSAL)
    bodies = await asked(head(*PROPOSAL, method="GET") + chunked, b"5\r\nhel", b"lo\r\n0\r\n\r\n" + HEALTH, answers=3)
    assert [each["body"] for each in bodies] == ["", "hello", ""]


async def test_half_a_head_of_a_proposal_is_no_request() -> None:
    async with opened(echo, headers_s=0.3) as door, peer(door.port) as client:
        client.send(head(*PROPOSAL)[:-2])
        assert [answer.status for answer in await client.closed()] == [408]


async def test_a_proposal_that_is_too_large() -> None:
    async with opened(echo, header_bytes=1000) as door, peer(door.port) as client:
        client.send(head("X-A: " + "a" * 1000, *PROPOSAL))
        assert [answer.status for answer in await client.closed()] == [431]


async def old(message: bytes, *pieces: Message) -> Answer:
    """Give what a client of HTTP/1.0 gets from an application that sends these pieces."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["http_version"] == "1.0"
        await read_body(receive)
        for piece in pieces:
            await send(piece)

    async with opened(app) as door, peer(door.port) as client:
        client.send(message)
        (answer,) = await client.closed()
        return answer


START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"audio/mpeg")]}
SIZED: Message = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"8")]}
BODY: tuple[Message, ...] = (
    {"type": "http.response.body", "body": b"half", "more_body": True},
    {"type": "http.response.body", "body": b"half"},
)


@pytest.mark.parametrize("start", [START, SIZED], ids=["of unknown length", "of a length"])
async def test_clients_of_http_1_0_get_no_chunks(start: Message) -> None:
    answer = await old(post({}, version="1.0"), start, *BODY)
    assert (answer.status, bytes(answer.body)) == (200, b"halfhalf")
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"


async def test_half_an_answer_is_no_whole_one_for_them_either() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await read_body(receive)
        await send(START)
        await send(BODY[0])  # and returns: the application has nothing more to say

    async with opened(broken) as door, peer(door.port) as client:
        client.send(post({}, version="1.0"))
        await client.closed()
        assert isinstance(client.error, ConnectionResetError)


async def test_head_has_no_body_for_them() -> None:
    answer = await old(head(method="HEAD", version="1.0"), SIZED, {"type": "http.response.body", "body": b""})
    assert (answer.status, answer.headers["content-length"]) == (200, "8")
