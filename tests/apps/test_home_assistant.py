"""Home Assistant, by the integration OpenAI TTS 3.10, preset Custom: it checks the key, lists voices, streams."""

from __future__ import annotations

import json
import wave
from io import BytesIO
from typing import Any

import pytest

from tests.apps import readme
from tests.apps.conftest import KEY
from tests.apps.heard import mp3_frames, seconds
from tests.apps.wire import Answer, ask, from_python
from tests.support.gateway import Gateway

APP = "Home Assistant, OpenAI TTS"
AIOHTTP = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate, br"}
NAME = {"User-Agent": "HomeAssistant-OpenAI-TTS"}
GONE = {"invalid_voice", "voice_not_found", "voice_deleted", "voice_does_not_exist"}
"""Codes by which it tells people that a voice is gone."""
BEGINNINGS = {"mp3": b"\xff\xf3", "opus": b"OggS", "aac": b"\xff\xf1", "flac": b"fLaC", "wav": b"RIFF"}
"""Audio that begins otherwise is not played."""


def speak(url: str, text: str, *, key: str = "", extra_payload: str = "", **more: object) -> Answer:
    """Send what it builds: the speed where it is not 1, and the extra payload over everything."""
    told = readme.fields(APP, url)
    body: dict[str, Any] = {
        "model": told["Model"],
        "input": text,
        "voice": told["Voice"],
        "response_format": "mp3",
        **more,
        **json.loads(extra_payload or "{}"),
    }
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    headers = {"Content-Type": "application/json", **NAME, **bearer, **AIOHTTP}
    return ask("POST", told["API Endpoint"], headers, from_python(body))


def probe(url: str, key: str, text: str) -> Answer:
    """Send what it finds out with whether a key is good, before it keeps it."""
    body = {"model": "tts-1", "input": text, "voice": "alloy", "response_format": "mp3"}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **AIOHTTP}
    return ask("POST", readme.fields(APP, url)["API Endpoint"], headers, from_python(body))


@pytest.mark.parametrize(("text", "good"), [("", 400), (".", 200)])  # since 3.10, and before
def test_only_a_wrong_key_is_one_that_is_refused(guarded: Gateway, text: str, good: int) -> None:
    assert probe(guarded.url, KEY, text).status == good
    assert probe(guarded.url, "wrong", text).status == 401


def test_without_keys_any_key_is_good(gateway: Gateway) -> None:
    assert probe(gateway.url, "anything", "").status == 400
    assert probe(gateway.url, "anything", ".").status == 200


def test_voices_stand_beside_the_endpoint(gateway: Gateway) -> None:
    listed = readme.fields(APP, gateway.url)["API Endpoint"].rsplit("/", 1)[0] + "/voices?limit=100"
    payload = ask("GET", listed, {**NAME, **AIOHTTP}).json()
    found = payload.get("items") or payload.get("data") or payload.get("voices")
    options = {voice["id"]: voice["name"] for voice in found}
    assert options["alloy"] == "Alloy"
    assert speak(gateway.url, "one", voice=found[0]["id"]).status == 200


@pytest.mark.parametrize("target", BEGINNINGS)
def test_audio_begins_as_it_must(gateway: Gateway, target: str) -> None:
    answer = speak(gateway.url, "Dinner is ready.", response_format=target)
    assert answer.status < 400
    assert "application/json" not in answer.headers["content-type"]
    assert answer.body.startswith(BEGINNINGS[target])
    assert seconds(target, answer.body) > 0.5


def test_sentences_of_a_reply_are_joined(gateway: Gateway) -> None:
    bodies = [speak(gateway.url, text).body for text in ("The first one.", "And two more. They come together.")]
    assert mp3_frames(b"".join(bodies)) == sum(map(mp3_frames, bodies))  # nothing had to be cut away


def test_a_wave_file_is_read_by_its_header(gateway: Gateway) -> None:
    body = speak(gateway.url, "one", model="tone", response_format="wav").body
    with wave.open(BytesIO(body), "rb") as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (24_000, 2, 1)
        assert len(file.readframes(file.getnframes())) == 24_000


def test_speed_instructions_and_an_extra_payload(gateway: Gateway) -> None:
    extra = '{"temperature": 0.8, "language": "de"}'
    answer = speak(gateway.url, "Guten Tag", speed=1.5, instructions="Warmly.", extra_payload=extra)
    assert answer.headers["x-voicegw-ignored"] == "instructions, temperature"
    assert speak(gateway.url, "one", speed="1").status == 200  # as an older one sent it


def test_the_word_none_is_no_instruction(gateway: Gateway) -> None:
    """Home Assistant's own OpenAI integration sends it where nothing is set."""
    assert speak(gateway.url, "one", instructions="None").status == 200


def test_a_voice_that_is_gone_is_told_to_people(gateway: Gateway) -> None:
    answer = speak(gateway.url, "one", voice="nobody")
    assert 400 <= answer.status < 500
    assert answer.json()["error"]["code"] in GONE
    assert speak(gateway.url, "one", speed=9).json()["error"]["code"] not in GONE
