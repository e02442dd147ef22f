"""The answer to what is no request, or comes too late to be one: an error object in HTTP, as bytes."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from voicegw.api.boundary import request_id
from voicegw.api.errors import error_response
from voicegw.errors import VoicegwError

Headers = Iterable[tuple[bytes, bytes]]


def refusal(error: VoicegwError, scope: Scope, more: Headers = ()) -> bytes:
    """Give a whole response that ends the connection.

    Args:
        error: What is wrong.
        scope: Has what is known of the request's ``headers``: its id is taken from there.
        more: Headers that every response has.
    """
    response = error_response(error)
    ours = [(b"x-request-id", request_id(scope).encode()), (b"connection", b"close")]
    lines = [b"%b: %b\r\n" % header for header in (*more, *response.raw_headers, *ours)]
    return b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)])
