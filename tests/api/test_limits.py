"""Body limits while reading, new work refused while draining, and what is counted."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Message

from tests.support.gateway import Gateway, serving, speech_body, wait_until
from voicegw.api.limits import BodyLimit, BodySizes, Gate, Traffic
from voicegw.app import create_app
from voicegw.errors import Unavailable
from voicegw.settings import Model, Settings

LIMIT = 2**20
PATH = "/v1/audio/speech"


def raw(gateway: Gateway, data: bytes, *, more: bytes = b"") -> bytes:
    """Send bytes as they are, read the answer to the end of the connection, and give it."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(data)
        if more:
            connection.sendall(more)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def head(*lines: str, path: str = PATH) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def padded(size: int) -> bytes:
    """Give a request whose body has exactly so many bytes."""
    content = b'{"model":"tone","input":"one","response_format":"pcm"}'
    return content + b" " * (size - len(content))


def test_the_limit_itself_is_taken(client: httpx.Client) -> None:
    assert client.post(PATH, content=padded(LIMIT)).status_code == 200


@pytest.mark.parametrize("path", [PATH, "/v1/models", "/nope"])
def test_one_byte_more_is_413_naming_both_numbers(client: httpx.Client, path: str) -> None:
    response = client.post(path, content=padded(LIMIT + 1))
    assert response.status_code == 413
    error = response.json()["error"]
    assert error["message"] == f"Maximum content size limit ({LIMIT}) exceeded ({LIMIT + 1} bytes read)"
    assert error["code"] == "request_too_large"
    assert response.headers["connection"] == "close"
    assert response.headers["x-request-id"]
    assert client.post(PATH, json=speech_body()).status_code == 200


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: httpx.Client) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 65536
            yield bytes(65536)

    response = client.post(PATH, content=pieces())
    assert response.status_code == 413
    read = int(response.json()["error"]["message"].split("(")[2].split()[0])
    assert LIMIT < read <= LIMIT + 256 * 1024


def test_an_announced_terabyte_is_refused_at_once_and_the_connection_ends(gateway: Gateway) -> None:
    answer = raw(gateway, head("Content-Length: 1000000000000"), more=b"{")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"(1000000000000 bytes read)" in answer


def test_a_length_may_have_many_zeros(gateway: Gateway) -> None:
    answer = raw(gateway, head(f"Content-Length: {'0' * 5000}{LIMIT + 1}"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    answer = raw(gateway, head(f"Content-Length: {'0' * 5000}", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 400 ")  # there is no JSON


def test_an_endless_body_is_answered_and_the_connection_ends(gateway: Gateway) -> None:
    answer = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:

        def send() -> None:
            try:
                connection.sendall(head("Transfer-Encoding: chunked"))
                while True:
                    connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
            except OSError:
                return  # the server has had enough

        sender = threading.Thread(target=send)
        sender.start()
        while part := connection.recv(65536):
            answer += part
            if answer.endswith(b"}}"):
                break
        sender.join(30)
        assert not sender.is_alive()
    assert b"HTTP/1.1 413 " in answer


def test_who_asks_before_sending_is_not_invited(gateway: Gateway) -> None:
    answer = raw(gateway, head("Expect: 100-continue", f"Content-Length: {LIMIT + 1}"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer
    request = padded(1000)
    answer = raw(gateway, head("Expect: 100-continue", "Connection: close", "Content-Length: 1000"), more=request)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


async def test_traffic_counts_and_drains() -> None:
    traffic = Traffic()
    await traffic.wait_idle()
    traffic.enter()
    traffic.enter()
    idle = asyncio.create_task(traffic.wait_idle())
    traffic.leave()
    await asyncio.sleep(0)
    assert not idle.done()
    assert traffic.live == 1
    assert not traffic.draining
    traffic.drain()
    assert traffic.draining
    with pytest.raises(Unavailable) as caught:
        traffic.enter()
    assert (caught.value.code, caught.value.retry_after_s) == ("shutting_down", 5.0)
    traffic.leave()
    await asyncio.wait_for(idle, 30)


async def test_other_scopes_pass() -> None:
    seen: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        assert receive is get
        assert send is put
        seen.append(scope["type"])  # type: ignore[index]  # an ASGI scope

    async def get() -> Message:
        return {"type": "lifespan.startup"}

    async def put(message: Message) -> None:
        raise AssertionError(message)

    limit = BodyLimit(app, BodySizes(1, 1))
    await Gate(limit, Traffic())({"type": "lifespan"}, get, put)
    await limit({"type": "websocket", "path": "/"}, get, put)
    assert seen == ["lifespan", "websocket"]


def test_while_draining_new_work_is_refused_and_old_work_finishes() -> None:
    app = create_app(Settings(models=(Model(id="tone", backend="tone", parameters={"rtf": 0.2}),)))
    with serving(app) as gateway, gateway.client() as client:
        with client.stream("POST", PATH, json=speech_body()) as live:
            parts = live.iter_raw()
            size = len(next(parts))
            assert app.state.traffic.live == 1
            app.state.traffic.drain()
            for method, path in (("POST", PATH), ("GET", "/v1/models"), ("GET", "/nope")):
                refused = client.request(method, path)
                assert refused.status_code == 503
                assert refused.json()["error"]["code"] == "shutting_down"
                assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("5", "true")
            assert client.get("/health/live").status_code == 200
            assert client.get("/health").text == "OK"
            ready = client.get("/health/ready")
            assert ready.status_code == 503
            assert (ready.json()["status"], ready.json()["live_requests"]) == ("draining", 1)
            size += sum(len(part) for part in parts)
        assert size == 72_000
        wait_until(lambda: not app.state.traffic.live)
