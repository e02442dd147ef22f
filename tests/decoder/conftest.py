"""The decoder that uploads can take over is installed for every worker process of these tests.

A sealed process cannot write what it covered: that is measured where the same code runs in the tests' own process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ADAPTERS = Path(__file__).parents[1] / "support" / "adapters"


@pytest.fixture(scope="session", autouse=True)
def _hostile_decoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ADAPTERS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep))
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        patch.delenv("COVERAGE_PROCESS_START", raising=False)
        yield
