"""A real server for tests: ``voicegw serve`` in a process of its own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_S = 60.0
"""Guards against a server that never gets ready; it takes a second."""
STOP_S = 45.0
"""Guards against a server that never ends; longer than it may drain."""


def program() -> Path:
    """Give the installed ``voicegw`` of this environment."""
    return Path(sys.executable).with_name("voicegw")


def free_port() -> int:
    """Find a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answered ``/health/ready`` with 200.

    Attributes:
        url: Root of the server, ``http://127.0.0.1:PORT``.
        process: The gateway's process.
        log: What it wrote to stdout and stderr.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def wait_ready(self) -> None:
        """Wait until ``/health/ready`` is 200; AssertionError with the log where the server ends first."""
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the server ended\n{self.log.read_text('utf-8')}"
            try:
                if httpx.get(f"{self.url}/health/ready", timeout=5).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.02)
        raise AssertionError(f"the server is not ready\n{self.log.read_text('utf-8')}")

    def stop(self) -> int:
        """Ask it to end, once, and give its exit status; AssertionError where it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end\n{self.log.read_text('utf-8')}") from None


@contextmanager
def running_server(
    folder: Path,
    *arguments: str,
    config: str | None = None,
    env: Mapping[str, str] | None = None,
    command: Sequence[str | Path] | None = None,
) -> Iterator[RunningServer]:
    """Serve while the block runs, and end with exit status 0.

    Args:
        folder: Working directory of the server; its log and configuration are written there.
        *arguments: More of them for ``voicegw serve``.
        config: Text of the configuration file; None for the packaged one.
        env: Variables on top of the environment.
        command: Another program than this environment's ``voicegw``.
    """
    port, log = free_port(), folder / "server.log"
    words = [*(command or [program()]), "serve", "--host", "127.0.0.1", "--port", str(port), *arguments]
    if config is not None:
        (folder / "server.yaml").write_text(config, "utf-8")
        words += ["--config", str(folder / "server.yaml")]
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, cwd=folder, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
    server = RunningServer(f"http://127.0.0.1:{port}", process, log)
    try:
        server.wait_ready()
        yield server
    finally:
        status = server.stop()
    assert status == 0, f"exit status {status}\n{log.read_text('utf-8')}"
