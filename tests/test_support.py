"""What the tests themselves stand on."""

from __future__ import annotations

import asyncio
import os

import httpx
from starlette.types import Receive, Scope, Send

from tests.support.gateway import listening


def test_a_server_ends_whatever_its_loop_has_open() -> None:
    reading, writing = os.pipe()
    kept: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Open a pipe and leave it open, as uvloop does where two loops of a process start children at once."""
        del receive
        if scope["type"] == "http":
            pipe = os.fdopen(reading, "rb", buffering=0)
            kept.append(await asyncio.get_running_loop().connect_read_pipe(asyncio.Protocol, pipe))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    with listening(app) as url:
        assert httpx.get(url).status_code == httpx.codes.NO_CONTENT
    assert "closed=True" in repr(kept)
    os.close(writing)
