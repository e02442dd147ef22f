"""A proxy that breaks connections in the middle of an answer, as networks do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.gateway import WAIT_S


class CuttingProxy:
    """Passes bytes on between clients and a server, all but the answers that it cuts.

    Args:
        port: Of the server.
        after: Bytes of an answer that its client still gets.
        cuts: How many answers are cut; those of the first connections.
        before_cut: Called when so many bytes have been passed on, before the connection is closed on both sides.
        before_next: Called before any connection but the first is passed on.
    """

    def __init__(
        self,
        port: int,
        *,
        after: int,
        cuts: int = 1,
        before_cut: Callable[[], None] = lambda: None,
        before_next: Callable[[], None] = lambda: None,
    ) -> None:
        self._target = ("127.0.0.1", port)
        self._after = after
        self._cuts = cuts
        self._before_cut = before_cut
        self._before_next = before_next
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._ended = False
        self.connections = 0
        self.port = int(self._listener.getsockname()[1])

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve while the block runs, and give the root URL."""
        self._threads[0].start()
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            self._ended = True
            socket.create_connection(("127.0.0.1", self.port)).close()  # wakes who waits for one
            self._threads[0].join(WAIT_S)
            _end(*self._open)
            for thread in self._threads:
                thread.join(WAIT_S)
            self._listener.close()
        assert not any(thread.is_alive() for thread in self._threads)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            self._open.append(client)
            if self._ended:
                return
            if self.connections:
                self._before_next()
            server = socket.socket()
            self._open.append(server)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what is not passed on stays over there
            server.connect(self._target)
            self.connections += 1
            after = self._after if self.connections <= self._cuts else None
            self._threads += [
                threading.Thread(target=self._up, args=(client, server)),
                threading.Thread(target=self._down, args=(server, client, after)),
            ]
            for thread in self._threads[-2:]:
                thread.start()

    @staticmethod
    def _up(client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _down(self, server: socket.socket, client: socket.socket, after: int | None) -> None:
        with suppress(OSError):
            while data := server.recv(65536 if after is None else min(after, 65536)):
                client.sendall(data)
                if after is not None and not (after := after - len(data)):
                    self._before_cut()
                    _end(client, server)
                    return
            client.shutdown(socket.SHUT_WR)


def _end(*connections: socket.socket) -> None:
    """Close connections, and wake the threads that wait for them."""
    for each in connections:
        with suppress(OSError):  # the other side may have been faster
            each.shutdown(socket.SHUT_RDWR)
        each.close()
