"""What the tests of the gateway share: a running server, and an environment as bare as a worker's may be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.kit import OURS
from tests.support.environments import make_environment
from tests.support.server import RunningServer, running_server
from voicegw.engine.process import WorkerProcess


@pytest.fixture(scope="session", autouse=True)
def _whose_workers() -> Iterator[None]:
    """Note which workers the tests' own thread starts: see :func:`tests.engine.kit.children`."""
    start = WorkerProcess.__init__

    def noted(self: WorkerProcess, process: asyncio.subprocess.Process, name: str) -> None:
        start(self, process, name)
        if threading.current_thread() is threading.main_thread():
            OURS.add(process.pid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerProcess, "__init__", noted)
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server with the packaged configuration, for all tests that do not stop or overload it."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has numpy and msgpack and nothing else: what a worker may count on."""
    return make_environment(tmp_path_factory.mktemp("bare") / "venv", "numpy", "msgpack")
