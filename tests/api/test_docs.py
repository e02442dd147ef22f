"""The OpenAPI document, and the pages that show it without a connection to anywhere else."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.support.gateway import speech_body
from voicegw.api.docs import ASSETS
from voicegw.api.openai.asked import OBEYED
from voicegw.audio.format import FORMATS


@pytest.fixture
def document(client: httpx.Client) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_loads_everything_from_here(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "://" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    loaded = re.findall(r'(?:src|href|spec-url)="([^"]+)"', page.text)
    assert len(loaded) >= 2
    for address in [*loaded, "openapi.json"]:
        assert client.get(httpx.URL(f"http://x{path}").join(address).path).status_code == 200, address
    assert "openapi.json" in page.text


@pytest.mark.parametrize("name", ASSETS)
def test_what_the_pages_load(client: httpx.Client, name: str) -> None:
    response = client.get(f"/docs/assets/{name}")
    assert response.status_code == 200
    assert len(response.content) > 1000
    assert response.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/png")


@pytest.mark.parametrize("name", ["nope.js", "..%2f__init__.py", "%00"])
def test_nothing_else_is_given(client: httpx.Client, name: str) -> None:
    assert client.get(f"/docs/assets/{name}").status_code == 404


def test_the_routes_are_those_of_openai(document: dict[str, Any]) -> None:
    assert document["info"]["title"] == "voicegw"
    assert set(document["paths"]) == {
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/audio/models",
        "/v1/audio/voices",
    }
    operations = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(operations) == len(set(operations))
    assert "securitySchemes" not in document["components"]


def test_speech_is_described_as_it_is(client: httpx.Client, document: dict[str, Any]) -> None:
    route = document["paths"]["/v1/audio/speech"]["post"]
    schema = route["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == OBEYED
    assert schema["required"] == ["model", "input"]
    assert schema["properties"]["input"]["maxLength"] == 100_000
    answered = route["responses"]["200"]
    assert set(answered["content"]) == {*(each.content_type for each in FORMATS), "text/event-stream"}
    body = speech_body(temperature=1, voice="lost")
    for count in ("0", "1"):  # what is asked for again has all headers but one
        spoken = client.post("/v1/audio/speech", json=body, headers={"x-stainless-retry-count": count})
    told = answered["headers"]
    assert {name for name, header in told.items() if header["required"]} <= set(spoken.headers)
    assert {name for name in spoken.headers if name.startswith("x-")} - {"x-accel-buffering"} <= set(told)


def test_the_examples_are_spoken(client: httpx.Client, document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/audio/speech"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        response = client.post("/v1/audio/speech", json={**example["value"], "model": "tone"})
        assert response.status_code == 200, example
        assert "x-voicegw-ignored" not in response.headers


def test_health_is_described(client: httpx.Client, document: dict[str, Any]) -> None:
    for path, kind in (("/health", "text/plain"), ("/health/live", "application/json")):
        assert [*document["paths"][path]["get"]["responses"]["200"]["content"]] == [kind]
        assert client.get(path).headers["content-type"].split(";")[0] == kind
    ready = document["paths"]["/health/ready"]["get"]["responses"]
    assert ready["200"]["content"] == ready["503"]["content"]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema["$ref"].removeprefix("#/components/schemas/")
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def test_every_answer_has_a_schema_and_errors_have_one_for_all(document: dict[str, Any]) -> None:
    for path in ("/v1/models", "/v1/models/{model}", "/v1/audio/models", "/v1/audio/voices", "/v1/audio/speech"):
        for operation in document["paths"][path].values():
            told = operation["responses"]
            assert "422" not in told
            for status, answer in told.items():
                if status != "200":
                    assert resolved(document, answer["content"]["application/json"]["schema"])["required"] == ["error"]
                elif path != "/v1/audio/speech":
                    assert resolved(document, answer["content"]["application/json"]["schema"])["type"] == "object"
    error = document["components"]["schemas"]["ErrorObject"]
    assert error["required"] == ["message", "type", "param", "code"]
