"""What the OpenAPI document says that all routes share: the error object, and what may be answered with it."""

from __future__ import annotations

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


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route for ``responses``; what is not among ``statuses`` has the same body."""
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": _MEANINGS[status]} for status in statuses
    }
    return {**told, "default": {"model": ErrorBody, "description": "Any other error."}}
