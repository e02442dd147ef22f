"""OpenAI's client for Node 7.57, as people use it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.scripts import Found, run, script
from tests.support.gateway import Gateway

SIZE = 2 * 24_000
"""Of two words as raw audio."""


@pytest.fixture(scope="module")
def found(gateway: Gateway) -> Found:
    """What all scenarios found that need nobody to look at the server meanwhile."""
    speech = ("whole", "voices", "mp3", "streamed", "events", "extras")
    failing = ("errors", "retried", "broken", "late")
    return run("openai", gateway.url, *speech, *failing, "slashes", "models", "azure", "environment")


def test_speech_read_whole(found: Found) -> None:
    told = found["whole"]
    assert (told["size"], told["type"]) == (SIZE, "audio/pcm")
    assert told["request_id"].startswith("req_")
    assert found["mp3"]["type"] == "audio/mpeg"
    assert found["mp3"]["size"] > 1000


def test_a_voice_is_a_name_or_an_object(found: Found) -> None:
    assert found["voices"] == {"marin": "bright", "High": "high", "low": "low", "cedar": "tone"}


def test_a_stream_comes_in_pieces(found: Found) -> None:
    assert found["streamed"]["size"] == 3 * 24_000
    assert found["streamed"]["pieces"] > 1


def test_events_hold_the_plain_file(found: Found) -> None:
    told = found["events"]
    assert told["type"] == "text/event-stream"
    assert told["prefixed"]
    assert told["same"]
    assert told["deltas"] > 1
    usage = {"input_tokens": 7, "output_tokens": 20, "total_tokens": 27}
    assert told["last"] == {"type": "speech.audio.done", "usage": usage}


def test_what_openai_does_not_know_is_sent_flat(found: Found) -> None:
    assert found["extras"] == {"ignored": "temperature, topk, nested", "size": SIZE / 2}


@pytest.mark.parametrize(
    ("case", "kind", "expected"),
    [
        ("empty", "BadRequestError", (400, "empty_input", "input")),
        ("speed", "BadRequestError", (400, "invalid_value", "speed")),
        ("voice", "BadRequestError", (400, "voice_not_found", "voice")),
        ("model", "NotFoundError", (404, "model_not_found", "model")),
        ("retrieve", "NotFoundError", (404, "model_not_found", "model")),
        ("key", "AuthenticationError", (401, "invalid_api_key", None)),
        ("server", "InternalServerError", (500, "backend_failed", None)),
    ],
)
def test_errors_are_the_clients_own(found: Found, case: str, kind: str, expected: tuple[int, str, str | None]) -> None:
    told = found["errors"][case]
    assert told["known"]
    assert told["kind"] == kind
    assert (told["status"], told["code"], told["param"]) == expected
    assert told["message"].startswith(f"{expected[0]} ")
    assert len(told["message"]) > 20
    assert told["requestID"].startswith("req_")


def test_a_limit_is_told_and_waited_for(found: Found) -> None:
    refused: dict[str, Any] = found["retried"]["refused"]
    assert (refused["kind"], refused["status"]) == ("RateLimitError", 429)
    assert refused["code"] == "concurrency_limit_exceeded"
    first, second, *more = found["retried"]["made"]
    assert [each["status"] for each in (first, second, *more)] == [429, *(429 for _ in more), 200]
    assert found["retried"]["size"] == SIZE
    assert first["shouldRetry"] == "true"
    assert first["retryAfter"] * 1000 >= first["retryAfterMs"] >= 1000
    assert second["waitedMs"] >= first["retryAfterMs"] - 2  # by itself it would have come back after half a second


def test_a_broken_stream_is_an_error_where_it_is_read(found: Found) -> None:
    assert found["broken"] == {"status": 200, "error": "terminated", "requests": 1}


def test_a_client_that_cannot_wait(found: Found, gateway: Gateway) -> None:
    assert found["late"] == {"timedOut": True}
    gateway.wait_idle()


def test_models(found: Found) -> None:
    assert {"tone", "tts-1", "org/tone-large"} <= set(found["models"])
    slashes = {"id": "org/tone-large", "alias_of": "tone", "path": "/v1/models/org%2Ftone-large"}
    assert found["slashes"] == slashes


def test_azures_client(found: Found) -> None:
    assert found["azure"] == {"size": SIZE, "path": "/openai/deployments/tone/audio/speech"}


def test_two_variables_are_all_it_needs(found: Found) -> None:
    assert found["environment"] == SIZE


def test_the_first_piece_is_there_before_the_end_and_an_abort_stops_the_model(gateway: Gateway) -> None:
    with script("openai", gateway.url, "aborted") as running:
        told = running.told()  # of 200 seconds, made in real time
        assert told["first"] > 0
        assert not told["done"]
        assert gateway.app.state.engine.active_streams() == 1
        running.go_on()
        gateway.wait_idle()  # while the script is still there
        running.go_on()
        assert running.told()["found"] == {"name": "AbortError"}
