"""The paths that other clients of the same API use: Azure's deployments, and no version at all."""

from __future__ import annotations

from itertools import count

import httpx
import openai
import pytest

from tests.support.gateway import Gateway, speech_body
from voicegw.app import create_app
from voicegw.settings import Model, Settings

DEPLOYMENT = "/openai/deployments/{}/audio/speech?api-version=2025-04-01-preview"


def test_the_deployment_is_the_model(client: httpx.Client) -> None:
    body = speech_body()
    del body["model"]
    for name, model in (("tone", "tone"), ("tts-1", "tone"), ("org%2Ftone-large", "tone"), ("faulty", "faulty")):
        response = client.post(DEPLOYMENT.format(name), json=body)
        assert response.status_code == 200, response.text
        assert (response.headers["x-voicegw-model"], len(response.content)) == (model, 72_000)
    unknown = client.post(DEPLOYMENT.format("none"), json=body)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(("named", "model"), [("faulty", "faulty"), (None, "tone"), ("", "tone")])
def test_unless_the_body_names_one(client: httpx.Client, named: str | None, model: str) -> None:
    response = client.post(DEPLOYMENT.format("tone"), json=speech_body(model=named))
    assert response.headers["x-voicegw-model"] == model


def test_azures_client(gateway: Gateway) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=gateway.url, api_key="none", api_version="2025-04-01-preview", max_retries=0
    ) as client:
        speech = client.audio.speech.create(model="tone", voice="alloy", input="one two three", response_format="pcm")
        assert len(speech.content) == 72_000
        assert speech.response.request.url.path == "/openai/deployments/tone/audio/speech"
        assert "tone" in [model.id for model in client.models.list()]
    with openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key="none", max_retries=0) as current:
        assert current.audio.speech.create(model="tone", voice="alloy", input="one").content


async def test_a_model_was_created_when_it_was_whatever_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking = count(1_700_000_000)
    monkeypatch.setattr("time.time", lambda: next(ticking))
    app = create_app(Settings(models=(Model(id="tone", backend="tone"),)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        told = [(await client.get(f"{prefix}/models/tone")).json() for prefix in ("/v1", "", "/openai/v1", "/openai")]
    assert told == told[:1] * 4


def test_every_path_without_its_version(client: httpx.Client) -> None:
    same = client.post("/v1/audio/speech", json=speech_body()).content
    assert client.post("/audio/speech", json=speech_body()).content == same
    for path in ("/models", "/models/org%2Ftone-large", "/audio/models", "/audio/voices"):
        assert client.get(path).json() == client.get(f"/v1{path}").json()
