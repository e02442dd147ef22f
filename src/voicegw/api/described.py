"""What the OpenAPI document says that all routes share: the error object, and what may be answered with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from voicegw.errors import VoicegwError


class Shape(BaseModel):
    """A JSON object of an answer; it is made and described by the same class, so that both are one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorObject(Shape):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Shape):
    """The body of every answer that is not a success."""

    error: ErrorObject


def error_body(error: VoicegwError) -> ErrorBody:
    """Give the body that tells of an error."""
    return ErrorBody(error=ErrorObject(message=error.message, type=error.type, param=error.param, code=error.code))


_MEANINGS: Final = {
    400: "A parameter is missing, malformed or out of range; `param` names it.",
    401: "No key, or a wrong one.",
    404: "No such model, voice or path.",
    413: "The body is over its limit.",
    415: "The body is of a type that is not read.",
    429: "The model's queue is full, or the key's share is used up; `Retry-After` says when to try again.",
    500: "The model failed on this request.",
    502: "The model's process died before there was audio.",
    503: "Nothing can serve now; `Retry-After` says when to try again.",
    504: "There was no audio in time.",
}


_ALWAYS: Final = {
    "x-request-id": (
        "Names this answer in the server's log.",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    ),
}
_LATER: Final = {
    "retry-after": ("Seconds after which to try again.", {"type": "integer", "minimum": 1, "maximum": 60}),
    "retry-after-ms": ("The same in milliseconds.", {"type": "integer", "minimum": 1, "maximum": 60_000}),
}
_STEERED: Final = {
    "x-should-retry": ("Whether OpenAI's clients are to try again.", {"enum": ["true", "false"]}),
}
_CHALLENGE: Final = {"www-authenticate": ("How a key is sent.", {"const": "Bearer"})}
_LEFT: Final = {
    "x-ratelimit-limit-requests": ("Of a key with a limit: requests per minute.", {"type": "integer"}),
    "x-ratelimit-remaining-requests": ("What is left of them.", {"type": "integer"}),
    "x-ratelimit-reset-requests": ("When there will be more, such as `1.2s`.", {"type": "string"}),
    "current-concurrent-requests": ("Of a key with a limit: requests under way.", {"type": "integer"}),
    "maximum-concurrent-requests": ("How many it may have.", {"type": "integer"}),
}


def headers_of(status: int) -> dict[str, Any]:
    """Describe the headers that an answer of this status has on every route, those that are always there required."""
    sure = {**_ALWAYS, **_SURE.get(status, {})}
    return {**described_headers(sure, required=True), **described_headers(_LEFT, required=False)}


def described_headers(told: Mapping[str, tuple[str, Any]], *, required: bool) -> dict[str, Any]:
    """Describe headers as the OpenAPI document has it: name to what it says and its schema."""
    return {
        name: {"description": says, "schema": schema, "required": required} for name, (says, schema) in told.items()
    }


_SURE: Final[dict[int, dict[str, tuple[str, Any]]]] = {
    400: _STEERED,
    401: {**_STEERED, **_CHALLENGE},
    404: _STEERED,
    413: _STEERED,
    415: _STEERED,
    429: {**_STEERED, **_LATER},
    503: {**_STEERED, **_LATER},
    504: _LATER,
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe for ``responses`` what a route answers whose success is told by its model; see :func:`failures`."""
    return {200: {"headers": headers_of(200)}, **failures(*statuses)}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route for ``responses``; what is not among ``statuses`` has the same body."""
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": _MEANINGS[status], "headers": headers_of(status)}
        for status in statuses
    }
    return {**told, "default": {"model": ErrorBody, "description": "Any other error.", "headers": headers_of(0)}}
