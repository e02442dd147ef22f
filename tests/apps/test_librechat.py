"""LibreChat: long texts are asked for in parts, whose mp3 bodies it pipes to the browser one behind the other."""

from __future__ import annotations

import pytest

from tests.apps import readme
from tests.apps.conftest import KEY
from tests.apps.heard import mp3_frames, seconds
from tests.apps.wire import Answer, ask, from_javascript
from tests.support.gateway import Gateway

APP = "LibreChat"
AXIOS = {
    "Accept": "application/json, text/plain, */*",
    "Content-Type": "application/json",
    "User-Agent": "axios/1.13.2",
    "Accept-Encoding": "gzip, compress, deflate, br",
    "Connection": "keep-alive",
}
SENTENCE = "It is said that a machine reads this aloud, and that nobody hears where one part ends! "
PART_CHARS, WHOLE_CHARS = 1000, 4096


def speak(url: str, text: str, **more: object) -> Answer:
    """Post to the URL of its configuration as it stands; a voice that is not among the configured ones is left out."""
    openai = readme.document(APP, url)["speech"]["tts"]["openai"]
    body = {"input": text, "model": openai["model"], "voice": openai["voices"][1], **more}
    headers = {**AXIOS, "Authorization": f"Bearer {openai['apiKey']}"}
    return ask("POST", openai["url"], headers, from_javascript({k: v for k, v in body.items() if v is not None}))


def parts(text: str) -> list[str]:
    """Cut a text as it does: at the last mark within so many characters."""
    found = []
    while text:
        cut = len(text) if len(text) <= PART_CHARS else max(text.rfind(mark, 0, PART_CHARS) for mark in ".!?\n") + 1
        found.append(text[:cut].strip())
        text = text[cut:].lstrip()
    return found


def test_a_message_is_mp3_in_any_case(gateway: Gateway) -> None:
    answer = speak(gateway.url, SENTENCE)
    assert (answer.status, answer.media_type) == (200, "audio/mpeg")
    assert mp3_frames(answer.body) > 0


def test_parts_are_one_stream_when_they_are_put_together(gateway: Gateway) -> None:
    text = SENTENCE * (WHOLE_CHARS // len(SENTENCE) + 1)
    assert len(text) >= WHOLE_CHARS
    *_, before_last, last = parts(text)
    bodies = [speak(gateway.url, part).body for part in (before_last, last)]
    assert mp3_frames(b"".join(bodies)) == sum(map(mp3_frames, bodies))
    assert seconds("mp3", b"".join(bodies)) == pytest.approx(sum(seconds("mp3", body) for body in bodies))


def test_without_voices_none_is_sent(gateway: Gateway) -> None:
    assert speak(gateway.url, "one", voice=None).status == 200


def test_the_backend_that_localai_knows_is_ignored(gateway: Gateway) -> None:
    assert speak(gateway.url, "one", backend="piper").headers["x-voicegw-ignored"] == "backend"


def test_the_address_is_one_that_its_guard_is_told_of(gateway: Gateway) -> None:
    tts = readme.document(APP, gateway.url)["speech"]["tts"]
    host, port = tts["allowedAddresses"][0].rsplit(":", 1)
    assert tts["openai"]["url"].startswith(f"http://{host}:{port}/")
    assert ask("POST", tts["openai"]["url"], AXIOS, b"{}").status == 400  # a redirect would be refused there


def test_a_wrong_key_is_a_failure_before_any_audio(guarded: Gateway) -> None:
    refused = speak(guarded.url, "one")
    assert (refused.status, refused.media_type) == (401, "application/json")
    url = readme.document(APP, guarded.url)["speech"]["tts"]["openai"]["url"]
    asked = from_javascript({"input": "one", "model": "tts-1", "voice": "nova"})
    assert ask("POST", url, {**AXIOS, "Authorization": f"Bearer {KEY}"}, asked).status == 200
