"""Liveness, readiness, and what each says of the models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import httpx
import pytest

from tests.support.gateway import serving, wait_until
from voicegw.api.health import serves
from voicegw.app import create_app
from voicegw.engine.router import Router
from voicegw.engine.spec import ModelSpec, ModelState
from voicegw.settings import Model, Settings


@dataclass
class StatedPool:
    """A model that only has a state."""

    state: ModelState
    preload: bool = True
    required: bool = False
    spec: ModelSpec = field(init=False)

    def __post_init__(self) -> None:
        self.spec = ModelSpec("m", "tone", preload=self.preload, required=self.required)


READY, LOADING, DESCRIBED = ModelState.READY, ModelState.LOADING, ModelState.DESCRIBED
UNLOADED, FAILED, DRAINING = ModelState.UNLOADED, ModelState.FAILED, ModelState.DRAINING


@pytest.mark.parametrize(
    ("pools", "fit"),
    [
        ([], False),
        ([StatedPool(READY)], True),
        ([StatedPool(LOADING)], False),
        ([StatedPool(FAILED), StatedPool(READY)], True),
        ([StatedPool(FAILED, required=True), StatedPool(READY)], False),
        ([StatedPool(READY, required=True), StatedPool(FAILED)], True),
        ([StatedPool(READY, required=True), StatedPool(LOADING, required=True)], False),
        ([StatedPool(DESCRIBED)], False),
        ([StatedPool(DESCRIBED, preload=False)], True),
        ([StatedPool(UNLOADED)], True),
        ([StatedPool(DRAINING)], False),
    ],
)
def test_what_counts_as_ready(pools: list[StatedPool], *, fit: bool) -> None:
    router = Router(cast("dict[str, object]", dict(enumerate(pools))), {})  # type: ignore[arg-type]  # only states count
    assert serves(router) is fit


def test_the_three_questions(client: httpx.Client) -> None:
    wait_until(lambda: client.get("/health/ready").json()["models"]["broken"]["state"] == "failed")
    assert client.get("/health").text == "OK"
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    body = ready.json()
    assert body["status"] == "ready"
    assert body["models"]["tone"] == {"state": "ready", "detail": "", "required": True}
    assert body["models"]["broken"]["state"] == "failed"
    assert "first_audio_ms" in body["models"]["broken"]["detail"]
    assert "absent" not in body["models"]


def test_no_other_health_paths(client: httpx.Client) -> None:
    for path in ("/v1/readyz", "/readyz", "/health/ready/", "/health/nope"):
        assert client.get(path).status_code == 404


def test_a_server_without_any_model_to_serve_is_not_ready() -> None:
    app = create_app(Settings(models=(Model(id="broken", backend="tone", parameters={"slots": 0}),)))
    with serving(app, ready=False) as gateway, gateway.client() as client:
        response = client.get("/health/ready")
        assert (response.status_code, response.json()["status"]) == (503, "not ready")
        refused = client.post("/v1/audio/speech", json={"model": "broken", "input": "x"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
