"""One gateway for all tests of the API that do not stop it: tone models of several tempers in real workers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import Gateway, serving
from voicegw.app import create_app
from voicegw.settings import Limits, Model, Settings

MODELS = (
    Model(id="tone", backend="tone", required=True),
    Model(id="real-time", backend="tone", parameters={"rtf": 1.0}, required=True),
    Model(id="narrow", backend="tone", parameters={"rtf": 1.0, "slots": 1}, required=True),
    Model(id="late", backend="tone", parameters={"first_audio_ms": 600_000, "slots": 1}, required=True),
    Model(id="faulty", backend="tone", parameters={"allow_faults": True, "rtf": 0.25}, required=True),
    Model(id="broken", backend="tone", parameters={"first_audio_ms": -1}),
    Model(id="absent", backend="no-such-backend"),
)


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    settings = Settings(
        models=MODELS,
        limits=Limits(queue_per_slot=1, json_bytes=2**20),
        aliases={"org/tone-large": "tone", "gone": "absent"},
        voice_aliases={"tone": {"*": {"alloy": "tone", "found": "high", "lost": "nobody"}, "de": {"tief": "low"}}},
    )
    with serving(create_app(settings)) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as made:
        yield made
    gateway.wait_idle()
