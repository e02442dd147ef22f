"""Targets and versions that no client of speech sends, against a whole server: each is answered, none is a failure."""

from __future__ import annotations

import json
import socket

import pytest

from tests.support.raw import HEALTH, PATIENCE_S, Answer, exchange, head, parsed, post, until_closed
from tests.support.server import RunningServer

SPEECH = {"model": "tone", "input": "one", "response_format": "pcm"}
NOWHERE = (
    "//health/live",
    "//v1/models",
    "/health/../v1/models",
    "/health/%2e%2e/v1/models",
    "/v1/%2e%2e/health/live",
    "/v1/models%2f..%2f..%2fetc%2fpasswd",
    "/docs/%2e%2e/%2e%2e/etc/passwd",
    "/docs/..%5c..%5cetc",
    "/v1/models/%00",
    "/v1/models/%0d%0aX-Evil:%201",
    "/v1/models/%ff",
    "/v1/models/%zz",
    "/v1/models/%",
    "/health/live%00",
    "/health/live%20",
    "/health/live;a=b",
    "/HEALTH/LIVE",
    "/" + "a" * 60_000,
    "/v1/models/" + "a" * 60_000,
    "/" + "../" * 10_000,
    "*",
)


def asked(server: RunningServer, target: str, *lines: str, method: str = "GET", version: str = "1.1") -> Answer:
    """Ask for one target, and give the answer."""
    (answer,) = exchange(server.port, head("Connection: close", *lines, path=target, method=method, version=version))
    return answer


@pytest.mark.parametrize("target", NOWHERE, ids=lambda target: target[:30])
def test_nothing_is_there(server: RunningServer, target: str) -> None:
    answer = asked(server, target)
    assert answer.status == 404
    assert answer.error["code"] in {"unknown_url", "model_not_found"}
    assert "x-evil" not in answer.headers
    assert len(answer.body) < 2000


@pytest.mark.parametrize(
    "target", ["/health/live", "/health/live#part", "/health/live?a=b", "http://other/health/live"]
)
def test_the_same_thing_in_other_words(server: RunningServer, target: str) -> None:
    assert json.loads(asked(server, target).body) == {"status": "live"}


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PATCH", "PROPFIND", "LOCK", "GET"])
def test_other_methods(server: RunningServer, method: str) -> None:
    answer = asked(server, "/v1/audio/speech", "Content-Length: 0", "Authorization: Bearer secret", method=method)
    assert (answer.status, answer.error["code"], answer.headers["allow"]) == (405, "method_not_allowed", "POST")
    assert b"secret" not in answer.body


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/audio/speech", "/openai/deployments/tone/audio/speech"])
def test_old_clients_get_length_or_end(server: RunningServer, path: str) -> None:
    (answer,) = exchange(server.port, post(SPEECH, "Connection: keep-alive", path=path, version="1.0"))
    assert (answer.status, len(answer.body), answer.headers["connection"]) == (200, 24_000, "close")


def test_old_clients_are_told_of_errors_too(server: RunningServer) -> None:
    (answer,) = exchange(server.port, post({"model": "no", "input": "a"}, version="1.0"))
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("protocol", ["h2c", "websocket2", "TLS/1.0, HTTP/1.1", ""])
def test_other_protocols_are_not_taken_up(server: RunningServer, protocol: str) -> None:
    first = post(SPEECH, "Connection: Upgrade", f"Upgrade: {protocol}")
    answers = exchange(server.port, first, post(SPEECH, "Connection: close"))
    assert [(answer.status, len(answer.body)) for answer in answers] == [(200, 24_000)] * 2


def test_a_second_request_cannot_hide_in_a_first(server: RunningServer) -> None:
    hidden = head(path="/health/ready", method="GET")
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    for data in (
        head("Transfer-Encoding: chunked") + chunks,
        head(f"Content-Length: {len(hidden)}") + hidden,
        head(f"Content-Length: {len(hidden)}", path="/health/live", method="GET") + hidden,
        head("Transfer-Encoding: chunked", path="/nope", method="DELETE") + chunks,
    ):
        answers = exchange(server.port, data + head("Connection: close", path="/health", method="GET"))
        assert [bytes(answer.body) for answer in answers[1:]] == [b"OK"]


def test_what_a_client_says_of_itself_is_no_header_of_the_answer(server: RunningServer) -> None:
    for evil in ("a b", "a;b", "a" * 129, "ä"):
        answer = asked(server, "/health/live", f"X-Request-Id: {evil}")
        assert answer.headers["x-request-id"].startswith("req_")


def test_one_connection_for_all_of_it(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        for target in NOWHERE:
            connection.sendall(head(path=target, method="GET"))
        connection.sendall(HEALTH[:-2] + b"Connection: close\r\n\r\n")
        statuses = [answer.status for answer in parsed(until_closed(connection))]
    assert statuses == [404] * len(NOWHERE) + [200]
