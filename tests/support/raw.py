"""HTTP as bytes on a socket: requests that no client would send, and what comes back."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httptools

PATIENCE_S = 30.0
"""Guards against what never comes."""

SPEECH = "/v1/audio/speech"
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def head(*lines: str, path: str = SPEECH, method: str = "POST", version: str = "1.1") -> bytes:
    """Give the head of a request, with further lines."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *lines, "", ""]).encode()


def post(fields: dict[str, Any], *lines: str, path: str = SPEECH, version: str = "1.1") -> bytes:
    """Give a whole request with a JSON body."""
    body = json.dumps(fields).encode()
    return head(f"Content-Length: {len(body)}", *lines, path=path, version=version) + body


@dataclass
class Answer:
    """One response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a refusal; AssertionError where it is none."""
        assert self.complete
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-request-id"]
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error


class _Parser:
    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.answers.append(Answer())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answers[-1].headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.answers[-1].status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.answers[-1].body += body

    def on_message_complete(self) -> None:
        self.answers[-1].complete = True


def parsed(data: bytes) -> list[Answer]:
    """Give the responses in what came, interim ones too; AssertionError where there is anything else."""
    parser = _Parser()
    try:
        parser.feed(data)
    except httptools.HttpParserError as error:
        raise AssertionError(f"no HTTP: {data!r}") from error
    return parser.answers


def until_closed(connection: socket.socket) -> bytes:
    """Give all that comes until the connection is closed; a reset is an end too."""
    data = b""
    try:
        while part := connection.recv(2**16):
            data += part
    except ConnectionError:
        return data
    return data


def exchange(port: int, *pieces: bytes) -> list[Answer]:
    """Send bytes on a connection of their own, wait until the server closes it, and give what it answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return parsed(until_closed(connection))


class Peer(asyncio.Protocol):
    """The client's side of one connection, for tests that share the server's loop."""

    def __init__(self) -> None:
        self._parser = _Parser()
        self._news = asyncio.Event()
        self.ended = False
        self.quiet = False  # what comes is no HTTP
        self.error: Exception | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what comes."""
        if not self.quiet:
            self._parser.feed(data)
        self._news.set()

    def eof_received(self) -> None:
        """Note that nothing more comes."""
        self.ended = True
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more comes, and why."""
        self.error = exc
        self.eof_received()

    def send(self, data: bytes) -> None:
        """Send bytes, in a piece of their own."""
        self.transport.write(data)

    async def dribble(self, data: bytes, pause_s: float = 0.0) -> None:
        """Send bytes one by one, until all are sent or the server has closed."""
        for at in range(len(data)):
            if self.ended:
                return
            self.send(data[at : at + 1])
            await asyncio.sleep(pause_s)

    async def begun(self) -> Answer:
        """Wait for the first byte of the first response's body."""
        await self._until(lambda: any(answer.body for answer in self._parser.answers))
        return self._parser.answers[0]

    async def status(self, number: int = 0) -> int:
        """Wait for the status of the response of that number, counted from 0."""
        answers = self._parser.answers
        await self._until(lambda: len(answers) > number and bool(answers[number].status))
        return answers[number].status

    async def answer(self, number: int = 0) -> Answer:
        """Wait for the whole response of that number, counted from 0."""
        answers = self._parser.answers
        await self._until(lambda: len(answers) > number and answers[number].complete)
        return answers[number]

    async def closed(self) -> list[Answer]:
        """Wait until the server has closed, and give all responses that came."""
        await self._until(lambda: self.ended)
        return self._parser.answers

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                assert not self.ended, f"closed after {self._parser.answers}"
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def peer(port: int, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Peer, None]:
    """Connect while the block runs."""
    name = "localhost" if tls else None
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(Peer, "127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        yield made
    finally:
        made.transport.abort()
