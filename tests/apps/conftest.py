"""The servers that the applications are pointed at: one as it comes, and one with keys and pages of another origin."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.gateway import Gateway, serving
from voicegw.app import create_app
from voicegw.settings import ApiKey, Model, Server, Settings

KEY = "sk-apps-0123456789"
OBSIDIAN = "app://obsidian.md"


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """The server with its default models, all of them there: espeak speaks for OpenAI's names."""
    models = tuple(Model(id=name, backend=name, required=True) for name in ("espeak", "tone"))
    with serving(create_app(Settings(models=models))) as running:
        yield running


@pytest.fixture(scope="session")
def guarded() -> Iterator[Gateway]:
    """A server that wants :data:`KEY`, and lets Obsidian's pages ask."""
    server = Server(api_keys=(ApiKey(sha256=hashlib.sha256(KEY.encode()).hexdigest()),), cors_origins=(OBSIDIAN,))
    with serving(create_app(Settings(models=(Model(id="tone", backend="tone"),), server=server))) as running:
        yield running
