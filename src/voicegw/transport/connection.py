"""One client's connection: uvicorn's, with limits to how long and how much it may keep the server waiting."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import httptools
import structlog
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from voicegw.errors import HeadersTooLarge, InvalidRequest, RequestTimeout, VoicegwError
from voicegw.transport.limits import ConnectionLimits
from voicegw.transport.refusal import refusal
from voicegw.transport.unchunked import Unchunked

_LINGER_S: Final = 1.0
"""How long a client that was refused may go on sending: a reset at once would take the answer from it."""

_log = structlog.get_logger("voicegw.transport")


@dataclass(frozen=True, slots=True)
class Crowd:
    """Connections that have nothing under way.

    Attributes:
        opening: Those that are accepted and not set up yet, which takes a TLS handshake, and the task that does it.
        waiting: Those that wait for their clients, in the order of time.
    """

    opening: dict[Connection, asyncio.Task[None]] = field(default_factory=dict)
    waiting: dict[Connection, None] = field(default_factory=dict)


class Connection(HttpToolsProtocol):
    """A connection of HTTP/1.1 whose client cannot stall it.

    While no answer is being made, one clock runs: until the head of the next request must be there, once anything of
    it is, or until an idle connection is closed. What a request's body may take is a matter of the application
    (:class:`voicegw.api.arrival.Patience`), which knows when it waits for one; the rest of a body that it has no more
    use for is under the clock again.

    Args:
        config: Of the server.
        state: Of the server.
        app_state: What the application's start left for its requests.
        limits: What the client may take.
        crowd: Where it notes itself while it has nothing under way.
    """

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
        *,
        limits: ConnectionLimits,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, state, app_state)
        self.timeout_keep_alive = limits.keep_alive_s  # type: ignore[assignment]  # a loop's timers take fractions
        self._limits = limits
        self._crowd = crowd
        self._accepted_at = self.loop.time()  # a TLS handshake takes time too
        self._clock: asyncio.TimerHandle | None = None
        self._part: Literal["", "head", "body"] = ""  # of a request, that is being received
        self._loose = 0  # bytes received since the last head, piece of a body or end of one
        self._running: RequestResponseCycle | None = None  # `cycle` is the one received last: it may have to queue
        self._late_error: VoicegwError | None = None  # to be answered after the requests before it
        self._deaf = False  # whatever comes is dropped

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request."""
        super().connection_made(transport)
        self._crowd.opening.pop(self, None)
        self._crowd.waiting[self] = None
        self._start_clock(self._accepted_at)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way: the client is gone."""
        self._settle()
        self._cut_off(self._running)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request, of several, or of what is none."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._loose += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(_reason(error))
        else:
            self._check()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._part = "head"

    def on_headers_complete(self) -> None:
        """Start the application, or let the request queue behind the one before it."""
        if self._loose > self._limits.header_bytes and self._head_size() > self._limits.header_bytes:
            raise self._too_large()
        self._loose = 0
        self._part = "body"
        upgrades = self.parser.should_upgrade()
        if upgrades and not self._should_upgrade():
            return  # see _stay
        self._settle()
        super().on_headers_complete()
        if upgrades:
            return
        self.headers = []  # what follows a body of chunks is no header of the request
        if self.scope["http_version"] == "1.0":
            self.cycle.send = Unchunked(self.cycle).send  # type: ignore[method-assign]  # its task has not begun
        if not (self.pipeline and self.pipeline[0][0] is self.cycle):
            self._running = self.cycle

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body."""
        self._loose = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; one that was answered before it was complete makes room for the next."""
        self._loose = 0
        self._part = ""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        if self._clock is not None:
            self._stop_clock()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Go on with the request that queues, or wait for the next."""
        self._running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._late_error is not None and (self._running is None or self._running.more_body):
            self._refuse(self._late_error)
        elif self._running is None:
            self._wait()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for long enough."""
        if not self.transport.is_closing():
            self._end()

    def give_way(self) -> None:
        """Close the connection for one that has something to ask."""
        self._settle()
        if self.scheme == "https":  # its close waits for the other side
            self.transport.abort()
        else:
            self.transport.close()

    def _wait(self) -> None:
        """Wait for the next request, or what is left of the one that was answered."""
        if not self.transport.get_write_buffer_size():
            self._crowd.waiting[self] = None
        if self._part == "body" and self.expect_100_continue:
            self._end()  # it was not asked for its body: nobody knows whether what comes next is one
        elif self._part:
            self._unset_keepalive_if_required()
            self._start_clock(self.loop.time())

    def _check(self) -> None:
        """See to the limits once all that came has been parsed."""
        if self._loose > self._limits.header_bytes:
            self._refuse(self._too_large())
        elif self._running is None and self._clock is None and (self._part or self.timeout_keep_alive_task is None):
            self._unset_keepalive_if_required()
            self._start_clock(self.loop.time())

    def _start_clock(self, since: float) -> None:
        self._clock = self.loop.call_at(since + self._limits.headers_s, self._overdue)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _settle(self) -> None:
        """Wait for nothing any more."""
        self._stop_clock()
        self._crowd.waiting.pop(self, None)

    def _overdue(self) -> None:
        if self._part == "head":
            self._refuse(RequestTimeout(f"The head of the request was not there within {self._limits.headers_s:g} s."))
        else:
            self._end()

    def _upgrade(self, rest: bytes) -> None:
        """Hand the connection to the WebSocket protocol, or stay with HTTP/1.1 if something else is proposed."""
        if self.parser.get_method() == b"CONNECT":
            self._refuse(InvalidRequest("This is no proxy.", code="method_not_allowed"))
        elif not self._should_upgrade():
            self._stay(rest)
        elif self._running is not None:
            self._refuse(InvalidRequest("A WebSocket takes a connection that is not in use."))
        else:
            self._deaf = True
            self.handle_websocket_upgrade()

    def _stay(self, rest: bytes) -> None:
        """Parse a request again without its proposal: the parser takes the body for the other protocol.

        Java's client, for one, proposes HTTP/2 with every request.
        """
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self.data_received(b"".join([head, *lines, b"\r\n", rest]))

    def _too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(f"Target and headers of a request may have {self._limits.header_bytes} bytes.")

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, error: VoicegwError) -> None:
        """Answer what is no request, after those before it, and close."""
        _log.debug("refused", status=error.status, code=error.code, reason=error.message)
        running = self._running
        self._deaf = True
        if running is not None and not running.more_body:
            self._late_error = error
        elif running is not None and running.response_started:
            self.transport.abort()  # no error can be told in the middle of an answer
        else:
            self._cut_off(running)
            self.pipeline.clear()
            told = self.scope["headers"] if self._part else ()
            self._end(refusal(error, {"headers": told}, self.server_state.default_headers))

    def _cut_off(self, cycle: RequestResponseCycle | None) -> None:
        """Tell the application that nobody waits for its answer."""
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def _end(self, answer: bytes = b"") -> None:
        """Close, with a last word; what is still on its way from the client is let in so that it can hear it."""
        self._deaf = True
        self._settle()
        self._unset_keepalive_if_required()
        unsent = self.transport.get_write_buffer_size()
        if answer:
            self.transport.write(answer)
        if answer and self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()
        if answer or not unsent:
            self._clock = self.loop.call_later(_LINGER_S, self.transport.abort)


def _reason(error: httptools.HttpParserError) -> VoicegwError:
    """Give what to answer to what could not be parsed: what one of the methods above said, or what the parser says."""
    cause = error.__context__
    if isinstance(cause, VoicegwError):
        return cause
    said = "its target cannot be read" if isinstance(error, httptools.HttpParserCallbackError) else str(error)
    return InvalidRequest(f"This is no HTTP request: {said}.", code="invalid_http")
