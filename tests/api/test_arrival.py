"""Bodies that stall, bodies that only crawl, and those that are on their way when the server is to end."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.support.door import echo, opened, read_body
from tests.support.raw import head, peer, post
from voicegw.api.arrival import Arrival, Pace, Patience
from voicegw.api.boundary import Boundary
from voicegw.api.exchange import Exchanges
from voicegw.api.limits import BodyLimit, BodySizes, Gate, Traffic
from voicegw.api.metrics import Metrics
from voicegw.api.templates import Templates

HASTY = Pace(0.3, 10_000)
MANY = 2**26


def gateway(app: Any, pace: Pace, traffic: Traffic | None = None, most: int = MANY) -> Any:
    """Put the layers around an application that a request's body passes."""
    traffic = traffic or Traffic()
    exchanges = Exchanges(Templates(), Metrics({}))
    return Boundary(Gate(BodyLimit(Patience(app, pace, traffic), BodySizes(most, most)), traffic), exchanges)


def test_time_is_lost_by_waiting_and_earned_by_bytes() -> None:
    arrival = Arrival(Pace(10, 500))
    assert arrival.left_s == 10
    arrival.came(500, 3)
    assert arrival.left_s == 8
    arrival.came(10**9, 1)
    assert arrival.left_s == 10  # nobody saves up for a pause
    arrival.came(0, 11)
    assert arrival.left_s < 0


class Skipping(selectors.DefaultSelector):
    """A selector that lets the time pass for which it should wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give what is ready."""
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on which no time passes but what is waited for, at once."""

    def __init__(self) -> None:
        self._skipping = Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Give the seconds that would have passed."""
        return self._skipping.now


class Sender:
    """The client's side of an upload: a piece of so many bytes, each after a pause."""

    def __init__(self, size: int, pause_s: float, number: int) -> None:
        self._size = size
        self._pause_s = pause_s
        self._left = number

    async def receive(self) -> Message:
        """Give the next piece."""
        await asyncio.sleep(self._pause_s)
        self._left -= 1
        return {"type": "http.request", "body": bytes(self._size), "more_body": self._left > 0}


async def upload(sender: Sender, think_s: float) -> tuple[int, float]:
    """Upload to an application that thinks after each piece; give how it was answered, and when."""
    answered: list[tuple[int, float]] = []
    now = asyncio.get_running_loop().time

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        more = True
        while more:
            more = (await receive())["more_body"]
            await asyncio.sleep(think_s)
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.append((message["status"], now()))

    scope = {"type": "http", "path": "/", "method": "POST", "headers": []}
    await gateway(app, Pace(10, 500))(scope, sender.receive, send)
    return answered[0]


@pytest.mark.parametrize(
    ("size", "pause_s", "number", "think_s", "status", "at_s"),
    [
        (1, 1.0, 1000, 0, 408, 10.02),  # a byte a second
        (1, 60.0, 1, 0, 408, 10),  # nothing
        (300, 1.0, 1000, 0, 408, 23.8),  # slower than is expected: out of time later, but it is
        (500, 1.0, 1000, 0, 200, 1000),  # as slow as may be
        (20_000, 1.0, 1250, 0, 200, 1250),  # 25 MB from a telephone
        (20_000, 9.0, 100, 0, 200, 900),  # with long pauses
        (20_000, 11.0, 100, 0, 408, 10),  # with longer ones
        (20_000, 1.0, 100, 60, 200, 6100),  # taken slowly: that is not the client's fault
    ],
)
def test_who_is_waited_for(*, size: int, pause_s: float, number: int, think_s: float, status: int, at_s: float) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        answered, seconds = runner.run(upload(Sender(size, pause_s, number), think_s))
    assert answered == status
    assert seconds == pytest.approx(at_s, rel=0.01)


@pytest.mark.parametrize("announced", [("Content-Length: 1000",), ("Transfer-Encoding: chunked",)])
@pytest.mark.parametrize("sent", [b"", b"5\r\nhello\r\n"])
async def test_a_body_that_stalls_is_answered_and_the_connection_closed(announced: tuple[str], sent: bytes) -> None:
    async with opened(gateway(echo, HASTY)) as door, peer(door.port) as client:
        client.send(head(*announced) + sent)
        (answer,) = await client.closed()
        assert (answer.status, answer.error["code"]) == (408, "request_timeout")
        assert (answer.headers["connection"], answer.headers["x-should-retry"]) == ("close", "true")
        await door.until(0)


