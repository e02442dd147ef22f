"""The scripted backend is installed for every worker process of these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.engine.kit import ADAPTERS


@pytest.fixture(scope="session", autouse=True)
def _scripted_backend() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ADAPTERS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep))
        yield
