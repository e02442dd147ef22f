"""How long the server waits for the body of a request, and what a slow sender earns."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegw.api.limits import BodyRefused, Traffic, shutting_down
from voicegw.errors import RequestTimeout


@dataclass(frozen=True, slots=True)
class Pace:
    """What is expected of a body while the server waits for it.

    Attributes:
        idle_s: Seconds that it may pause.
        bytes_per_s: Slowest that it may come.
    """

    idle_s: float = 10.0
    bytes_per_s: int = 500


class Arrival:
    """The time that one body has left.

    It begins with the longest pause that is allowed, loses the seconds that the server waits, and gains a second for
    every ``bytes_per_s`` bytes, up to where it began. So whoever keeps the pace may go on for ever, and who does not,
    or stops, is out of time ``idle_s`` later. While the server does not ask for more, no time passes.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.left_s = pace.idle_s

    def came(self, size: int, after_s: float) -> None:
        """Count bytes that were waited for."""
        self.left_s = min(self._pace.idle_s, self.left_s - after_s + size / self._pace.bytes_per_s)


class Patience:
    """ASGI middleware within :class:`~voicegw.api.limits.BodyLimit`: 408 for a body that stalls while it is waited for.

    One that is not there when the server begins to drain is answered 503.

    Args:
        app: The application.
        pace: At which a body must come.
        traffic: Says when the server drains.
    """

    def __init__(self, app: ASGIApp, pace: Pace, traffic: Traffic) -> None:
        self._app = app
        self._pace = pace
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == "http":
            receive = _Awaited(receive, Arrival(self._pace), self._traffic).receive
        await self._app(scope, receive, send)


class _Awaited:
    """The receiving side of one request, which waits for its body only so long."""

    def __init__(self, receive: Receive, arrival: Arrival, traffic: Traffic) -> None:
        self._receive = receive
        self._arrival = arrival
        self._traffic = traffic
        self._read = 0
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        now = asyncio.get_running_loop().time
        asked = now()
        wait = self._traffic.wait(self._arrival.left_s)
        try:
            async with wait:
                message = await self._receive()
        except TimeoutError:
            late = RequestTimeout(f"The body stalled after {self._read} bytes.")
            raise BodyRefused(shutting_down() if self._traffic.draining else late) from None
        finally:
            self._traffic.waited(wait)
        size = len(message.get("body", b""))
        self._read += size
        self._complete = not message.get("more_body")
        self._arrival.came(size, now() - asked)
        return message
