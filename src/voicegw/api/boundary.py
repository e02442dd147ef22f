"""The outermost layer of the application: every response has its request id, and no exception leaves unanswered."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegw.api.errors import error_response
from voicegw.api.exchange import Exchange, Exchanges
from voicegw.errors import Cancelled, VoicegwError

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger("voicegw.api")


class Boundary:
    """ASGI middleware, to be the outermost.

    Headers that an inner layer left in ``scope["state"]["headers"]`` are added to every answer, whoever makes it.
    It takes a client's ``x-request-id`` or mints one, puts it into ``scope["state"]["request_id"]`` and the response,
    and says there how long the answer took to begin. What watches the request is in ``scope["state"]["exchange"]``. An
    exception before the response is answered; one after its headers breaks the connection, so that nobody takes half an
    answer for a whole one.

    Args:
        app: The application.
        exchanges: Are told of every request.
    """

    def __init__(self, app: ASGIApp, exchanges: Exchanges) -> None:
        self._app = app
        self._exchanges = exchanges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        exchange = self._exchanges.begin(scope, request_id(scope))
        state |= {"request_id": exchange.request_id, "exchange": exchange}
        reply = _Reply(send, exchange, state)
        try:
            await self._app(scope, receive, reply.send)
        except (Cancelled, ClientDisconnect):
            exchange.gone("cancelled")  # nobody is there to read an answer
        except asyncio.CancelledError:
            exchange.gone("aborted")
            raise
        except Exception as error:  # noqa: BLE001 - this is the place that no error may pass
            exchange.failed(error)
            _log_failure(error, exchange, scope["path"])
            if not exchange.status:
                await error_response(error)(scope, receive, reply.send)
            # Else: to return before the response is complete makes the server drop the connection.
        finally:
            self._exchanges.end(exchange, scope)


def request_id(scope: Scope) -> str:
    """Give the client's own id where it is well-formed, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"req_{secrets.token_hex(16)}"


class _Reply:
    """The sending side of one response; adds the headers that all have."""

    def __init__(self, send: Send, exchange: Exchange, state: Mapping[str, Any]) -> None:
        self._send = send
        self._exchange = exchange
        self._state = state

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange = self._exchange
            exchange.answered(message["status"])
            took_ms = 1000 * (time.monotonic() - exchange.began)
            ours = [(b"x-request-id", exchange.request_id.encode()), (b"openai-processing-ms", b"%d" % took_ms)]
            message["headers"] = [*message.get("headers", ()), *ours, *self._state.get("headers", ())]
        await self._send(message)


def _log_failure(error: Exception, exchange: Exchange, path: str) -> None:
    if not isinstance(error, VoicegwError):
        _log.error("request failed", request_id=exchange.request_id, path=path, exc_info=error)
    elif exchange.status:
        _log.warning(
            "response broken off", request_id=exchange.request_id, path=path, code=error.code, reason=error.message
        )
