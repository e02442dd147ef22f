"""The methods that every path has without being told: HEAD where there is GET, and OPTIONS, which names the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegw.errors import NotFound

_ASKED = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Methods:
    """ASGI middleware: HEAD is answered as GET is, without the body; OPTIONS with the path's methods in ``Allow``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        method = scope["method"] if scope["type"] == "http" else ""
        if method == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _Bodiless(send).send)
        elif method == "OPTIONS":
            await _options(scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _options(scope: Scope) -> Response:
    allowed = [*_methods(scope["app"].router.routes, scope)]
    if not allowed:
        raise NotFound("There is nothing at this path.", code="unknown_url")
    return Response(status_code=204, headers={"allow": ", ".join([*allowed, "OPTIONS"])})


def _methods(routes: Sequence[BaseRoute], scope: Scope) -> Iterator[str]:
    for method in _ASKED:
        # A scope of its own for each question: routes leave their marks in it.
        asked = {name: value for name, value in scope.items() if name != "fastapi"}
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in routes):
            yield from ("GET", "HEAD") if method == "GET" else (method,)


class _Bodiless:
    """The sending side of one response, leaving its body out; the headers stay as they are."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)
