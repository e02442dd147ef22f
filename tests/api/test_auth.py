"""Keys over real connections: who is let in, who is not, and that no key is told to anybody."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from starlette.types import Message, Scope

from tests.support.gateway import Gateway, serving, speech_body
from tests.support.server import running_server
from voicegw.api.auth import Key, Keys, given
from voicegw.app import create_app
from voicegw.settings import ApiKey, Model, Server, Settings

PATH = "/v1/audio/speech"
ANNA, BERT = "sk-anna-0123456789", "sk-bert-0123456789"


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def settings(*, public_discovery: bool = True) -> Settings:
    keys = (ApiKey(sha256=sha256(ANNA).upper(), name="anna"), ApiKey(sha256=sha256(BERT), tenant="b"))
    server = Server(api_keys=keys, public_discovery=public_discovery)
    return Settings(models=(Model(id="tone", backend="tone"),), server=server)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Gateway]:
    with serving(create_app(settings())) as running:
        yield running


@pytest.fixture
def client(guarded: Gateway) -> Iterator[httpx.Client]:
    with guarded.client() as made:
        yield made
    guarded.wait_idle()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {ANNA}"},
        {"authorization": f"bearer  {ANNA}"},
        {"api-key": BERT},
        {"authorization": "Bearer", "api-key": ANNA},
        {"authorization": "Basic YTpi", "api-key": ANNA},
    ],
    ids=str,
)
def test_a_known_key_is_let_in(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.post(PATH, json=speech_body(), headers=headers)
    assert response.status_code == 200, response.text
    assert not [name for name in response.headers if "ratelimit" in name or "concurrent" in name]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "You did not provide an API key."),
        ({"authorization": "Bearer"}, "You did not provide an API key."),
        ({"authorization": "Basic YTpi"}, "You did not provide an API key."),
        ({"api-key": ""}, "You did not provide an API key."),
        ({"authorization": f"Bearer {ANNA}x"}, "Incorrect API key provided."),
        ({"authorization": f"Bearer {ANNA[:-1]}"}, "Incorrect API key provided."),
        ({"authorization": f"Bearer {sha256(ANNA)}"}, "Incorrect API key provided."),
        ({"authorization": "Bearer wrong", "api-key": ANNA}, "Incorrect API key provided."),
        ({"authorization": b"Bearer \xff\xfe"}, "Incorrect API key provided."),
        ({"api-key": "x" * 20_000}, "Incorrect API key provided."),
    ],
    ids=lambda value: str(value)[:60],
)
def test_anybody_else_is_refused(client: httpx.Client, headers: dict[str, Any], said: str) -> None:
    response = client.post(PATH, json=speech_body(), headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert error["message"].startswith(said)
    assert len(error["message"]) < 200
    assert (response.headers["www-authenticate"], response.headers["x-should-retry"]) == ("Bearer", "false")
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", [PATH, "/audio/speech", "/openai/deployments/tone/audio/speech", "/v1/models", "/nope", "/v1/audio/voices"]
)
def test_no_path_is_forgotten(client: httpx.Client, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, path).status_code == 401, method
    assert client.get("/v1/nope").status_code == 401
    assert client.get("/models/../v1/audio/speech").status_code == 401


OPEN = ("/v1/models", "/v1/models/tone", "/models", "/openai/models", "/v1/audio/models", "/v1/audio/voices", "/docs")


@pytest.mark.parametrize("path", [*OPEN, "/redoc", "/openapi.json", "/docs/assets/favicon.png"])
def test_discovery_needs_no_key(client: httpx.Client, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer wrong"}):
        assert client.get(path, headers=headers).status_code == 200
    assert client.head(path).status_code == 200


def test_discovery_can_need_a_key() -> None:
    with serving(create_app(settings(public_discovery=False))) as running, running.client() as client:
        for path in (*OPEN, "/openapi.json"):
            assert client.get(path).status_code == 401, path
            assert client.head(path).status_code == 401, path
            assert client.get(path, headers={"api-key": ANNA}).status_code == 200, path
        for path in ("/health", "/health/live", "/health/ready"):
            assert client.get(path).status_code == 200, path
        schemes = client.get("/openapi.json", headers={"api-key": ANNA}).json()["components"]["securitySchemes"]
        assert schemes == {"API key": {"type": "http", "scheme": "bearer"}}


def test_the_official_client(guarded: Gateway) -> None:
    with openai.OpenAI(base_url=f"{guarded.url}/v1", api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.audio.speech.create(model="tone", voice="alloy", input="one")
        assert caught.value.code == "invalid_api_key"
        assert caught.value.request_id
    with openai.OpenAI(base_url=f"{guarded.url}/v1", api_key=ANNA, max_retries=0) as friend:
        assert friend.audio.speech.create(model="tone", voice="alloy", input="one", response_format="pcm").content


@pytest.mark.parametrize("key", ["Bearer", "Bearer anything", "Basic x", ""])
def test_without_keys_everybody_is_let_in(gateway: Gateway, key: str) -> None:
    with gateway.client() as client:
        assert client.post(PATH, json=speech_body(), headers={"authorization": key}).status_code == 200


@pytest.mark.parametrize(("key", "status"), [(b"", b"401"), (ANNA.encode(), b"200"), (ANNA.encode() + b" ", b"200")])
def test_a_header_as_it_is_really_sent(guarded: Gateway, key: bytes, status: bytes) -> None:
    """Some clients leave a space after ``Bearer`` and nothing behind it, which others refuse to send."""
    body = json.dumps(speech_body()).encode()
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=30) as connection:
        connection.sendall(head % (PATH.encode(), key, len(body)) + body)
        assert connection.recv(65536).split()[1] == status
    guarded.wait_idle()


def test_a_key_stands_in_no_log_and_the_tenant_reaches_the_model(tmp_path: Path) -> None:
    config = (
        "models: [{id: tone, backend: tone}]\n"
        f"server: {{api_keys: [{{sha256: {sha256(ANNA)}, name: anna}}]}}\nlogging: {{level: debug}}\n"
    )
    with running_server(tmp_path, config=config) as server:
        for key in (ANNA, f"{ANNA}-wrong"):
            headers = {"authorization": f"Bearer {key}", "api-key": key}
            httpx.post(f"{server.url}{PATH}", json=speech_body(), headers=headers)
            httpx.post(f"{server.url}{PATH}", content=b"{", headers=headers)
            httpx.get(f"{server.url}/{key}", headers=headers)
    log = server.log.read_text("utf-8")
    assert '"tenant": "anna"' in log
    assert ANNA not in log


async def test_a_socket_without_a_key_is_closed_before_it_is_open() -> None:
    reached: list[Scope] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        del receive, send
        reached.append(scope)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    keys = Keys(app, [Key(sha256(ANNA), "a")])
    await keys({"type": "websocket", "path": "/v1/models", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert not reached
    for scope in (
        {"type": "websocket", "path": "/", "headers": [(b"api-key", ANNA.encode())]},
        {"type": "lifespan"},
    ):
        await keys(scope, receive, send)
        assert reached.pop() is scope


def test_of_two_headers_the_first_counts() -> None:
    assert given({"headers": [(b"api-key", b"a"), (b"api-key", b"b")]}) == b"a"
