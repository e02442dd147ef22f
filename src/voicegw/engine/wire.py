"""The one wire between a gateway and a worker: bounded frames over a stream socket, and credit per stream.

A frame is a 4-byte big-endian length and a msgpack list whose first item is its name. Streams are multiplexed by
number. Every stream has a credit in bytes, as in HTTP/2: the receiver grants what its buffer holds, so the socket is
always read and one slow listener never stalls the others. Bulk travels in pieces of :data:`PIECE` bytes.

Gateway to worker: ``open id op header`` · ``input id bytes`` · ``end_input id`` · ``credit id bytes`` · ``cancel id`` ·
``voice id header`` · ``voice_data id bytes`` · ``forget key`` · ``ping n``.
Worker to gateway: ``hello fields`` · ``status fields`` · ``pong n fields`` · ``start id waited_s`` ·
``event id kind ...`` · ``done id fields`` · ``error id fields`` · ``need_voice id key`` · ``credit id bytes``.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgpack

PROTOCOL = 1
PIECE = 64 * 1024
MAX_FRAME = 1024 * 1024
_LENGTH = struct.Struct(">I")

Frame = list[Any]


class WireError(Exception):
    """The peer broke the protocol: an oversized, undecodable or shapeless frame, or a bad address."""


def encode(frame: Sequence[Any]) -> bytes:
    """Serialise a frame with its length.

    Raises:
        WireError: It is over :data:`MAX_FRAME` bytes, or holds what has no wire form.
    """
    try:
        body: bytes = msgpack.packb(frame, unicode_errors="surrogatepass")
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"a frame that cannot be encoded: {error}") from error
    if len(body) > MAX_FRAME:
        raise WireError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME}")
    return _LENGTH.pack(len(body)) + body


def _decode(body: memoryview) -> Frame:
    try:
        frame = msgpack.unpackb(body, unicode_errors="surrogatepass")
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise WireError(f"an undecodable frame: {type(error).__name__}") from error
    if not isinstance(frame, list) or not frame or not isinstance(frame[0], str):
        raise WireError("a frame that is not a named list")
    return frame


class FrameReader:
    """Cuts received bytes into frames; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and give the frames that they complete.

        Raises:
            WireError: A frame is too long or makes no sense; the connection is beyond repair.
        """
        if self._rest:
            data = self._rest + data
        view, at = memoryview(data), 0
        try:
            while len(data) - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(data, at)
                if length > MAX_FRAME:
                    raise WireError(f"a frame of {length} bytes is over the limit of {MAX_FRAME}")
                end = at + _LENGTH.size + length
                if len(data) < end:
                    break
                frame = _decode(view[at + _LENGTH.size : end])
                at = end
                yield frame
        finally:
            self._rest = data[at:]


class Connection(asyncio.Protocol):
    """One framed duplex connection, on either side.

    Args:
        on_frame: Called with every frame; what it raises ends the connection.
        on_lost: Called once, when the connection is over, with why or None.
        on_made: Called when the connection stands.
    """

    def __init__(
        self,
        on_frame: Callable[[Frame], None],
        on_lost: Callable[[Exception | None], None],
        on_made: Callable[[Connection], None] | None = None,
    ) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._on_made = on_made
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._fault: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # loop.create_connection gives a Transport
        self._writable.set()
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Hand on every complete frame; a broken one ends the connection."""
        try:
            for frame in self._reader.feed(data):
                self._on_frame(frame)
        except (WireError, LookupError, TypeError, ValueError, AttributeError) as error:
            self._fault = error if isinstance(error, WireError) else WireError(f"a malformed frame: {error!r}")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._transport = None
        self._writable.set()
        self._on_lost(self._fault or exc)

    def pause_writing(self) -> None:
        """Note that the kernel's buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the kernel takes bytes again."""
        self._writable.set()

    @property
    def connected(self) -> bool:
        """Whether the connection still stands."""
        return self._transport is not None

    def send(self, frame: Sequence[Any]) -> None:
        """Send a frame, or drop it when the connection is over. Never waits: credit bounds what is outstanding."""
        if self._transport is not None:
            self._transport.write(encode(frame))

    async def drain(self) -> None:
        """Wait until the kernel takes more; bulk senders call it between pieces."""
        await self._writable.wait()

    def close(self) -> None:
        """Send what is written, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, dropping what is not sent."""
        if self._transport is not None:
            self._transport.abort()


class Credit:
    """What one sender may still send on one stream, in bytes; ``waited_s`` is how long it had to wait for more."""

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._waiter: asyncio.Future[None] | None = None
        self.waited_s = 0.0

    def grant(self, amount: int) -> None:
        """Add credit that the receiver gave."""
        self._amount += amount
        if self._amount > 0 and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def some(self) -> None:
        """Wait while there is none."""
        while self._amount <= 0:
            began = time.monotonic()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self.waited_s += time.monotonic() - began

    async def take(self, amount: int) -> None:
        """Spend credit, waiting while there is none. It may fall below zero by one piece, so nothing ever locks up."""
        await self.some()
        self._amount -= amount


class Window:
    """The receiver's side of a credit: gives back in lumps what was consumed.

    Args:
        size: Bytes that may be outstanding.
        grant: Sends a credit frame.
    """

    def __init__(self, size: int, grant: Callable[[int], None]) -> None:
        self._lump = max(1, size // 4)
        self._grant = grant
        self._consumed = 0

    def consumed(self, amount: int) -> None:
        """Note that ``amount`` bytes left the buffer."""
        self._consumed += amount
        if self._consumed >= self._lump:
            self._grant(self._consumed)
            self._consumed = 0


def pieces(data: bytes | memoryview) -> Iterator[bytes]:
    """Cut bulk into pieces of at most :data:`PIECE` bytes."""
    view = memoryview(data)
    for start in range(0, len(view), PIECE):
        yield bytes(view[start : start + PIECE])


async def listen(address: str, factory: Callable[[], Connection]) -> asyncio.Server:
    """Listen at ``unix:///path`` or ``tcp://host:port``; every connection gets a protocol of ``factory``.

    Raises:
        WireError: The address has another form.
        OSError: It cannot be bound.
    """
    loop = asyncio.get_running_loop()
    kind, place = parse_address(address)
    if kind == "unix":
        return await loop.create_unix_server(factory, place)
    host, _, port = place.rpartition(":")
    return await loop.create_server(factory, host, int(port))


async def connect(address: str, connection: Connection) -> None:
    """Connect ``connection`` to a worker's address.

    Raises:
        WireError: The address is malformed.
        OSError: Nobody listens there.
    """
    loop = asyncio.get_running_loop()
    kind, place = parse_address(address)
    if kind == "unix":
        await loop.create_unix_connection(lambda: connection, place)
        return
    host, _, port = place.rpartition(":")
    await loop.create_connection(lambda: connection, host, int(port))


def parse_address(address: str) -> tuple[str, str]:
    """Split an address into ``("unix", path)`` or ``("tcp", "host:port")``.

    Raises:
        WireError: It is neither.
    """
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(address)
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            return "unix", parts.path
        if parts.scheme == "tcp" and parts.hostname and parts.port is not None:
            return "tcp", f"{parts.hostname}:{parts.port}"
    raise WireError(f"not a worker address: {address!r} (unix:///path or tcp://host:port)")
