"""Exceptions as HTTP: body, status, and the headers that steer the retries of clients."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.gateway import WAIT_S, listening
from voicegw import errors as families
from voicegw.api.boundary import Boundary
from voicegw.api.errors import error_response, install
from voicegw.api.exchange import Exchanges
from voicegw.api.metrics import Metrics
from voicegw.api.templates import Templates
from voicegw.errors import (
    BackendFailed,
    Cancelled,
    DeadlineExceeded,
    HeadersTooLarge,
    InvalidRequest,
    NotFound,
    Overloaded,
    PoisonRequest,
    RequestTimeout,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
    VoicegwError,
    WorkerLost,
)

ERRORS: tuple[tuple[VoicegwError, int, str, str | None], ...] = (
    (InvalidRequest("m", param="p"), 400, "invalid_request_error", None),
    (NotFound("m"), 404, "invalid_request_error", None),
    (RequestTimeout("m"), 408, "invalid_request_error", None),
    (TooLarge("m"), 413, "invalid_request_error", None),
    (UnsupportedMedia("m"), 415, "invalid_request_error", None),
    (HeadersTooLarge("m"), 431, "invalid_request_error", None),
    (Overloaded("m", retry_after_s=2.2), 429, "rate_limit_error", "3"),
    (Overloaded("m"), 429, "rate_limit_error", "1"),
    (BackendFailed("m"), 500, "server_error", None),
    (PoisonRequest("m"), 500, "server_error", None),
    (WorkerLost("m"), 502, "server_error", None),
    (Unavailable("m", retry_after_s=0), 503, "server_error", "1"),
    (Unavailable("m", retry_after_s=1e9), 503, "server_error", "60"),
    (DeadlineExceeded("m"), 504, "server_error", "1"),
)


@pytest.mark.parametrize(("error", "status", "kind", "retry"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_error_has_its_form(error: VoicegwError, status: int, kind: str, retry: str | None) -> None:
    response = error_response(error)
    assert response.status_code == status
    body = json.loads(bytes(response.body))
    assert body == {"error": {"message": "m", "type": kind, "param": error.param, "code": error.code}}
    assert response.headers.get("retry-after") == retry
    assert ("retry-after-ms" in response.headers) == (retry is not None)
    should = None if error.should_retry is None else str(error.should_retry).lower()
    assert response.headers.get("x-should-retry") == should


def test_no_kind_of_error_is_forgotten_here() -> None:
    kinds = {
        value
        for value in vars(families).values()
        if isinstance(value, type) and issubclass(value, VoicegwError) and value is not VoicegwError
    }
    unseen = kinds - {type(error) for error, *_ in ERRORS}
    assert {kind.__name__ for kind in unseen} == {"TextTooLong", "Unauthorized", "Cancelled"}
    assert error_response(families.Unauthorized("m")).status_code == 401


def test_milliseconds_say_the_same_as_seconds() -> None:
    response = error_response(Overloaded("m", retry_after_s=2.2))
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("3", "2200")
    assert error_response(Overloaded("m", retry_after_s=0)).headers["retry-after-ms"] == "1"


def test_what_nobody_expected_tells_nothing_of_the_inside() -> None:
    response = error_response(RuntimeError("secret"))
    assert response.status_code == 500
    assert b"secret" not in bytes(response.body)
    assert json.loads(bytes(response.body))["error"]["code"] == "internal_error"


def test_the_frameworks_errors_keep_status_and_headers() -> None:
    response = error_response(HTTPException(405, headers={"Allow": "POST"}))
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert error_response(HTTPException(418, "short and stout")).status_code == 418
    assert b"short and stout" in bytes(error_response(HTTPException(418, "short and stout")).body)


@pytest.mark.parametrize("path", ["/nope", "/v1/audio/speech/", "/docs/", "/docs/assets/nope", "/v1/docs"])
def test_unknown_paths(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_url")
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("GET", "/v1/audio/speech", "POST"), ("DELETE", "/v1/models", "GET")]
)
def test_unknown_methods(client: httpx.Client, method: str, path: str, allow: str) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == allow


def fragile() -> FastAPI:
    """Make an application whose routes fail in all ways."""
    app = FastAPI()
    install(app)
    app.add_middleware(Boundary, exchanges=Exchanges(Templates(), Metrics({})))

    @app.get("/unexpected")
    async def unexpected() -> Response:
        raise RuntimeError("secret")

    @app.get("/number/{number}")
    async def number(number: int) -> Response:
        return Response(str(number))

    @app.get("/cancelled")
    async def cancelled() -> Response:
        raise Cancelled("nobody is there")

    @app.get("/half/{kind}")
    async def half(kind: str) -> Response:
        return Half(RuntimeError("secret") if kind == "unexpected" else WorkerLost("the worker died"))

    return app


class Half(Response):
    """Begins an answer and fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise self._error


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_failures_of_routes(http: str, capsys: pytest.CaptureFixture[str]) -> None:
    with listening(fragile(), http) as url, httpx.Client(base_url=url, trust_env=False, timeout=WAIT_S) as client:
        response = client.get("/unexpected", headers={"x-request-id": "mine"})
        assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert response.json()["error"]["message"] == "The server failed on this request."
        assert response.headers["x-request-id"] == "mine"
        told: dict[str, Any] = client.get("/number/x").json()["error"]
        assert (told["param"], told["type"]) == ("number", "invalid_request_error")
        for kind in ("known", "unexpected"):
            with client.stream("GET", f"/half/{kind}") as broken:
                assert broken.status_code == HTTPStatus.OK
                with pytest.raises(httpx.RemoteProtocolError):
                    broken.read()
        assert client.get("/number/7").text == "7"
    log = capsys.readouterr().out
    assert log.count("RuntimeError: secret") == 2
    assert log.count("response broken off") == 1
    assert "WorkerLost" not in log
