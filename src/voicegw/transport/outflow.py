"""Clients that have stopped to read what they asked for, and how they are told from those that read slowly."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Iterable

import structlog

_log = structlog.get_logger("voicegw.transport")

_TCP_INFO_BYTES = 128
_BYTES_ACKED_AT = 120
"""Where ``tcpi_bytes_acked`` is in Linux's ``struct tcp_info``."""

_RESET = struct.pack("ii", 1, 0)


class Outflow:
    """Resets connections to which nothing could be sent for too long while there was something to send.

    Args:
        after_s: Seconds without a byte that the client's side has taken.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._stuck: dict[asyncio.WriteTransport, tuple[int, float]] = {}

    def look(self, transports: Iterable[asyncio.WriteTransport], now: float) -> None:
        """Reset those that are due.

        Args:
            transports: All there are.
            now: Seconds of a monotonic clock.
        """
        stuck = {}
        for transport in transports:
            if not (transport.get_write_buffer_size() or transport.is_closing()):
                continue
            taken, (before, since) = bytes_taken(transport), self._stuck.get(transport, (None, now))
            since = since if taken == before else now
            if now - since < self._after_s:
                stuck[transport] = taken, since
            else:
                _log.info("connection reset", reason="the client does not read", after_s=self._after_s)
                _reset(transport)
        self._stuck = stuck


def bytes_taken(transport: asyncio.WriteTransport) -> int:
    """Give a number that changes with every byte that the client's side has taken from a connection.

    On Linux it is what the peer has acknowledged. What the transport could hand to the kernel says less: that waits
    until a third of a buffer of megabytes is free, which is minutes where somebody listens to compressed speech.
    """
    if not sys.platform.startswith("linux"):
        return transport.get_write_buffer_size()
    info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int(struct.unpack_from("Q", info, _BYTES_ACKED_AT)[0])


def _reset(transport: asyncio.WriteTransport) -> None:
    """Abort a connection; the kernel, too, forgets what it was to send."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
