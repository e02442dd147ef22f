"""SillyTavern: its server asks with an empty key after ``Bearer`` where none is set, and hands mp3 to the browser."""

from __future__ import annotations

from tests.apps import readme
from tests.apps.conftest import KEY
from tests.apps.heard import mp3_frames, seconds
from tests.apps.wire import Answer, ask, from_javascript
from tests.support.gateway import Gateway

APP = "SillyTavern"
NODE_FETCH = {
    "Accept": "*/*",
    "User-Agent": "node-fetch",
    "Accept-Encoding": "gzip, deflate, br",
    "Connection": "close",
}


def speak(url: str, voice: str, *, key: str = "", speed: float = 1) -> Answer:
    told = readme.fields(APP, url)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **NODE_FETCH}
    body = {
        "input": "“You shall not pass!” she said.",
        "response_format": "mp3",
        "voice": voice,
        "speed": speed,
        "model": told["Model"],
    }
    return ask("POST", told["Provider Endpoint"], headers, from_javascript(body))


def test_every_voice_of_its_list_speaks(gateway: Gateway) -> None:
    voices = readme.fields(APP, gateway.url)["Available Voices"].split(",")
    assert len(voices) > 1
    for voice in voices:
        answer = speak(gateway.url, voice)
        assert (answer.status, answer.media_type) == (200, "audio/mpeg")
        assert mp3_frames(answer.body) > 0


def test_the_slider_of_the_speed(gateway: Gateway) -> None:
    slow, fast = (seconds("mp3", speak(gateway.url, "alloy", speed=speed).body) for speed in (0.25, 4))
    assert slow > 8 * fast


def test_a_key_where_one_is_needed(guarded: Gateway) -> None:
    refused = speak(guarded.url, "alloy")
    assert refused.status == 401
    assert b"You did not provide an API key." in refused.body  # all of it is shown
    assert speak(guarded.url, "alloy", key=KEY).status == 200
