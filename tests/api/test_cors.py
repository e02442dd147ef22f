"""What a browser is told: origins, preflights, and headers on answers of every kind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import Gateway, serving, speech_body
from voicegw.app import create_app
from voicegw.settings import ApiKey, Limits, Model, Server, Settings

PATH = "/v1/audio/speech"
OBSIDIAN = "app://obsidian.md"
KEY = {"authorization": "Bearer key"}
TONE = (Model(id="tone", backend="tone"),)


@pytest.fixture(scope="module")
def paged() -> Iterator[Gateway]:
    server = Server(
        cors_origins=("https://Example.org", OBSIDIAN, "http://localhost:3000"),
        api_keys=(ApiKey(sha256=hashlib.sha256(b"key").hexdigest(), concurrent=9, requests_per_minute=9_000),),
    )
    with serving(create_app(Settings(models=TONE, server=server, limits=Limits(json_bytes=1000)))) as running:
        yield running


@pytest.fixture
def client(paged: Gateway) -> Iterator[httpx.Client]:
    with paged.client() as made:
        yield made


def preflight(client: httpx.Client, origin: str, method: str = "POST") -> httpx.Response:
    asked = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization, content-type, x-stainless-lang",
        "access-control-request-private-network": "true",
    }
    return client.options(PATH, headers=asked)


@pytest.mark.parametrize("origin", ["https://example.org", OBSIDIAN, "http://localhost:3000"])
def test_a_preflight_needs_no_key(client: httpx.Client, origin: str) -> None:
    response = preflight(client, origin)
    assert response.status_code == 200
    told = {name.removeprefix("access-control-"): value for name, value in response.headers.items()}
    assert told["allow-origin"] == origin
    assert "POST" in told["allow-methods"]
    assert told["allow-headers"] == "authorization, content-type, x-stainless-lang"
    assert told["allow-private-network"] == "true"
    assert "Origin" in told["vary"]
    assert "allow-credentials" not in told


@pytest.mark.parametrize(
    ("origin", "method"),
    [("https://example.org.evil.net", "POST"), ("null", "POST"), ("https://example.org", "TRACE")],
)
def test_a_preflight_that_is_refused(client: httpx.Client, origin: str, method: str) -> None:
    response = preflight(client, origin, method)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "cors_refused")
    assert "access-control-allow-origin" not in response.headers
    assert "Origin" in response.headers["vary"]


def test_answers_of_every_kind_carry_the_headers(client: httpx.Client) -> None:
    origin = {"origin": OBSIDIAN}
    answers = {
        200: client.post(PATH, json=speech_body(temperature=1, language="sw"), headers={**origin, **KEY}),
        400: client.post(PATH, json=speech_body(input=""), headers={**origin, **KEY}),
        401: client.post(PATH, json=speech_body(), headers=origin),
        404: client.get("/nope", headers={**origin, **KEY}),
        405: client.get(PATH, headers={**origin, **KEY}),
        413: client.post(PATH, content=bytes(2000), headers={**origin, **KEY}),
    }
    for status, response in answers.items():
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == OBSIDIAN, status
        assert "Origin" in response.headers["vary"]
        exposed = set(response.headers["access-control-expose-headers"].split(", "))
        ours = {name for name in response.headers if name.startswith("x-") or name.endswith("requests")}
        assert ours - exposed <= {"x-accel-buffering"}, status
        assert {"x-request-id", "retry-after", "openai-processing-ms"} <= exposed


def test_audio_is_streamed_and_not_compressed(client: httpx.Client) -> None:
    asked = {"origin": OBSIDIAN, "accept-encoding": "gzip, deflate, br", **KEY}
    for path, method, body in ((PATH, "POST", speech_body(response_format="wav")), ("/v1/models", "GET", None)):
        response = client.request(method, path, json=body, headers=asked)
        assert response.status_code == 200
        assert "content-encoding" not in response.headers


def test_another_origin_is_served_and_told_nothing(client: httpx.Client) -> None:
    for headers in ({}, {"origin": "https://elsewhere.net"}):
        response = client.get("/v1/models", headers=headers)
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers


def test_all_origins_where_that_is_asked_for() -> None:
    app = create_app(Settings(models=TONE, server=Server(cors_origins=("*",))))
    with serving(app) as running, running.client() as client:
        assert preflight(client, "https://any.net").headers["access-control-allow-origin"] == "*"
        response = client.get("/nope", headers={"origin": "null"})
        assert response.headers["access-control-allow-origin"] == "*"


def test_none_unless_they_are_named(gateway: Gateway) -> None:
    with gateway.client() as client:
        assert preflight(client, "https://example.org").status_code == 204
        for response in (preflight(client, OBSIDIAN), client.get("/v1/models", headers={"origin": OBSIDIAN})):
            assert not [name for name in response.headers if name.startswith("access-control")]
