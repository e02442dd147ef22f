"""Open WebUI 0.12.4: models and voices are listed without a key, speech is read whole and by its content type."""

from __future__ import annotations

import json

import pytest

from tests.apps import readme
from tests.apps.conftest import KEY
from tests.apps.heard import mp3_frames, seconds
from tests.apps.wire import Answer, ask, from_python
from tests.support.gateway import Gateway

APP = "Open WebUI"
AIOHTTP = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate, br, zstd", "User-Agent": "Python/3.12 aiohttp/3.13.2"}
PLAYABLE = {"audio/mpeg", "audio/wav", "audio/ogg", "audio/opus", "audio/flac", "audio/aac"}
"""What its slim build passes on to the browser; it answers 502 for anything else."""


def speak(url: str, text: str, *, key: str | None = None, params: dict[str, object] | None = None) -> Answer:
    """Send what its server makes of a browser's request: the configured model and parameters over the browser's."""
    told = readme.variables(APP, url)
    assert told["AUDIO_TTS_ENGINE"] == "openai"
    from_browser = {"input": text, "voice": told["AUDIO_TTS_VOICE"]}
    headers = {
        **AIOHTTP,
        "Content-Type": "application/json",
        "Authorization": f"Bearer {key or told['AUDIO_TTS_OPENAI_API_KEY']}",
    }
    body = from_python({**from_browser, "model": told["AUDIO_TTS_MODEL"], **(params or {})})
    return ask("POST", f"{told['AUDIO_TTS_OPENAI_API_BASE_URL']}/audio/speech", headers, body)


def test_a_sentence_is_mp3(gateway: Gateway) -> None:
    answer = speak(gateway.url, "“Good morning”, said the machine — politely.")
    assert (answer.status, answer.headers["content-type"]) == (200, "audio/mpeg")
    assert mp3_frames(answer.body) > 0
    assert seconds("mp3", answer.body) > 1


@pytest.mark.parametrize("target", ["mp3", "opus", "aac", "flac", "wav"])
def test_formats_that_are_passed_on_to_the_browser(gateway: Gateway, target: str) -> None:
    answer = speak(gateway.url, "one two", params={"response_format": target, "speed": 1.25})
    assert answer.media_type in PLAYABLE
    assert seconds(target, answer.body) > 0.3


@pytest.mark.parametrize(("params", "rate"), [({}, 24_000), ({"sample_rate": 16_000}, 16_000)])
def test_raw_audio_says_its_rate(gateway: Gateway, params: dict[str, object], rate: int) -> None:
    answer = speak(gateway.url, "one", params={"model": "tone", "response_format": "pcm", **params})
    told = dict(part.strip().split("=") for part in answer.headers["content-type"].split(";")[1:])
    assert answer.media_type == "audio/pcm"
    assert (int(told.get("rate", 24_000)), int(told.get("channels", 1))) == (rate, 1)
    assert len(answer.body) == rate  # half a second of two bytes each


@pytest.mark.parametrize("keyed", [False, True])
def test_models_and_voices_are_listed_without_a_key(gateway: Gateway, guarded: Gateway, keyed: bool) -> None:
    url = (guarded if keyed else gateway).url
    base = readme.variables(APP, url)["AUDIO_TTS_OPENAI_API_BASE_URL"]
    models = ask("GET", f"{base}/audio/models", AIOHTTP)
    assert models.media_type == "application/json"
    assert {"tts-1", "tone"} <= {model["id"] for model in models.json()["models"]}
    voices = {voice["id"]: voice["name"] for voice in ask("GET", f"{base}/audio/voices", AIOHTTP).json()["voices"]}
    assert voices["alloy"] == "Alloy"
    assert voices["low"] == "Low"
    everything = ask("GET", f"{base}/models", AIOHTTP).json()["data"]  # where the first two are missing
    assert {"tts-1", "tone"} <= {model["id"] for model in everything}


def test_every_voice_that_is_listed_can_be_asked_for(gateway: Gateway) -> None:
    base = readme.variables(APP, gateway.url)["AUDIO_TTS_OPENAI_API_BASE_URL"]
    listed = ask("GET", f"{base}/audio/voices?model=tts-1", AIOHTTP).json()["voices"]
    for voice in (listed[0], listed[len(listed) // 2], listed[-1]):
        assert speak(gateway.url, "one", params={"voice": voice["id"]}).status == 200


def test_what_it_shows_of_an_error(gateway: Gateway, guarded: Gateway) -> None:
    refused = speak(guarded.url, "one", key="wrong")
    unknown = speak(gateway.url, "one", params={"voice": "nobody"})
    assert (refused.status, unknown.status) == (401, 400)
    assert refused.json()["error"]["message"].startswith("Incorrect API key provided.")
    assert "nobody" in unknown.json()["error"]["message"]
    assert speak(guarded.url, "one", key=KEY).status == 200


def test_parameters_are_json(gateway: Gateway) -> None:
    params = json.loads('{"response_format": "wav", "instructions": "Calm.", "lang_code": "a"}')
    answer = speak(gateway.url, "one", params=params)
    assert answer.headers["x-voicegw-ignored"] == "instructions, lang_code"
    assert answer.media_type == "audio/wav"
