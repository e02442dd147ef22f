"""What the measurements share: a server of their own with a configuration of their own, and live streams from it."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from voicegw.bench.client import Broken, Connection, Target
from voicegw.bench.load import SPEECH

PATIENCE_S = 60.0
"""Guards against what never happens."""


def tone_config(**parameters: float | bool) -> dict[str, Any]:
    """Give settings with one worker of the tone backend."""
    return {"models": [{"id": "tone", "backend": "tone", "parameters": parameters}]}


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that is ready.

    Attributes:
        url: Its root.
        process: The gateway's process.
        ready_s: Seconds from its start until ``/health/ready`` was 200.
    """

    url: str
    process: subprocess.Popen[str]
    ready_s: float

    @property
    def target(self) -> Target:
        """Where requests go."""
        return Target.of(self.url)

    def workers(self) -> list[psutil.Process]:
        """List the worker processes of models that run now; those that decode uploads are none."""
        return [each for each in self.children() if each.cmdline()[-1:] != ["decode"]]

    def children(self) -> list[psutil.Process]:
        """List all processes that the gateway has below it now."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the gateway a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until the gateway has ended, and give its exit status."""
        return self.process.wait(PATIENCE_S)

    def health(self) -> tuple[int, dict[str, Any]]:
        """Ask whether it is ready: HTTP status and what it says, (0, {}) where it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=PATIENCE_S) as answer:  # noqa: S310 - ours
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}


@contextmanager
def serving(config: dict[str, Any]) -> Iterator[Server]:
    """Run a server on a free port of the loopback interface while the block runs; nothing of it is left after."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="voicegw-bench-") as folder:
        file, log = Path(folder) / "voicegw.yaml", Path(folder) / "log"
        file.write_text(json.dumps({"server": {"port": 0}, **config}), "utf-8")  # JSON is YAML
        command = [sys.executable, "-m", "voicegw", "serve", "--config", str(file)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("VOICEGW_")}
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
        try:
            yield _ready(process, began, log)
        finally:
            _end(process)


def _ready(process: subprocess.Popen[str], began: float, log: Path) -> Server:
    told = process.stdout.readline() if process.stdout else ""
    if "listens on " not in told:
        raise RuntimeError(f"the server did not start\n{log.read_text('utf-8')}")
    url = told.partition("listens on ")[2].partition(";")[0]
    while Server(url, process, 0.0).health()[0] != 200:
        if time.monotonic() - began > PATIENCE_S:
            raise RuntimeError(f"the server is not ready\n{log.read_text('utf-8')}")
        time.sleep(0.002)
    return Server(url, process, time.monotonic() - began)


def _end(process: subprocess.Popen[str]) -> None:
    below = []
    with suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
    for _ in range(2):  # the second one aborts
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
    for orphan in survivors(below, 0.0):
        with suppress(psutil.Error):
            orphan.kill()


def survivors(processes: list[psutil.Process], within_s: float = 10.0) -> list[psutil.Process]:
    """Wait for processes to end, and give those that did not."""
    return psutil.wait_procs(processes, timeout=within_s)[1]


def body(words: int = 4, **more: Any) -> dict[str, Any]:
    """Give a request for so many words, 0.5 s each, as raw samples."""
    text = " ".join(["one", "two", "three", "four", "five"][number % 5] for number in range(words))
    return {"model": "tone", "input": text, "response_format": "pcm", **more}


@asynccontextmanager
async def stream(target: Target, fields: dict[str, Any]) -> AsyncGenerator[Connection, None]:
    """Send a request and wait for the head of its answer; whatever is left of it is aborted at the end."""
    connection = await Connection.open(target)
    try:
        await connection.post(SPEECH, fields)
        yield connection
    finally:
        await connection.close()


async def whole(target: Target, fields: dict[str, Any]) -> tuple[int, bytes]:
    """Give the status and the whole body of an answer; ``Broken`` where it has no proper end."""
    async with stream(target, fields) as connection:
        return connection.status, b"".join([piece async for piece in connection.body()])


def waited_for_cpu(pid: int) -> float:
    """Give the seconds for which a process's main thread was ready to run and got no core; nan where nobody counts."""
    try:
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    except OSError:
        return math.nan


@asynccontextmanager
async def loop_lag(every_s: float = 0.005) -> AsyncGenerator[list[float], None]:
    """Note by how many seconds a timer of this event loop is late, again and again while the block runs.

    Where the load is made, that is how much of a latency may be the client's own.
    """
    late: list[float] = []

    async def tick() -> None:
        while True:
            due = time.monotonic() + every_s
            await asyncio.sleep(every_s)
            late.append(max(0.0, time.monotonic() - due))

    task = asyncio.create_task(tick())
    try:
        yield late
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def until_broken(target: Target, started: Callable[[], object]) -> float | None:
    """Listen to a long stream; give the monotonic time at which it broke, or None if it came to an end.

    ``started`` is called once its first bytes are there.
    """
    try:
        async with stream(target, body(words=60)) as connection, aclosing(connection.body()) as pieces:
            await anext(pieces)
            started()
            async for _ in pieces:
                pass
    except Broken:
        return time.monotonic()
    return None
