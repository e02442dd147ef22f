"""The Vercel AI SDK 7 with its provider for OpenAI."""

from __future__ import annotations

import pytest

from tests.node.scripts import Found, run, script
from tests.support.gateway import Gateway, wait_until

SIZE = 2 * 24_000


@pytest.fixture(scope="module")
def found(gateway: Gateway) -> Found:
    return run("ai_sdk", gateway.url, "formats", "options", "errors", "retried", "environment")


@pytest.mark.parametrize(
    ("target", "sent", "media_type", "extension"),
    [
        ("default", "audio/mpeg", "audio/mpeg", "mp3"),
        ("mp3", "audio/mpeg", "audio/mpeg", "mp3"),
        ("opus", "audio/opus", "audio/ogg", "ogg"),
        ("aac", "audio/aac", "audio/aac", "aac"),
        ("flac", "audio/flac", "audio/flac", "flac"),
        ("wav", "audio/wav", "audio/wav", "wav"),
        ("pcm", "audio/pcm", "audio/pcm", "pcm"),
    ],
)
def test_it_knows_each_format_by_what_it_gets(
    found: Found, target: str, sent: str, media_type: str, extension: str
) -> None:
    told = found["formats"][target]
    assert (told["sent"], told["mediaType"], told["format"]) == (sent, media_type, extension)
    assert told["size"] > 1000
    assert (told["warnings"], told["modelId"]) == (0, "tone")


def test_options(found: Found) -> None:
    told = found["options"]
    assert (told["size"], told["requestId"]) == (SIZE / 2, "from-the-sdk")
    assert told["ignored"] == "instructions"
    assert told["unsupported"] == ["language"]  # it does not send it


@pytest.mark.parametrize(
    ("case", "status", "code", "retryable"),
    [
        ("voice", 400, "voice_not_found", False),
        ("model", 404, "model_not_found", False),
        ("key", 401, "invalid_api_key", False),
        ("server", 500, "backend_failed", True),
    ],
)
def test_errors(found: Found, case: str, status: int, code: str, retryable: bool) -> None:
    told = found["errors"][case]
    assert told["call"]
    assert (told["status"], told["retryable"], told["error"]["code"]) == (status, retryable, code)
    assert told["message"] == told["error"]["message"]


def test_a_limit_is_waited_for(found: Found) -> None:
    told = found["retried"]
    assert (told["refused"]["status"], told["refused"]["retryable"]) == (429, True)
    *refused, served = told["statuses"]
    assert (set(refused), served, told["size"]) == ({429}, 200, SIZE)


def test_two_variables_are_all_it_needs(found: Found) -> None:
    assert found["environment"] == SIZE


def test_an_abort_stops_the_model(gateway: Gateway) -> None:
    with script("ai_sdk", gateway.url, "aborted") as running:
        assert running.told() == {}
        wait_until(lambda: gateway.app.state.engine.active_streams() == 1, "the model's work")
        running.go_on()
        gateway.wait_idle()
        running.go_on()
        assert running.told()["found"] == {"name": "AbortError"}
