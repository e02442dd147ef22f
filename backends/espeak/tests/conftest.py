"""A loaded espeak backend for the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backends.espeak.tests.speaking import loaded
from voicegw_espeak import EspeakBackend


@pytest.fixture
async def espeak() -> AsyncIterator[EspeakBackend]:
    """One backend, loaded for the test and closed after it."""
    async with loaded() as backend:
        yield backend
