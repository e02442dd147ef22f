"""HEAD and OPTIONS on every path, and connections that go on after them and after errors."""

from __future__ import annotations

import http.client
import json

import httpx
import pytest

from tests.support.gateway import Gateway, speech_body

PATH = "/v1/audio/speech"


@pytest.mark.parametrize("path", ["/health", "/health/live", "/v1/models", "/v1/models/tone", "/openapi.json", "/docs"])
def test_head_is_get_without_its_body(client: httpx.Client, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"] != "0"
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers["x-request-id"]


def test_head_where_there_is_no_get(client: httpx.Client) -> None:
    for path, status in ((PATH, 405), ("/nope", 404), ("/v1/models/nope", 404)):
        response = client.head(path)
        assert (response.status_code, response.content) == (status, b"")
    assert client.head(PATH).headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (PATH, "POST, OPTIONS"),
        ("/audio/speech", "POST, OPTIONS"),
        ("/openai/deployments/tone/audio/speech", "POST, OPTIONS"),
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/models/org/tone-large", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_names_the_methods(client: httpx.Client, path: str, allow: str) -> None:
    response = client.options(path)
    assert (response.status_code, response.headers["allow"], response.content) == (204, allow, b"")
    assert response.headers["x-request-id"]


def test_options_of_nothing(client: httpx.Client) -> None:
    response = client.options("/nope")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize("path", ["/v1/readyz", "/readyz", "/test", "/v1/test", "/", "/v1", "/openai"])
def test_paths_by_which_other_servers_are_recognised_are_absent(client: httpx.Client, path: str) -> None:
    assert (client.get(path).status_code, client.head(path).status_code) == (404, 404)


def test_one_connection_survives_all_of_it(gateway: Gateway) -> None:
    good, bad = json.dumps(speech_body()), json.dumps(speech_body(input=""))
    asked = [
        ("HEAD", "/v1/models", None, 200),
        ("OPTIONS", PATH, None, 204),
        ("OPTIONS", "/nope", "a body", 404),
        ("HEAD", PATH, None, 405),
        ("POST", PATH, bad, 400),
        ("POST", PATH, "{", 400),
        ("POST", "/nope", good, 404),
        ("PUT", PATH, good, 405),
        ("POST", PATH, json.dumps(speech_body(model="none")), 404),
        ("POST", PATH, json.dumps(speech_body(x=1, strict_parameters=True)), 400),
        ("POST", PATH, good, 200),
    ]
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.connect()
    first = connection.sock
    for method, path, body, status in asked:
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
        assert (response.status, not content) == (status, method == "HEAD" or status == 204), (method, path)
    assert connection.sock is first
    connection.close()
