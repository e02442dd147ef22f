"""Server-sent events as clients of speech read them: one compact JSON object per event, comments while it is quiet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Send

CONTENT_TYPE = "text/event-stream"

KEEP_ALIVE_S = 10.0
"""Seconds of silence after which a comment is sent: proxies and clients close what is quiet for long."""

_COMMENT = b": keep-alive\n\n"


def event(fields: Mapping[str, Any]) -> bytes:
    """Give one event: a line ``data: `` with an object in ASCII, never an ``id`` or ``event``, and an empty line."""
    return b"data: " + json.dumps(fields, separators=(",", ":")).encode() + b"\n\n"


class EventStream:
    """The body of one response, whose headers have been sent. For one task that writes.

    Args:
        send: Of the ASGI server.
        quiet_s: Seconds without a byte after which a comment is sent.
    """

    def __init__(self, send: Send, quiet_s: float = KEEP_ALIVE_S) -> None:
        self._send = send
        self._quiet_s = quiet_s
        self._now = asyncio.get_running_loop().time
        self._last = self._now()
        self._writing = False

    async def write(self, data: bytes) -> None:
        """Send whole events; waits while the client does not read."""
        self._writing = True
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self._writing = False
            self._last = self._now()

    async def _keep_alive(self) -> None:
        while True:
            wait = self._last + self._quiet_s - self._now()
            if wait > 0 or self._writing:
                await asyncio.sleep(max(wait, self._quiet_s / 10))
            else:
                await self.write(_COMMENT)


@asynccontextmanager
async def event_stream(send: Send, quiet_s: float = KEEP_ALIVE_S) -> AsyncGenerator[EventStream, None]:
    """Keep a response of events alive while the block runs: ``: keep-alive`` after every ``quiet_s`` of silence."""
    stream = EventStream(send, quiet_s)
    task = asyncio.create_task(stream._keep_alive(), name="keep-alive")  # noqa: SLF001 - the two are one
    try:
        yield stream
    finally:
        task.cancel()
        await asyncio.wait((task,))
