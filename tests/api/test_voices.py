"""``/v1/audio/voices``: the voices of one model or of all, and the other names by which they can be asked for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.gateway import speech_body, wait_until
from tests.support.server import RunningServer
from voicegw.api.openai.shapes import VoiceList
from voicegw.services.casting import OPENAI_VOICES


def listed(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    body = client.get("/v1/audio/voices", params=query).json()
    assert VoiceList.model_validate(body)
    return list(body["voices"])


def own(voices: list[dict[str, Any]]) -> list[str]:
    return [voice["id"] for voice in voices if "alias_of" not in voice]


def test_the_voices_of_one_model(client: httpx.Client) -> None:
    voices = listed(client, model="tone")
    assert voices[0] == {"id": "tone", "name": "Tone", "languages": [], "model": "tone"}
    assert own(voices) == ["tone", "low", "high", "bright"]
    assert listed(client, model="tts-1") == voices


def test_other_names_come_after_them_with_what_they_mean(client: httpx.Client) -> None:
    others = {voice["id"]: voice["alias_of"] for voice in listed(client, model="tone") if "alias_of" in voice}
    assert [*others] == ["alloy", "found", "lost", *OPENAI_VOICES[1:]]
    assert (others["found"], others["lost"]) == ("high", "tone")
    for name, meant in others.items():
        spoken = client.post("/v1/audio/speech", json=speech_body(voice=name, input="one"))
        assert (spoken.status_code, spoken.headers["x-voicegw-voice"]) == (200, meant), name


def test_the_voices_of_all_models_and_the_names_that_the_default_one_knows(client: httpx.Client) -> None:
    voices = listed(client)
    assert {voice["model"] for voice in voices} == {"tone", "real-time", "narrow", "late", "faulty"}
    assert {voice["model"] for voice in voices if "alias_of" in voice} == {"tone"}
    assert len({voice["id"] for voice in voices if "alias_of" in voice}) == 15


def test_a_language(client: httpx.Client) -> None:
    german = {voice["id"]: voice.get("alias_of") for voice in listed(client, model="tone", language="de-AT")}
    assert german["tief"] == "low"
    assert own(listed(client, model="tone", language="xx")) == []
    assert listed(client, model="tone", language="xx") == []


def test_languages_of_many_voices(server: RunningServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        wait_until(lambda: bool(listed(client, model="espeak")))  # the server is ready with its first model
        spanish = listed(client, model="espeak", language="es")
        assert {"es", "es-419"} <= set(own(spanish))
        assert all(tag.startswith("es") for voice in spanish for tag in voice["languages"][:1])
        assert {"alloy", "cedar"} <= {voice["id"] for voice in spanish}
        everything = listed(client, model="espeak")
        assert len(everything) > 100
        assert {voice["alias_of"] for voice in everything if "alias_of" in voice} <= set(own(everything))


def test_a_model_that_nobody_has_described_has_none(client: httpx.Client) -> None:
    assert listed(client, model="broken") == []


@pytest.mark.parametrize("model", ["none", "absent", "x" * 5000])
def test_an_unknown_model(client: httpx.Client, model: str) -> None:
    response = client.get("/v1/audio/voices", params={"model": model})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
