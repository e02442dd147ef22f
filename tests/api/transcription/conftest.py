"""One gateway for all tests of transcription that do not stop it: recognisers of several kinds in real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import Gateway, serving
from tests.support.uploads import PATH, ears_installed, listening_models, sound
from voicegw.app import create_app
from voicegw.settings import Defaults, Limits, Model, Settings

UPLOAD, FIELDS = 2**20, 2**16
"""Bytes of the largest file, and of the fields beside it."""

Post = Callable[..., httpx.Response]
"""Takes the fields of a form, ``audio`` and ``path``; gives the answer."""


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    models = listening_models(
        many={"languages": ["de", "en", "pt-BR", "zh", "jw"]},
        simple={"options": [], "words": False, "plain": True, "tokens": False},
        deaf={"deaf": True},
        narrow={"slots": 1, "faults": True},
    )
    settings = Settings(
        models=(*models, Model(id="tone", backend="tone")),
        limits=Limits(queue_per_slot=1, upload_bytes=UPLOAD, json_bytes=FIELDS, upload_memory_bytes=8 * UPLOAD),
        defaults=Defaults(speech="tone", transcription="ears"),
    )
    with ears_installed(), serving(create_app(settings)) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as made:
        yield made
    gateway.wait_idle()
    assert gateway.app.state.uploads.held == 0


@pytest.fixture
def post(client: httpx.Client) -> Post:
    """Send a form as httpx makes it: the fields, then the file."""

    def send(audio: bytes | None = None, path: str = PATH, **fields: Any) -> httpx.Response:
        given = {name.replace("__", "[]"): value for name, value in fields.items()}
        data = audio if audio is not None else sound(1.0)
        return client.post(path, data={"model": "ears", **given}, files={"file": ("a.wav", data, "audio/wav")})

    return send
