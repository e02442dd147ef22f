"""The listening side in the test's own loop, with any application behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from tests.support.raw import PATIENCE_S
from voicegw.server import bind
from voicegw.transport.door import Door
from voicegw.transport.limits import ConnectionLimits


async def read_body(receive: Receive) -> bytes:
    """Give the whole body of a request, or what came of it before its client went away."""
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(data)


async def reply(send: Send, status: int, body: bytes) -> None:
    """Send a whole response."""
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the request as the application sees it."""
    body = await read_body(receive)
    told = {
        "method": scope["method"],
        "path": scope["path"],
        "headers": [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    await reply(send, 200, json.dumps(told).encode())


@dataclass(frozen=True, slots=True)
class Opened:
    """A door that is open.

    Attributes:
        port: Where it is.
        state: Of the server: connections and tasks.
    """

    port: int
    state: ServerState

    async def until(self, connections: int) -> None:
        """Wait until there are just so many connections, and no tasks beyond theirs."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.state.connections) != connections or len(self.state.tasks) > connections:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(
    app: ASGIApp, *, most: int = 1000, certificate: Path | None = None, **limits: Any
) -> AsyncGenerator[Opened, None]:
    """Accept connections while the block runs; nothing of them is left after it."""
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=certificate,
    )
    config.load()
    (listener,) = bind("127.0.0.1", 0)
    made = Opened(listener.getsockname()[1], ServerState())
    door = Door(config, made.state, {}, ConnectionLimits(**limits), most)
    door.open([listener])
    try:
        yield made
    finally:
        door.close()
        for connection in list(made.state.connections):
            connection.transport.abort()
        for task in list(made.state.tasks):
            task.cancel()
        await made.until(0)
        door.end()
