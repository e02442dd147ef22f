"""Hundreds of hostile inputs over kept connections: refused as such or spoken, and the server is as before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import httpx
import pytest

from tests.support import hostile
from tests.support.gateway import speech_body
from tests.support.server import RunningServer, running_server
from voicegw.bench.watch import Watch

PATH = "/v1/audio/speech"
CONFIG = {"models": [{"id": "tone", "backend": "tone"}, {"id": "espeak", "backend": "espeak"}]}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("hostile"), config=json.dumps(CONFIG)) as running:
        yield running


@pytest.fixture
def client(target: RunningServer) -> Iterator[httpx.Client]:
    """A client that keeps its connections; afterwards the server serves as if nothing had been."""
    with httpx.Client(base_url=target.url, timeout=60, trust_env=False) as made:
        yield made
        assert len(made.post(PATH, json=speech_body()).content) == 72_000
    assert "Traceback" not in target.log.read_text("utf-8")


def refused(response: httpx.Response, *, status: int | None = None) -> dict[str, Any]:
    """Give the error of a refusal in OpenAI's form; AssertionError where it is anything else."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:200])
    assert status in (None, response.status_code)
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert 0 < len(error["message"]) < 1000
    uninjected(response)
    return dict(error)


def uninjected(response: httpx.Response) -> None:
    assert "x-injected" not in response.headers
    for value in response.headers.values():
        assert value.isascii()
        assert value.isprintable()


def posted(client: httpx.Client, fields: hostile.Fields) -> httpx.Response:
    return client.post(PATH, content=json.dumps(speech_body(**fields)))


def test_a_wrong_value_is_a_400_that_names_its_parameter(client: httpx.Client) -> None:
    for name, fields in hostile.wrong_values():
        error = refused(posted(client, fields), status=400)
        assert error["param"] == name, fields


def test_what_comes_back_in_a_header_is_a_header_of_ours(client: httpx.Client) -> None:
    for fields in hostile.injections():
        response = posted(client, fields)
        uninjected(response)
        if response.status_code != 200:
            refused(response)


def test_a_body_that_is_no_request_is_a_400(client: httpx.Client) -> None:
    for name, body in hostile.bodies():
        assert refused(client.post(PATH, content=body), status=400), name


@pytest.mark.parametrize("model", ["tone", "espeak"])
def test_a_strange_text_is_spoken(client: httpx.Client, model: str) -> None:
    for name, text in hostile.SPEAKABLE.items():
        body = json.dumps(speech_body(model=model, input=text))
        with client.stream("POST", PATH, content=body) as response:
            assert response.status_code == 200, (name, response.read())
            uninjected(response)
            assert next(response.iter_raw()), name  # the rest may last for hours: leaving ends it


def asked(
    connection: HTTPConnection, method: str, path: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
) -> tuple[HTTPResponse, bytes]:
    """Ask for a path and with headers exactly as they are written, and give the answer and its body."""
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in (("host", "x"), ("content-length", str(len(body))), *headers):
        connection.putheader(name, value.encode("latin-1"))
    connection.endheaders(body)
    response = connection.getresponse()
    return response, response.read()


@pytest.fixture
def connection(target: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPConnection]:
    """A connection on which anything can be written."""
    monkeypatch.setattr(HTTPConnection, "_validate_path", lambda _self, _path: None)
    made = HTTPConnection("127.0.0.1", target.port, timeout=60)
    yield made
    made.close()


def test_where_nothing_is_there_is_a_4xx(client: httpx.Client, connection: HTTPConnection) -> None:
    for path in hostile.PATHS:
        for method in ("GET", "POST"):
            response, _ = asked(connection, method, path)
            assert 400 <= response.status < 500, (method, path, response.status)
            assert response.getheader("x-injected") is None
    assert client.get("/health").text == "OK"


def test_a_method_that_no_path_takes_is_a_4xx(client: httpx.Client, connection: HTTPConnection) -> None:
    for path in hostile.ROUTES:
        for method in hostile.METHODS:
            response, _ = asked(connection, method, path)
            assert 400 <= response.status < 500, (method, path, response.status)
    assert client.get("/health").text == "OK"


def test_headers_that_mean_nothing_change_nothing(client: httpx.Client, connection: HTTPConnection) -> None:
    content = json.dumps(speech_body()).encode()
    for header in hostile.HARMLESS:
        response, audio = asked(connection, "POST", PATH, (header,), content)
        assert (response.status, len(audio)) == (200, 72_000), header
        assert all(value.isascii() and value.isprintable() for _, value in response.getheaders())
    assert client.get("/health").text == "OK"


def test_memory_stays_flat(target: RunningServer, client: httpx.Client) -> None:
    sent = [body for _, body in hostile.bodies()]
    sent += [json.dumps(speech_body(**fields)).encode() for _, fields in hostile.wrong_values()]

    def send_all() -> int:
        for body in sent:
            refused(client.post(PATH, content=body), status=400)
        return Watch(target.process.pid).read().gateway_rss

    first = send_all()
    grown = send_all() - first
    assert grown < sum(map(len, sent)) / 4  # a fourth of what it would be if they were kept


def test_there_are_hundreds_of_them() -> None:
    inputs = {json.dumps(fields) for _, fields in hostile.wrong_values()} | {
        json.dumps(f) for f in hostile.injections()
    }
    inputs |= (
        {str(body) for _, body in hostile.bodies()} | {*hostile.SPEAKABLE.values()} | {str(h) for h in hostile.HARMLESS}
    )
    inputs |= {f"{method} {path}" for path in hostile.PATHS for method in ("GET", "POST")}
    inputs |= {f"{method} {path}" for path in hostile.ROUTES for method in hostile.METHODS}
    assert len(inputs) > 800
