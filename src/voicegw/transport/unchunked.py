"""Answers of unknown length for clients of HTTP/1.0, which know no chunks: the body is all that comes until the end."""

from __future__ import annotations

import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_RESET = struct.pack("ii", 1, 0)
_FINISH = struct.pack("ii", 0, 0)


class Unchunked:
    """The sending side of one answer.

    Where the length is not announced, the connection's end says that the answer is whole. Until it is, closing the
    connection is therefore made to reset it.

    Args:
        cycle: What sends it otherwise.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send = cycle.send
        self._endless = False

    async def send(self, message: Any) -> None:
        """Send one ASGI message."""
        if message["type"] == "http.response.start":
            self._endless = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
            if self._endless:
                self._cycle.chunked_encoding = False
                self._on_close(_RESET)
        elif self._endless:
            self._cycle.expected_content_length = len(message.get("body", b""))  # whatever comes is right
            if not message.get("more_body"):
                self._on_close(_FINISH)
        await self._send(message)

    def _on_close(self, what: bytes) -> None:
        self._cycle.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, what)
