"""``/v1/models``."""

from __future__ import annotations

import httpx
import pytest


def test_models_and_aliases_are_listed(client: httpx.Client) -> None:
    body = client.get("/v1/models").json()
    assert body["object"] == "list"
    names = [entry["id"] for entry in body["data"]]
    assert names[:6] == ["tone", "real-time", "narrow", "late", "faulty", "broken"]
    assert {"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "org/tone-large"} <= set(names)
    assert not {"absent", "gone"} & set(names)
    assert all(set(entry) == {"id", "object", "created", "owned_by"} for entry in body["data"])


@pytest.mark.parametrize("path", ["tone", "tts-1", "org/tone-large", "org%2Ftone-large"])
def test_one_model(client: httpx.Client, path: str) -> None:
    body = client.get(f"/v1/models/{path}").json()
    assert body["id"] == path.replace("%2F", "/")
    assert body["object"] == "model"
    assert body["created"] > 1_700_000_000


@pytest.mark.parametrize("path", ["nix", "a/b/c", "absent", "gone", "%00", "..%2f..%2fetc", "x" * 5000])
def test_an_unknown_model(client: httpx.Client, path: str) -> None:
    response = client.get(f"/v1/models/{path}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert len(response.content) < 1000
