"""Strict requests: a parameter without effect is refused rather than ignored."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.gateway import speech_body

PATH = "/v1/audio/speech"


@pytest.mark.parametrize("strict", [True, "true", "True"])
def test_by_the_body(client: httpx.Client, strict: object) -> None:
    response = client.post(PATH, json=speech_body(temperature=1, topk=5, strict_parameters=strict))
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, "temperature", "unknown_parameter")
    assert "'temperature', 'topk'" in error["message"]


@pytest.mark.parametrize(("value", "status"), [("1", 400), ("true", 400), ("0", 200), ("", 200)])
def test_by_the_header(client: httpx.Client, value: str, status: int) -> None:
    response = client.post(PATH, json=speech_body(temperature=1), headers={"x-voicegw-strict": value})
    assert response.status_code == status


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"speed": 1.5, "language": "de", "voice": "alloy"},
        {"stream_format": "audio", "nothing": None},
        {"model": "faulty", "fail_after_chunks": 100_000},
    ],
    ids=str,
)
def test_what_is_obeyed_is_not_refused(client: httpx.Client, more: dict[str, Any]) -> None:
    response = client.post(PATH, json=speech_body(strict_parameters=True, **more))
    assert response.status_code == 200, response.text
    assert "x-voicegw-ignored" not in response.headers


@pytest.mark.parametrize("value", [False, None, "false"])
def test_not_unless_it_is_asked_for(client: httpx.Client, value: object) -> None:
    response = client.post(PATH, json=speech_body(temperature=1, strict_parameters=value))
    assert (response.status_code, response.headers["x-voicegw-ignored"]) == (200, "temperature")


@pytest.mark.parametrize("value", [1, "yes", [], {}])
def test_something_else_than_true_or_false(client: httpx.Client, value: object) -> None:
    response = client.post(PATH, json=speech_body(strict_parameters=value))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "strict_parameters")


def test_hostile_names_stay_short(client: httpx.Client) -> None:
    many = {f"{'x' * 5000}{number}": 1 for number in range(50)}
    response = client.post(PATH, json=speech_body(strict_parameters=True, **many))
    assert response.status_code == 400
    assert response.json()["error"]["message"].endswith(" and 40 more.")
    assert len(response.content) < 2000


def test_an_alias_of_a_voice_that_is_not_there_is_named(client: httpx.Client) -> None:
    response = client.post(PATH, json=speech_body(voice="lost"))
    assert response.status_code == 200
    assert response.headers["x-voicegw-warning"] == "voice lost means nobody, which tone lacks; tone used"
    assert "x-voicegw-warning" not in client.post(PATH, json=speech_body(voice="found")).headers
