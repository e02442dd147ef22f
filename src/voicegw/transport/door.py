"""The listening side: connections are let in while there is room, and room is made for those that have just come."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
import uvicorn
from uvicorn.server import ServerState

from voicegw.errors import Unavailable
from voicegw.transport.connection import Connection, Crowd
from voicegw.transport.limits import ConnectionLimits
from voicegw.transport.outflow import Outflow
from voicegw.transport.refusal import refusal

_AT_ONCE: Final = 64
"""Connections that are accepted before the loop does something else."""

_OUT_OF_FILES: Final = (errno.EMFILE, errno.ENFILE)
_RETRY_S: Final = 1.0
_WARN_EVERY_S: Final = 60.0
_LOOKS: Final = 4
"""How often a client's reading is looked at within the time that it may pause."""

_log = structlog.get_logger("voicegw.transport")


class Door:
    """Accepts connections, at most so many at a time, and ends those whose clients do not read.

    Beyond that number a newcomer takes the place of the connection that has waited longest for its client: an idle
    one, or one with half a request or handshake. Where all have work under way, it is answered 503.

    Args:
        config: Of the server, loaded.
        state: Of the server.
        app_state: What the application's start left for its requests.
        limits: For every connection.
        most: Connections at a time.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        state: ServerState,
        app_state: dict[str, Any],
        limits: ConnectionLimits,
        most: int,
    ) -> None:
        self._config = config
        self._state = state
        self._app_state = app_state
        self._limits = limits
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._crowd = Crowd()
        self._sockets: Sequence[socket.socket] = ()
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._warned = -_WARN_EVERY_S
        self._outflow = Outflow(limits.write_idle_s)
        self._watch = self._loop.create_task(self._watch_outflow(), name="outflow")

    def open(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on these sockets, which listen and do not block."""
        self._sockets = sockets
        for each in sockets:
            self._loop.add_reader(each, self._accept, each)

    def close(self) -> None:
        """Accept no more; the sockets are closed, and so are connections whose TLS handshake is under way."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        for task in self._crowd.opening.values():
            task.cancel()
        self._give_spare_back()

    def end(self) -> None:
        """Look after connections no more."""
        self._watch.cancel()

    @property
    def _full(self) -> bool:
        return len(self._state.connections) + len(self._crowd.opening) >= self._most

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if self._full and self._crowd.opening and not self._crowd.waiting and self._config.ssl is None:
                return  # those will wait when this is called again, and one of them makes room then
            try:
                accepted, _ = listener.accept()
            except OSError as error:
                if error.errno in _OUT_OF_FILES:
                    self._drop_one(listener)
                return  # there is none any more, or it is gone already
            accepted.setblocking(False)
            if self._full and not self._make_room():
                self._turn_away(accepted)
            else:
                self._open(accepted)

    def _open(self, accepted: socket.socket) -> None:
        made = Connection(self._config, self._state, self._app_state, limits=self._limits, crowd=self._crowd)
        task = self._loop.create_task(self._let_in(made, accepted))
        self._crowd.opening[made] = task

        def settled(task: asyncio.Task[None]) -> None:
            self._crowd.opening.pop(made, None)
            if task.cancelled():
                accepted.close()  # it may not even have begun

        task.add_done_callback(settled)

    async def _let_in(self, made: Connection, accepted: socket.socket) -> None:
        tls: dict[str, Any] = {}
        if self._config.ssl is not None:
            tls = {
                "ssl": self._config.ssl,
                "ssl_handshake_timeout": self._limits.headers_s,
                "ssl_shutdown_timeout": self._limits.write_idle_s,
            }
        with suppress(OSError):  # it went away, or its TLS cannot be talked to
            await self._loop.connect_accepted_socket(lambda: made, accepted, **tls)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest, else that whose handshake has; tell whether there is one."""
        waiting, opening = self._crowd.waiting, self._crowd.opening
        if waiting:
            next(iter(waiting)).give_way()
        elif opening:
            opening.pop(next(iter(opening))).cancel()
        else:
            return False
        return True

    def _turn_away(self, accepted: socket.socket) -> None:
        self._warn("too many connections", connections=self._most)
        error = Unavailable("Too many connections.", code="too_many_connections", retry_after_s=_RETRY_S)
        with accepted, suppress(OSError):
            if self._config.ssl is None:
                accepted.send(refusal(error, {"headers": ()}, self._state.default_headers))
                accepted.shutdown(socket.SHUT_WR)
                accepted.recv(2**16)  # what is left unread makes the close a reset, which may overtake the answer

    def _drop_one(self, listener: socket.socket) -> None:
        """Close a connection that cannot be accepted for want of a file: it would be offered for ever."""
        self._warn("out of files", connections=len(self._state.connections))
        self._give_spare_back()
        with suppress(OSError):
            listener.accept()[0].close()
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def _give_spare_back(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _warn(self, event: str, **fields: int) -> None:
        now = time.monotonic()
        if now - self._warned >= _WARN_EVERY_S:
            self._warned = now
            _log.warning(event, **fields)

    async def _watch_outflow(self) -> None:
        while True:
            await asyncio.sleep(self._limits.write_idle_s / _LOOKS)
            ours = [each.transport for each in self._state.connections if isinstance(each, Connection)]
            self._outflow.look(ours, self._loop.time())
