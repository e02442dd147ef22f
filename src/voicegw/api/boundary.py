"""The outermost layer of the application: every response has its request id, and no exception leaves unanswered."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegw.api.errors import error_response
from voicegw.errors import Cancelled, VoicegwError

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger("voicegw.api")


class Boundary:
    """ASGI middleware, to be the outermost.

    Headers that an inner layer left in ``scope["state"]["headers"]`` are added to every answer, whoever makes it.
    It takes a client's ``x-request-id`` or mints one, puts it into ``scope["state"]["request_id"]`` and the response,
    and says there how long the answer took to begin. An exception before the response is answered; one after its
    headers breaks the connection, so that nobody takes half an answer for a whole one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        reply = _Reply(send, request_id(scope), state)
        state["request_id"] = reply.request_id
        try:
            await self._app(scope, receive, reply.send)
        except (Cancelled, ClientDisconnect):
            return  # nobody is there to read an answer
        except Exception as error:  # noqa: BLE001 - this is the place that no error may pass
            _log_failure(error, reply, scope["path"])
            if not reply.started:
                await error_response(error)(scope, receive, reply.send)
            # Else: to return before the response is complete makes the server drop the connection.


def request_id(scope: Scope) -> str:
    """Give the client's own id where it is well-formed, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"req_{secrets.token_hex(16)}"


class _Reply:
    """The sending side of one response; adds the headers that all have."""

    def __init__(self, send: Send, request_id: str, state: Mapping[str, Any]) -> None:
        self._send = send
        self._state = state
        self._begun = time.perf_counter()
        self.request_id = request_id
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            took_ms = 1000 * (time.perf_counter() - self._begun)
            ours = [(b"x-request-id", self.request_id.encode()), (b"openai-processing-ms", b"%d" % took_ms)]
            message["headers"] = [*message.get("headers", ()), *ours, *self._state.get("headers", ())]
        await self._send(message)


def _log_failure(error: Exception, reply: _Reply, path: str) -> None:
    if not isinstance(error, VoicegwError):
        _log.error("request failed", request_id=reply.request_id, path=path, exc_info=error)
    elif reply.started:
        _log.warning(
            "response broken off", request_id=reply.request_id, path=path, code=error.code, reason=error.message
        )
