"""What the server takes on: how large a body may be, and whether there is new work at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegw.api.errors import error_response
from voicegw.api.probes import is_probe
from voicegw.errors import TooLarge, Unavailable

_LINGER_S = 0.5
_LINGER_BYTES = 4 * 1024 * 1024
"""How much of a refused body is read all the same, so that its sender gets to read the answer before a reset."""


class Traffic:
    """Counts the requests that are being answered, and says when no more are taken; probes are not counted."""

    def __init__(self) -> None:
        self._live = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def live(self) -> int:
        """Requests under way, streams included."""
        return self._live

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        return self._draining

    def drain(self) -> None:
        """Refuse new work from now on; what is under way goes on. There is no way back."""
        self._draining = True

    async def wait_idle(self) -> None:
        """Wait until nothing is under way."""
        await self._idle.wait()

    def enter(self) -> None:
        """Count a request in.

        Raises:
            Unavailable: The server drains.
        """
        if self._draining:
            raise Unavailable("The server is shutting down.", code="shutting_down", retry_after_s=5.0)
        self._live += 1
        self._idle.clear()

    def leave(self) -> None:
        """Count a request out."""
        self._live -= 1
        if not self._live:
            self._idle.set()


class Gate:
    """ASGI middleware: refuses new work while the server drains, and counts what is under way."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == "lifespan" or is_probe(scope["path"]):
            await self._app(scope, receive, send)
            return
        self._traffic.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._traffic.leave()


class BodyLimit:
    """ASGI middleware: 413 for a body over the limit, as soon as its length is announced or that much has been read.

    The connection is closed after such an answer, for what is left of the body is not read.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        if announced > self._most:
            await _refuse(self._error(announced), receive, send, linger=not _expects_continue(scope))
            return
        body = _Counted(receive, self._most, self._error)
        try:
            await self._app(scope, body.receive, send)
        except _OverLimit as error:
            await _refuse(error, receive, send, linger=True)

    def _error(self, size: int) -> _OverLimit:
        return _OverLimit(f"Maximum content size limit ({self._most}) exceeded ({size} bytes read)")


class _OverLimit(TooLarge):
    """The body is over the limit; caught where the limit is kept."""


class _Counted:
    """The receiving side of one request, counting the bytes of its body."""

    def __init__(self, receive: Receive, most: int, error: Callable[[int], _OverLimit]) -> None:
        self._receive = receive
        self._most = most
        self._error = error
        self._read = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._most:
                raise self._error(self._read)
        return message


def _expects_continue(scope: Scope) -> bool:
    """Tell whether the client sends its body only when it is asked to: it is not, then."""
    return any(name == b"expect" for name, _ in scope["headers"])


async def _refuse(error: _OverLimit, receive: Receive, send: Send, *, linger: bool) -> None:
    response = error_response(error)
    response.headers["connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    if linger:
        await _linger(receive)
    await send({"type": "http.response.body"})


async def _linger(receive: Receive) -> None:
    left = _LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return
