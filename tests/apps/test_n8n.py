"""n8n: the credential is tested by listing models, the OpenAI node makes audio files."""

from __future__ import annotations

import pytest

from tests.apps import readme
from tests.apps.conftest import KEY
from tests.apps.heard import seconds
from tests.apps.wire import Answer, ask, from_javascript
from tests.support.gateway import Gateway

APP = "n8n"
AXIOS = {"User-Agent": "n8n", "Accept-Encoding": "gzip, compress, deflate, br", "Connection": "keep-alive"}


def credential(url: str, key: str | None = None) -> dict[str, str]:
    """Give the headers that the credential adds; the organisation is empty unless somebody sets it."""
    told = readme.fields(APP, url)
    return {"Authorization": f"Bearer {key or told['API Key']}", "OpenAI-Organization": "", **AXIOS}


def generate(url: str, *, key: str | None = None, **options: object) -> Answer:
    told = readme.fields(APP, url)
    body = {
        "model": told["Model"],
        "input": "The quick brown fox jumped over the lazy dog",
        "voice": told["Voice"],
        "response_format": "mp3",
        "speed": 1,
        **options,
    }
    headers = {**credential(url, key), "accept": "*/*", "Content-Type": "application/json"}
    return ask("POST", f"{told['Base URL']}/audio/speech", headers, from_javascript(body))


@pytest.mark.parametrize("keyed", [False, True])
def test_the_credential_is_good(gateway: Gateway, guarded: Gateway, keyed: bool) -> None:
    url = (guarded if keyed else gateway).url
    headers = {**credential(url, KEY), "accept": "application/json,text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = ask("GET", f"{readme.fields(APP, url)['Base URL']}/models", headers)
    assert answer.status == 200
    assert readme.fields(APP, url)["Model"] in {model["id"] for model in answer.json()["data"]}


@pytest.mark.parametrize("target", ["mp3", "opus", "aac", "flac"])
def test_the_node_makes_a_file(gateway: Gateway, target: str) -> None:
    answer = generate(gateway.url, response_format=target, speed=1.5)
    assert answer.status == 200
    assert "content-encoding" not in answer.headers
    assert seconds(target, answer.body) > 0.5


@pytest.mark.parametrize("model", ["tts-1", "tts-1-hd"])
@pytest.mark.parametrize("voice", ["alloy", "echo", "fable", "nova", "onyx", "shimmer"])
def test_whatever_its_lists_offer(guarded: Gateway, model: str, voice: str) -> None:
    assert generate(guarded.url, key=KEY, model=model, voice=voice).status == 200


def test_an_error_says_what_to_do(gateway: Gateway, guarded: Gateway) -> None:
    assert "Send it in the header" in generate(guarded.url, key="wrong").json()["error"]["message"]
    assert generate(gateway.url, input="").json()["error"]["message"] == "'input' holds nothing to speak"
