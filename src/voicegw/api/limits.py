"""What the server takes on: how large a body may be, and whether there is new work at all."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegw.api.errors import error_response
from voicegw.api.probes import is_probe
from voicegw.errors import TooLarge, Unavailable, VoicegwError

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
        self._waits: set[asyncio.Timeout] = set()

    @property
    def live(self) -> int:
        """Requests under way, streams included."""
        return self._live

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        return self._draining

    def drain(self) -> None:
        """Refuse new work from now on, requests that are not there as a whole too; what is under way goes on.

        There is no way back.
        """
        self._draining = True
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(0)

    async def wait_idle(self) -> None:
        """Wait until nothing is under way."""
        await self._idle.wait()

    def enter(self) -> None:
        """Count a request in.

        Raises:
            Unavailable: The server drains.
        """
        if self._draining:
            raise shutting_down()
        self._live += 1
        self._idle.clear()

    def leave(self) -> None:
        """Count a request out."""
        self._live -= 1
        if not self._live:
            self._idle.set()

    def wait(self, within_s: float) -> asyncio.Timeout:
        """Give the time for waiting for a client: so long, and no longer than the server takes on work."""
        wait = asyncio.timeout(0 if self._draining else within_s)
        self._waits.add(wait)
        return wait

    def waited(self, wait: asyncio.Timeout) -> None:
        """Forget a wait that is over."""
        self._waits.discard(wait)


def shutting_down() -> Unavailable:
    """Give what is answered while the server drains."""
    return Unavailable("The server is shutting down.", code="shutting_down", retry_after_s=5.0)


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


@dataclass(frozen=True, slots=True)
class BodySizes:
    """How many bytes a body may have.

    Attributes:
        json_bytes: A JSON body, and all fields of a form beside its file.
        upload_bytes: A file.
    """

    json_bytes: int
    upload_bytes: int

    def most(self, scope: Scope) -> tuple[int, int]:
        """Give the limit of a request's body, and the one that its sender is told: a file's, where one comes in a form.

        In JSON a file comes as base64.
        """
        if scope["method"] != "POST" or not scope["path"].endswith(TAKES_FILES):
            return self.json_bytes, self.json_bytes
        if header(scope, b"content-type").lstrip().lower().startswith(b"multipart/"):
            return self.upload_bytes + self.json_bytes, self.upload_bytes
        return (most := 4 * self.upload_bytes // 3 + _AROUND_BASE64), most


TAKES_FILES: Final = ("/audio/transcriptions", "/audio/translations")
"""How the paths end to which files are sent."""

_AROUND_BASE64: Final = 64 * 1024


class BodyRefused(Exception):
    """What is left of a body will not be read: it is answered with ``error``, and the connection is closed."""

    def __init__(self, error: VoicegwError) -> None:
        super().__init__(error.message)
        self.error = error


class BodyLimit:
    """ASGI middleware: 413 for a body over the limit, as soon as its length is announced or that much has been read.

    The connection is closed after such an answer, and after any :class:`BodyRefused`, for what is left of the body is
    not read.
    """

    def __init__(self, app: ASGIApp, sizes: BodySizes) -> None:
        self._app = app
        self._sizes = sizes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most, told = self._sizes.most(scope)
        announced = _number(header(scope, b"content-length"))
        if announced > most:
            await _refuse(_too_large(told, announced), receive, send, linger=not header(scope, b"expect"))
            return
        body = _Counted(receive, most, told)
        try:
            await self._app(scope, body.receive, send)
        except BodyRefused as refused:
            if exchange := scope.get("state", {}).get("exchange"):
                exchange.failed(refused.error)
            await _refuse(refused.error, receive, send, linger=True)


def header(scope: Scope, wanted: bytes) -> bytes:
    """Give a header of a request; empty where it has none."""
    return next((value for name, value in scope["headers"] if name == wanted), b"")


class _Counted:
    """The receiving side of one request, counting the bytes of its body."""

    def __init__(self, receive: Receive, most: int, told: int) -> None:
        self._receive = receive
        self._most = most
        self._told = told
        self._read = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._most:
                raise BodyRefused(_too_large(self._told, self._read))
        return message


def _number(digits: bytes) -> int:
    """Give a number that may have any number of zeros before it: Python reads no more than 4,300 digits."""
    return int(digits.lstrip(b"0") or b"0")


def _too_large(most: int, size: int) -> TooLarge:
    return TooLarge(f"Maximum content size limit ({most}) exceeded ({size} bytes read)")


async def _refuse(error: VoicegwError, receive: Receive, send: Send, *, linger: bool) -> None:
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
