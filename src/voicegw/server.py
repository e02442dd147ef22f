"""The server process: the listening socket, the signals, and how everything ends."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

import structlog
import uvicorn

from voicegw import logs
from voicegw.settings import Server, Settings
from voicegw.transport.descriptors import room_for
from voicegw.transport.door import Door
from voicegw.transport.limits import ConnectionLimits

_BACKLOG = 2048
_POLL_S = 0.02
_CUT_OFF_S = 0.3
"""How long the tasks of connections that were dropped may take to notice."""
_CLOSE_S = 3.4
"""How long the workers may take to end: a little more than the engine waits before it kills them."""

_log = structlog.get_logger("voicegw.server")


class CannotListen(Exception):
    """The address or the certificate cannot be used; the message says which and why, for the one who started it."""


class Traffic(Protocol):
    """What the server needs to know of the requests: see :class:`voicegw.api.limits.Traffic`."""

    @property
    def live(self) -> int:
        """Requests under way, streams included."""
        ...

    def drain(self) -> None:
        """Refuse new work from now on."""
        ...

    async def wait_idle(self) -> None:
        """Wait until nothing is under way."""
        ...


class GatewayServer(uvicorn.Server):
    """A uvicorn server that drains.

    The first SIGTERM or SIGINT refuses new work but keeps listening, so that whoever asks is told so, and ends the
    process once the last stream is out. The second one, or the deadline, drops what is left: connections are reset,
    never ended as if all had been said.

    Args:
        config: For uvicorn.
        traffic: The application's count of requests.
        limits: For every connection.
        drain_s: Seconds that live requests have to finish.
        on_listening: Called once connections are accepted.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        traffic: Traffic,
        limits: ConnectionLimits,
        drain_s: float,
        on_listening: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._traffic = traffic
        self._limits = limits
        self._drain_s = drain_s
        self._on_listening = on_listening
        self._deadline: float | None = None
        self._drain: asyncio.Task[None] | None = None
        self.aborted = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Own the signals instead of uvicorn, which would stop to listen and close every WebSocket at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Begin to drain; called again, give up on what is still under way."""
        if self._drain is None:
            self._deadline = time.monotonic() + self._drain_s
            self._drain = asyncio.create_task(self._drained(), name="drain")
        else:
            self.aborted.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and accept connections."""
        await super().startup([])
        gc.collect()
        gc.freeze()  # what lives as long as the server is not looked at again, which would hold up the loop for 40 ms
        room = room_for(self._limits.connections)
        if room < self._limits.connections:
            _log.warning("few open files", connections=room, wanted=self._limits.connections, see="ulimit -n")
        self._door = Door(self.config, self.server_state, self.lifespan.state, self._limits, room)
        self._door.open(sockets or ())
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the connections go, wait until the last byte is out or time is up, then end the workers."""
        del sockets
        self._door.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._empty(self._deadline or time.monotonic()):
            self.aborted.set()
            self._drop()
            await self._empty(time.monotonic() + _CUT_OFF_S, in_any_case=True)
        self._door.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self.lifespan.shutdown()
        _log.info("stopped", aborted=self.aborted.is_set())

    async def _drained(self) -> None:
        _log.info("draining", live_requests=self._traffic.live, within_s=self._drain_s)
        self._traffic.drain()
        waits = [asyncio.create_task(each) for each in (self._traffic.wait_idle(), self.aborted.wait())]
        _, pending = await asyncio.wait(waits, timeout=self._drain_s, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if self._traffic.live:
            _log.warning("aborting", live_requests=self._traffic.live)
            self.aborted.set()
        self.should_exit = True

    async def _empty(self, until: float, *, in_any_case: bool = False) -> bool:
        """Wait until no connection and no request is left; give whether that came true in time."""
        state = self.server_state
        while state.connections or state.tasks:
            if time.monotonic() >= until or (self.aborted.is_set() and not in_any_case):
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def _drop(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind every address of a host, all on one port, a free one for port 0.

    Raises:
        CannotListen: The port is in use or not ours to take, or the host is none of this machine's.
    """
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in _addresses(host, port):
            made = socket.socket(family, kind, protocol)
            sockets.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = sockets[0].getsockname()[1] if len(sockets) > 1 else port
            made.bind((address[0], chosen, *address[2:]))
            made.listen(_BACKLOG)
            made.setblocking(False)
    except OSError as error:
        for each in sockets:
            each.close()
        raise CannotListen(_why_not(host, port, error)) from None
    return sockets


def _addresses(host: str, port: int) -> Sequence[tuple[int, int, int, str, tuple[str, int]]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(found))  # type: ignore[arg-type]  # no other families than IPv4 and IPv6 come back


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; end what uses it, or take another: --port 0 finds a free one"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights; ports from 1024 on need none"
    return f"cannot listen on {host} port {port}: {error.strerror or error}"


def url_of(server: Server, port: int) -> str:
    """Give the root URL by which this machine reaches the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(server.host, server.host)  # noqa: S104 - compared
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{'https' if server.tls_cert else 'http'}://{host}:{port}"


def run(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until a signal ends it.

    Args:
        settings: All of them.
        announce: Called with the root URL once requests are answered.

    Returns:
        The exit status: 0 when every request was finished, 1 when some had to be cut off.

    Raises:
        CannotListen: The address or the certificate cannot be used.
        CannotTrace: Tracing is on, and OpenTelemetry not installed.
        SettingsError: Another file that the settings name cannot be used.
    """
    logs.configure(settings.logging.level, settings.logging.format)
    from voicegw.app import create_app

    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        ws_per_message_deflate=False,
        ssl_certfile=settings.server.tls_cert,
        ssl_keyfile=settings.server.tls_key,
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        raise CannotListen(f"server.tls_cert and server.tls_key cannot be used: {error}") from None
    sockets = bind(settings.server.host, settings.server.port)
    url = url_of(settings.server, sockets[0].getsockname()[1])

    async def serve() -> bool:
        limits = settings.limits
        server = GatewayServer(config, app.state.traffic, limits.transport(), limits.drain_s, lambda: announce(url))
        await server.serve(sockets)
        return server.aborted.is_set()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        return int(runner.run(serve()))
