"""``/v1/models`` and ``/v1/audio/models``: what can be asked for, and what each model can do."""

from __future__ import annotations

import httpx
import pytest

from tests.support.gateway import serving, speech_body
from voicegw.api.openai.shapes import ModelEntry, ModelList, SpeechModels
from voicegw.app import create_app
from voicegw.audio.format import FORMATS
from voicegw.settings import Model, Settings

ALWAYS = {"id", "object", "created", "owned_by", "state"}


def test_models_and_aliases_are_listed(client: httpx.Client) -> None:
    body = client.get("/v1/models").json()
    assert ModelList.model_validate(body).object == "list"
    names = [entry["id"] for entry in body["data"]]
    assert names[:6] == ["tone", "real-time", "narrow", "late", "faulty", "broken"]
    assert {"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "org/tone-large"} <= set(names)
    assert not {"absent", "gone"} & set(names)
    aliases = {entry["id"]: entry for entry in body["data"] if "alias_of" in entry}
    assert aliases["org/tone-large"]["alias_of"] == aliases["tts-1"]["alias_of"] == "tone"
    assert all(set(entry) == {*ALWAYS, "alias_of"} for entry in aliases.values())


def test_the_manifest_is_what_the_model_says(client: httpx.Client) -> None:
    entry = client.get("/v1/models/tone").json()
    created = entry.pop("created")
    assert created > 1_700_000_000
    assert entry == {
        "id": "tone",
        "object": "model",
        "owned_by": "voicegw",
        "state": "ready",
        "kind": "speech",
        "task": "text-to-speech",
        "sample_rate": 24_000,
        "languages": ["en", "de", "es", "pt", "fr"],
        "voices": [{"id": each, "name": each.title(), "languages": []} for each in ("tone", "low", "high", "bright")],
        "formats": [each.name for each in FORMATS],
        "clones": True,
        "speed": [0.5, 2.0],
        "words": True,
        "ipa": False,
        "streaming": True,
        "determinism": "exact",
        "parameters": [{"name": "speed", "kind": "float", "default": 1.0, "minimum": 0.5, "maximum": 2.0}],
        "limits": {"input_chars": 100_000, "slots": 64, "sample_s": [0.1, 3600.0], "needs_transcript": False},
        "licence": "Apache-2.0",
        "revision": "1",
    }
    (listed,) = [each for each in client.get("/v1/models").json()["data"] if each["id"] == "tone"]
    assert listed == {**entry, "created": created}


def test_every_voice_that_is_shown_can_be_asked_for(client: httpx.Client) -> None:
    """Some clients send the name that a list shows to people, others the id."""
    for voice in client.get("/v1/models/tone").json()["voices"]:
        for name in (voice["id"], voice["name"]):
            spoken = client.post("/v1/audio/speech", json=speech_body(voice=name))
            assert (spoken.status_code, spoken.headers["x-voicegw-voice"]) == (200, voice["id"])


@pytest.mark.parametrize("path", ["tts-1", "org/tone-large", "org%2Ftone-large"])
def test_an_alias_has_the_manifest_of_its_model(client: httpx.Client, path: str) -> None:
    own, alias = client.get("/v1/models/tone").json(), client.get(f"/v1/models/{path}").json()
    assert ModelEntry.model_validate(alias)
    assert alias == {**own, "id": path.replace("%2F", "/"), "alias_of": "tone"}


def test_a_model_that_cannot_be_described_has_its_state(client: httpx.Client) -> None:
    broken = client.get("/v1/models/broken").json()
    assert set(broken) == ALWAYS
    assert broken["state"] in ("failed", "declared")


def test_a_model_that_is_not_loaded_is_described() -> None:
    settings = Settings(models=(Model(id="ready", backend="tone"), Model(id="lazy", backend="tone", preload=False)))
    with serving(create_app(settings)) as running, running.client() as client:
        assert client.post("/v1/audio/speech", json=speech_body(model="ready")).status_code == 200
        lazy = client.get("/v1/models/lazy").json()
        assert lazy["state"] in ("declared", "described", "unloaded")
        assert client.post("/v1/audio/speech", json=speech_body(model="lazy")).status_code == 200
        assert client.get("/v1/models/lazy").json()["state"] == "ready"


@pytest.mark.parametrize("path", ["nix", "a/b/c", "absent", "gone", "%00", "..%2f..%2fetc", "x" * 5000])
def test_an_unknown_model(client: httpx.Client, path: str) -> None:
    response = client.get(f"/v1/models/{path}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert len(response.content) < 1000


def test_models_that_speak(client: httpx.Client) -> None:
    body = client.get("/v1/audio/models").json()
    assert SpeechModels.model_validate(body)
    assert {"id": "tone", "state": "ready"} in body["models"]
    assert {"id": "tts-1", "state": "ready", "alias_of": "tone"} in body["models"]