async def test_bytes_that_trickle_do_not_help_and_others_are_served() -> None:
    async with opened(gateway(echo, HASTY)) as door, peer(door.port) as slow, peer(door.port) as other:
        slow.send(head("Content-Length: 100000"))
        trickle = asyncio.create_task(slow.dribble(bytes(10_000), 0.01))
        other.send(post({}))
        assert (await other.answer()).status == 200
        assert [answer.status for answer in await slow.closed()] == [408]
        await trickle
        other.send(post({}))
        assert (await other.answer(1)).status == 200


async def test_what_comes_byte_by_byte_in_time_is_taken() -> None:
    async with opened(gateway(echo, Pace())) as door, peer(door.port) as client:
        await client.dribble(post({"a": "b" * 100}))
        assert (await client.answer()).status == 200


async def test_who_is_asked_to_go_on_and_does_not() -> None:
    async with opened(gateway(echo, HASTY)) as door, peer(door.port) as client:
        client.send(head("Content-Length: 10", "Expect: 100-continue"))
        assert [answer.status for answer in await client.closed()] == [100, 408]


async def test_what_is_too_large_is_told_however_slow_it_is() -> None:
    async with opened(gateway(echo, Pace(), most=100)) as door, peer(door.port) as client:
        client.send(head("Transfer-Encoding: chunked"))
        await client.dribble(b"64\r\n" + bytes(100) + b"\r\n1\r\n\0\r\n")
        assert [answer.status for answer in await client.closed()] == [413]


async def test_after_the_body_there_is_no_hurry() -> None:
    async def thoughtful(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await asyncio.sleep(2 * HASTY.idle_s)
        await echo(scope, receive_nothing, send)

    async def receive_nothing() -> Message:
        return {"type": "http.request"}

    async with opened(gateway(thoughtful, HASTY)) as door, peer(door.port) as client:
        client.send(post({}))
        assert (await client.answer()).status == 200


class Noted:
    """An application that tells when it begins, and goes on when it is let."""

    def __init__(self, *, reads: int = 0) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(self._reads):
            await receive()
        self.begun.set()
        await self.go.wait()
        await echo(scope, receive, send)


@pytest.mark.parametrize("of", [lambda: head("Content-Length: 10"), lambda: head("Transfer-Encoding: chunked")])
async def test_a_body_that_is_not_there_when_the_server_drains_is_told(of: Callable[[], bytes]) -> None:
    app, traffic = Noted(), Traffic()
    app.go.set()
    async with opened(gateway(app, Pace(), traffic)) as door, peer(door.port) as stalled:
        stalled.send(of())
        await app.begun.wait()
        await asyncio.sleep(0)  # it waits for the body
        traffic.drain()
        (answer,) = await stalled.closed()
        assert (answer.status, answer.error["code"]) == (503, "shutting_down")
        assert answer.headers["retry-after"] == "5"
        await traffic.wait_idle()


async def test_a_body_that_is_not_waited_for_when_the_server_drains_is_told_then() -> None:
    app, traffic = Noted(reads=1), Traffic()
    async with opened(gateway(app, Pace(), traffic)) as door, peer(door.port) as client:
        client.send(head("Content-Length: 10") + b"01234")
        await app.begun.wait()
        traffic.drain()
        app.go.set()
        assert [answer.status for answer in await client.closed()] == [503]


async def test_a_body_that_is_there_is_worked_on_while_the_server_drains() -> None:
    app, traffic = Noted(), Traffic()
    async with opened(gateway(app, Pace(), traffic)) as door, peer(door.port) as client:
        client.send(post({}))
        await app.begun.wait()
        traffic.drain()
        app.go.set()
        assert (await client.answer()).status == 200


async def test_leaving_while_the_body_is_waited_for() -> None:
    traffic = Traffic()
    async with opened(gateway(read_only, Pace(), traffic)) as door:
        async with peer(door.port) as client:
            client.send(head("Content-Length: 10"))
            await door.until(1)
        await door.until(0)
    assert not traffic.live


async def read_only(scope: Scope, receive: Receive, send: Send) -> None:
    """Read, and say nothing."""
    del scope, send
    await read_body(receive)
