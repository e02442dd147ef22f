"""Questions about the server itself: answered while it drains, no traffic, and nothing that is logged or counted."""

from __future__ import annotations

from typing import Final

METRICS: Final = "/metrics"


def is_health(path: str) -> bool:
    """Tell whether a path is ``/health`` or below it."""
    return path == "/health" or path.startswith("/health/")


def is_probe(path: str) -> bool:
    """Tell whether a path asks about the server itself."""
    return path == METRICS or is_health(path)
