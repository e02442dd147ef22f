"""A server for the clients that run in Node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.gateway import Gateway, serving
from voicegw.app import create_app
from voicegw.settings import ApiKey, Model, Server, Settings

ANNA, BERT = "sk-anna-0123456789", "sk-bert-0123456789"
"""The scripts have these keys too; Bert may make one request at a time."""

MODELS = (
    Model(id="tone", backend="tone", required=True),
    Model(id="steady", backend="tone", parameters={"rtf": 0.1}, required=True),
    Model(id="endless", backend="tone", parameters={"rtf": 1.0, "slots": 1}, required=True),
    Model(id="faulty", backend="tone", parameters={"allow_faults": True}, required=True),
    Model(id="late", backend="tone", parameters={"first_audio_ms": 600_000}, required=True),
)


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    keys = (
        ApiKey(sha256=hashlib.sha256(ANNA.encode()).hexdigest(), name="anna"),
        ApiKey(sha256=hashlib.sha256(BERT.encode()).hexdigest(), name="bert", concurrent=1),
    )
    settings = Settings(models=MODELS, aliases={"org/tone-large": "tone"}, server=Server(api_keys=keys))
    with serving(create_app(settings)) as running:
        yield running
