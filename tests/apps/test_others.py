"""Applications beside those of the README's table: what is particular in their requests."""

from __future__ import annotations

import openai
import pytest

from tests.apps.conftest import KEY, OBSIDIAN
from tests.apps.heard import mp3_frames, seconds
from tests.apps.wire import ask, from_javascript, from_python
from tests.support.gateway import Gateway

REQUESTS = {
    "User-Agent": "python-requests/2.32.5",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
    "Connection": "keep-alive",
    "Content-Type": "application/json",
}


@pytest.mark.parametrize("base", ["/v1", "/v1/", ""])
def test_dify_joins_sentences_and_needs_200(gateway: Gateway, base: str) -> None:
    """The OpenAI-compatible models of its SDK 0.7.4; its credential is good when the first words are audio."""
    endpoint = f"{gateway.url}{base}".rstrip("/") + "/audio/speech"
    bodies = []
    for text in ("Test.", "And one more sentence."):
        body = {"model": "tts-1", "input": text, "voice": "alloy", "response_format": "mp3"}
        answer = ask("POST", endpoint, {**REQUESTS, "Authorization": "Bearer none"}, from_python(body))
        assert answer.status == 200
        bodies.append(answer.body)
    assert mp3_frames(b"".join(bodies)) == sum(map(mp3_frames, bodies))
    assert ask("POST", endpoint, REQUESTS, from_python({"model": "tts-1", "input": "a", "voice": "x"})).status == 400


async def test_litellm_reads_all_and_passes_headers_on(guarded: Gateway) -> None:
    """Version 1.110: through OpenAI's client, buffered; what it does not know goes into the extra body."""
    async with openai.AsyncOpenAI(api_key=KEY, base_url=guarded.url, max_retries=2, timeout=600) as client:
        response = await client.audio.speech.create(
            model="tone", voice="alloy", input="one two", speed=2, extra_body={"user": "anna", "metadata": {"a": 1}}
        )
    assert response.response.headers["x-voicegw-model"] == "tone"
    assert response.response.headers["x-voicegw-ignored"] == "user, metadata"
    assert seconds("mp3", response.content) == pytest.approx(0.5, abs=0.1)


def test_a_plugin_of_obsidian_asks_from_its_page(guarded: Gateway) -> None:
    """Aloud adds ``/v1`` itself, sends an empty voice where none is set, and is a browser."""
    url = f"{guarded.url}/v1/audio/speech"
    browser = {"Origin": OBSIDIAN, "User-Agent": "Mozilla/5.0 obsidian/1.10.6 Electron/39.2.6", "Accept": "*/*"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = ask("OPTIONS", url, {**browser, **asked}).headers
    assert allowed["access-control-allow-origin"] == OBSIDIAN
    assert allowed["access-control-allow-headers"] == "authorization,content-type"
    body = from_javascript({"model": "tts-1", "voice": "", "input": "one two", "speed": 1})
    for key, status in ((KEY, 200), ("wrong", 401)):
        headers = {**browser, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        answer = ask("POST", url, headers, body)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, OBSIDIAN)
