"""What the tests of the gateway share: a running server, and an environment as bare as a worker's may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.environments import make_environment
from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server with the packaged configuration, for all tests that do not stop or overload it."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has numpy and msgpack and nothing else: what a worker may count on."""
    return make_environment(tmp_path_factory.mktemp("bare") / "venv", "numpy", "msgpack")
