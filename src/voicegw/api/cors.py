"""What a page of another origin may do in a browser: ask, and read the headers that explain the answer."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from voicegw.api.errors import error_response
from voicegw.errors import InvalidRequest

EXPOSED = (
    "x-request-id",
    "openai-processing-ms",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-sample-rate",
    "x-voicegw-model",
    "x-voicegw-voice",
    "x-voicegw-warning",
    "x-voicegw-ignored",
    "x-voicegw-cache",
    "x-voicegw-first-audio-at",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "current-concurrent-requests",
    "maximum-concurrent-requests",
)
"""Headers that a browser hides from scripts unless it is told not to."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Cors(CORSMiddleware):
    """ASGI middleware, to be the outermost: errors need its headers as well, and a preflight carries no key.

    Args:
        app: The application.
        origins: Such as ``https://example.org`` or ``app://obsidian.md``; ``*`` stands for all.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=("*",),
            allow_private_network=True,  # a public page that was named may ask a server on the user's own machine
            expose_headers=EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks first; a refusal has the form of every error."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:  # noqa: PLR2004 - success
            return response
        refusal = error_response(InvalidRequest(f"{bytes(response.body).decode()}.", code="cors_refused"))
        refusal.headers["vary"] = response.headers["vary"]
        return refusal
