"""The one place where an exception becomes HTTP: OpenAI's error object, its status, the headers that steer retries."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from voicegw.api.described import error_body
from voicegw.errors import BackendFailed, InvalidRequest, NotFound, Unauthorized, VoicegwError

_RETRY_AFTER_S = 1.0
_RETRY_STATUSES = frozenset({429, 503, 504})
"""Answered with Retry-After in any case."""

_LONGEST_RETRY_S = 60.0
"""The official clients do not retry at all when they are told to wait longer than two minutes."""


def error_response(error: Exception) -> Response:
    """Make the response for an exception: the body OpenAI's clients parse, nothing of the server's inside.

    ``Retry-After`` is a whole number of seconds from 1 to 60, ``retry-after-ms`` the same in milliseconds.
    """
    known = _known(error)
    status = error.status_code if isinstance(error, HTTPException) else known.status
    body = error_body(known).model_dump()
    response = Response(json.dumps(body).encode(), status, media_type="application/json")
    response.headers.update(_retry_headers(known, status))
    if isinstance(known, Unauthorized):
        response.headers["www-authenticate"] = "Bearer"
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    return response


def error_object(error: Exception) -> dict[str, Any]:
    """Give what tells of an exception where the status has been sent: the body of :func:`error_response`."""
    return error_body(_known(error)).model_dump()


def install(app: FastAPI) -> None:
    """Let the framework's own errors have the same form; all others reach :class:`voicegw.api.boundary.Boundary`."""
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _framework_error)


async def _framework_error(request: Request, error: Exception) -> Response:
    del request
    return error_response(error)


def _known(error: Exception) -> VoicegwError:
    if isinstance(error, VoicegwError):
        return error
    if isinstance(error, HTTPException):
        return _framework(error)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return InvalidRequest(str(first["msg"]), param=".".join(str(part) for part in first["loc"][1:]) or None)
    return BackendFailed("The server failed on this request.", code="internal_error")


def _framework(error: HTTPException) -> VoicegwError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("There is nothing at this path.", code="unknown_url")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return InvalidRequest("This path does not take this method.", code="method_not_allowed")
    return InvalidRequest(str(error.detail))


def _retry_headers(error: VoicegwError, status: int) -> dict[str, str]:
    headers = {}
    wait = error.retry_after_s
    if wait is None and status in _RETRY_STATUSES:
        wait = _RETRY_AFTER_S
    if wait is not None:
        wait = min(max(wait, 0.001), _LONGEST_RETRY_S)
        headers = {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(1000 * wait))}
    if error.should_retry is not None:
        headers["x-should-retry"] = str(error.should_retry).lower()
    return headers
