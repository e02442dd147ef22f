"""A lean HTTP/1.1 client for load: it shares the machine with what it measures, so it does no more than it must."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_LIMIT = 1 << 20


class Broken(Exception):
    """The connection ended before the answer was complete, or what came was no HTTP."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, in the form that is needed for each of them."""

    host: str
    port: int
    tls: bool
    prefix: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Read ``http://host:port``, with or without a path; ValueError for anything else."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no http or https address")
        tls = parts.scheme == "https"
        prefix = parts.path.rstrip("/").removesuffix("/v1")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, prefix)


class Connection:
    """One connection, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> None:
        self._reader = reader
        self._writer = writer
        self._target = target
        self.status = 0
        self.headers: dict[str, str] = {}
        self.reusable = False

    @classmethod
    async def open(cls, target: Target) -> Connection:
        """Connect; OSError where nobody listens. Certificates are not verified: it is speed that is measured."""
        context = None
        if target.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return cls(*await asyncio.open_connection(target.host, target.port, ssl=context, limit=_LIMIT), target)

    async def post(self, path: str, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        """Send a JSON body and wait for the head of the answer; see :meth:`send`."""
        await self.send(path, json.dumps(fields).encode(), {"content-type": "application/json", **(headers or {})})

    async def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body and wait for the head of the answer: ``status`` and ``headers`` (names in lower case).

        Raises:
            Broken: There is none.
        """
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST {self._target.prefix}{path} HTTP/1.1\r\nhost: {self._target.host}:{self._target.port}\r\n"
            f"content-length: {len(body)}\r\n{more}\r\n"
        )
        self.reusable = False
        self._writer.write(head.encode() + body)
        try:
            answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = answer[:-4].split("\r\n")
            self.status = int(first.split(" ", 2)[1])
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError, IndexError) as error:
            raise Broken("the connection ended before an answer") from error
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Give the pieces of the body as they were sent.

        Raises:
            Broken: The body has no proper end: what came is not the whole.
        """
        try:
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int(await self._reader.readline(), 16):
                    yield (await self._reader.readexactly(size + 2))[:-2]
                await self._reader.readexactly(2)
            else:
                left = int(self.headers.get("content-length", "0"))
                while left and (piece := await self._reader.read(left)):
                    left -= len(piece)
                    yield piece
                if left:
                    raise Broken("the body is shorter than announced")
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            raise Broken("the body has no end") from error
        self.reusable = self.headers.get("connection", "").lower() != "close"

    def abort(self) -> None:
        """Go away without a word, whatever is under way."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection."""
        self.abort()
        try:
            await self._writer.wait_closed()
        except OSError:
            return
