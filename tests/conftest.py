"""What all tests share: a running server, and the watch that nothing outlives the test run."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.environments import make_environment
from tests.support.server import RunningServer, running_server

_MARK = "VGW_TEST_RUN"
"""Variable that every process started by this test run inherits, orphans included."""


def _left_running(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(_MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue  # it ended meanwhile, or belongs to somebody else
    return found


@pytest.fixture(scope="session", autouse=True)
def _nothing_outlives_the_tests() -> Iterator[None]:
    """Fail the run where a process that a test started still lives after it."""
    mark = os.environ[_MARK] = uuid.uuid4().hex
    yield
    until = time.monotonic() + 10
    while (left := _left_running(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    told = [f"{process.pid} {' '.join(process.cmdline())}" for process in left if process.is_running()]
    for process in left:
        process.kill()
    assert not told, "still running after the tests: " + "; ".join(told)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server with the packaged configuration, for all tests that do not stop or overload it."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has numpy and msgpack and nothing else: what a worker may count on."""
    return make_environment(tmp_path_factory.mktemp("bare") / "venv", "numpy", "msgpack")
