"""What is accepted here is accepted on the loop that the server uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import uvloop

HERE = Path(__file__).parent


@pytest.hookimpl
def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], uvloop.Loop]]:
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Let a thread guard against tests that never end: no signal interrupts that loop."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(method="thread"))
