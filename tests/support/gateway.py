"""The application behind a real socket: uvicorn on the loopback interface, in a thread of the test process."""

from __future__ import annotations

import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

WAIT_S = 30.0
"""Guards against what never comes true."""


def wait_until(true: Callable[[], bool], what: str = "it") -> None:
    """Wait for a condition; AssertionError where it never holds."""
    until = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < until, f"{what} did not come true"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running application.

    Attributes:
        url: Its root, ``http://127.0.0.1:PORT``.
        app: The application itself.
    """

    url: str
    app: FastAPI

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def client(self) -> httpx.Client:
        """Give a client of it."""
        return httpx.Client(base_url=self.url, timeout=WAIT_S, trust_env=False)

    def wait_idle(self) -> None:
        """Wait until no request and no utterance is under way."""
        state = self.app.state
        wait_until(lambda: not state.traffic.live and not state.engine.active_streams(), "idle")


def speech_body(**more: object) -> dict[str, object]:
    """Give a request for speech."""
    return {"model": "tone", "input": "one two three", "response_format": "pcm", **more}


@contextmanager
def listening(app: ASGIApp, http: str = "httptools", *, small: bool = False) -> Iterator[str]:
    """Serve any ASGI application while the block runs, and give its root URL.

    ``small``: its sockets buffer some kilobytes and not megabytes, so that it waits for a client that does not read.
    """
    config = uvicorn.Config(app, lifespan="auto", http=http, ws="none", log_config=None, access_log=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if small:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # those that it accepts get the same
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), "the server's start")
            assert server.started
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            with warnings.catch_warnings():
                # Where two loops of a process start children at the same moment, uvloop has one of them try again and
                # leaves its pipes open. It closes them with the loop, unless the warning before that is made an error.
                warnings.filterwarnings("ignore", "unclosed resource", ResourceWarning)
                thread.join(WAIT_S)
    assert not thread.is_alive()


@contextmanager
def serving(app: FastAPI, *, ready: bool = True, http: str = "httptools", small: bool = False) -> Iterator[Gateway]:
    """Serve the gateway while the block runs; ``ready`` waits until it says that it is. See :func:`listening`."""
    with listening(app, http, small=small) as url:
        gateway = Gateway(url, app)
        with gateway.client() as client:
            wait_until(lambda: not ready or client.get("/health/ready").status_code == 200, "readiness")
        yield gateway
