"""What holds for every test, those of the backends too: nothing outlives the run, and every failure is told."""

from __future__ import annotations

import gc
import os
import time
import uuid
from collections.abc import Generator, Iterator

import psutil
import pytest

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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Collect no garbage while a failure is written down.

    Python 3.11 loses count inside ``ast.parse`` where a finalizer has a traceback formatted meanwhile (SystemError: AST
    constructor recursion depth mismatch), and pytest then gives up on the whole run.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return (yield)
    finally:
        if enabled:
            gc.enable()
