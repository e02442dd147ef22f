"""Clients that go away, workers that fail mid-stream, and queues that are full: nothing is left running."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import httpx
import pytest
from starlette.types import Message

from tests.support.gateway import Gateway, serving, speech_body, wait_until
from voicegw.api.disconnect import Listener, while_connected
from voicegw.app import create_app
from voicegw.backend import SpeechEvent, Utterance
from voicegw.errors import Cancelled, InvalidRequest
from voicegw.settings import Limits, Model, Settings

PATH = "/v1/audio/speech"


@contextmanager
def connected(gateway: Gateway, **more: object) -> Iterator[socket.socket]:
    """Post a request on a connection of its own, which ends with the block."""
    body = json.dumps(speech_body(**more)).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head + body)
        yield connection


def streams(gateway: Gateway) -> int:
    return int(gateway.app.state.engine.active_streams())


def running(gateway: Gateway, model: str) -> int:
    """Give what the model's worker says is in its slots."""
    (worker,) = gateway.app.state.engine.pools[model].workers
    return int(worker.link.status.running)


def test_leaving_before_the_first_byte_frees_slot_and_queue(gateway: Gateway) -> None:
    with connected(gateway, model="late"):
        wait_until(lambda: streams(gateway) == 1)
        with connected(gateway, model="late"):
            wait_until(lambda: streams(gateway) == 2)
        wait_until(lambda: streams(gateway) == 1)
    gateway.wait_idle()
    wait_until(lambda: running(gateway, "late") == 0)


def test_leaving_while_sending_the_request(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        wait_until(lambda: gateway.app.state.traffic.live == 1)
    gateway.wait_idle()


@pytest.mark.parametrize("target", ["pcm", "mp3"])
def test_leaving_mid_stream_frees_the_slot(gateway: Gateway, target: str) -> None:
    for _ in range(5):
        with connected(gateway, model="narrow", input="one " * 400, response_format=target) as connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
            assert streams(gateway) == 1
        gateway.wait_idle()
    wait_until(lambda: running(gateway, "narrow") == 0)


def test_a_client_that_does_not_read_stops_the_speaking(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = gateway.app.state.engine.pools["tone"]
    spoken, begun = pool.synthesize, []

    def counted(utterance: Utterance, **more: object) -> AsyncGenerator[SpeechEvent, None]:
        begun.append(utterance.text)
        return cast("AsyncGenerator[SpeechEvent, None]", spoken(utterance, **more))

    monkeypatch.setattr(pool, "synthesize", counted)
    text = "one two three four. " * 1000  # over half an hour, made in no time
    with connected(gateway, input=text):
        wait_until(lambda: len(begun) > 1)
        seen = -1
        while seen != len(begun):
            seen = len(begun)
            time.sleep(0.3)
        assert sum(map(len, begun)) < len(text) / 2
        assert gateway.app.state.traffic.live == 1
    gateway.wait_idle()


def test_many_leave_at_once(gateway: Gateway, client: httpx.Client) -> None:
    with ExitStack() as stack:
        for number in range(40):
            model = ("real-time", "late", "narrow")[number % 3]
            stack.enter_context(connected(gateway, model=model, input="one " * 50))
        wait_until(lambda: streams(gateway) >= 10)
    gateway.wait_idle()
    assert client.post(PATH, json=speech_body()).status_code == 200


def test_a_full_queue_is_429_with_a_time_to_come_back(gateway: Gateway, client: httpx.Client) -> None:
    with connected(gateway, model="narrow", input="one " * 100), connected(gateway, model="narrow"):
        wait_until(lambda: streams(gateway) == 2)
        response = client.post(PATH, json=speech_body(model="narrow"))
        assert response.status_code == 429
        assert response.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert response.headers["x-should-retry"] == "true"
    gateway.wait_idle()


def test_no_audio_in_time_is_504_and_the_slot_is_free_again() -> None:
    models = (Model(id="late", backend="tone", parameters={"first_audio_ms": 600_000, "slots": 1}),)
    app = create_app(Settings(models=models, limits=Limits(first_audio_s=0.1)))
    with serving(app) as gateway, gateway.client() as client:
        for _ in range(3):
            response = client.post(PATH, json=speech_body(model="late"))
            assert response.status_code == 504
            assert response.json()["error"]["code"] == "deadline_exceeded"
            assert response.headers["retry-after"]
        gateway.wait_idle()


def test_a_failure_before_any_audio_is_a_500_on_a_connection_that_lives(client: httpx.Client) -> None:
    for _ in range(2):
        response = client.post(PATH, json=speech_body(model="faulty", fail_after_chunks=0))
        assert response.status_code == 500
        assert response.json()["error"]["code"] == "backend_failed"
    assert client.post(PATH, json=speech_body(model="faulty")).status_code == 200


@pytest.mark.parametrize("target", ["pcm", "mp3", "wav"])
def test_a_failure_mid_stream_breaks_the_connection(client: httpx.Client, target: str) -> None:
    body = speech_body(model="faulty", response_format=target, fail_after_chunks=8)
    with client.stream("POST", PATH, json=body) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()


def test_a_worker_that_dies_mid_stream_breaks_the_connection_and_is_replaced(
    gateway: Gateway, client: httpx.Client
) -> None:
    body = speech_body(model="faulty", input="one two three four", crash_after_chunks=8)
    with client.stream("POST", PATH, json=body) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()
    assert client.post(PATH, json=speech_body(model="faulty")).status_code == 200
    gateway.wait_idle()


class Client:
    """The receiving side of a connection whose client leaves when it is told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self._asked = 0

    async def receive(self) -> Message:
        self._asked += 1
        if self._asked == 1:
            return {"type": "http.request", "body": b"", "more_body": False}  # not a reason to stop
        await self.left.wait()
        return {"type": "http.disconnect"}


async def test_work_is_done_while_the_client_is_there() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    await while_connected(Client().receive, work())
    assert done == [1]


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        await while_connected(Client().receive, work())


async def test_leaving_cancels_the_work_and_waits_for_it() -> None:
    client, steps = Client(), []

    async def work() -> None:
        try:
            client.left.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned")

    with pytest.raises(Cancelled):
        await while_connected(client.receive, work())
    assert steps == ["cleaned"]


async def test_work_that_ends_as_the_client_leaves_keeps_its_outcome() -> None:
    client = Client()

    async def work() -> None:
        client.left.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    await while_connected(client.receive, work())


async def test_work_that_is_near_its_end_is_let_come_to_it() -> None:
    client, asked, done = Client(), asyncio.Event(), []

    def finishes() -> bool:
        asked.set()
        return True

    async def work() -> None:
        client.left.set()
        await asked.wait()
        done.append(listener.gone)

    listener = Listener(finishes)
    await while_connected(client.receive, work(), listener)
    assert done == [True]


async def test_what_goes_wrong_near_the_end_is_raised() -> None:
    client = Client()

    async def work() -> None:
        client.left.set()
        await asyncio.sleep(0.001)
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        await while_connected(client.receive, work(), Listener(lambda: True))


async def test_even_work_near_its_end_is_cancelled_with_the_server_side() -> None:
    client, asked, ended = Client(), asyncio.Event(), asyncio.Event()

    def finishes() -> bool:
        asked.set()
        return True

    async def work() -> None:
        client.left.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(while_connected(client.receive, work(), Listener(finishes)))
    await asked.wait()
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert ended.is_set()


async def test_cancelling_the_server_side_cancels_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(while_connected(Client().receive, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
