"""OpenTelemetry spans of requests, for those who installed the extra ``otel`` and turned ``tracing`` on.

The spans are made when a request is over, from the times that were noted: nothing is done while audio flows. They are
sent by a thread of the library's, which drops what its queue cannot hold.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from typing import TYPE_CHECKING, Final

import structlog
from starlette.types import Scope

from voicegw.api.exchange import Exchange
from voicegw.api.templates import OTHER

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.util.types import AttributeValue

_NAME: Final = "voicegw"
_TRACES: Final = "/v1/traces"
_CONTEXT: Final = (b"traceparent", b"tracestate")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_log = structlog.get_logger("voicegw.tracing")


class CannotTrace(Exception):
    """Tracing is on and impossible; the message says what to do, for the one who started the server."""


class Tracing:
    """Sends spans to a collector, by OTLP over HTTP.

    Resource, sampling, headers and time-outs are those of the ``OTEL_*`` variables.

    Args:
        endpoint: Root of the collector, such as ``http://127.0.0.1:4318``; None = that of the variables.
        flush_s: Seconds that sending may take at the end.

    Raises:
        CannotTrace: OpenTelemetry is not installed.
    """

    def __init__(self, endpoint: str | None, flush_s: float) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise CannotTrace(
                f"tracing.enabled needs OpenTelemetry, and {error.name} is not installed: pip install 'voicegw[otel]'"
            ) from None
        version = metadata.version(_NAME)
        url = None if endpoint is None else endpoint.rstrip("/").removesuffix(_TRACES) + _TRACES
        self._provider = TracerProvider(resource=_resource(version), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
        self._tracer = self._provider.get_tracer(_NAME, version)
        self._parents = TraceContextTextMapPropagator()
        self._trace = trace
        self._flush_s = flush_s

    def ended(self, exchange: Exchange, scope: Scope) -> None:
        """Make the span of a request that is over, a child of its client's, and those of what it went through."""
        trace, tracer = self._trace, self._tracer
        began_ns = exchange.began_ns

        def at(moment: float) -> int:
            return began_ns + round(1e9 * (moment - exchange.began))

        known = exchange.method if exchange.method in _METHODS else "HTTP"
        parent = self._parents.extract(
            {str(k, "ascii"): str(v, "latin-1") for k, v in scope["headers"] if k in _CONTEXT}
        )
        span = tracer.start_span(
            known if exchange.route == OTHER else f"{known} {exchange.route}",
            parent,
            trace.SpanKind.SERVER,
            dict(_attributes(exchange, scope)),
            start_time=began_ns,
        )
        if span.is_recording():
            within = trace.set_span_in_context(span, parent)
            for name, begin, end in _phases(exchange):
                attributes = {"voicegw.model": exchange.model}
                tracer.start_span(name, within, attributes=attributes, start_time=at(begin)).end(at(end))
        if exchange.outcome in ("failed", "broken"):
            span.set_status(trace.StatusCode.ERROR)
        span.end(at(exchange.ended))

    async def close(self) -> None:
        """Send what is left, for as long as that may take."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(sent.set)

        threading.Thread(target=send, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(self._flush_s):
                await sent.wait()
        except TimeoutError:
            _log.warning("spans_not_sent", within_s=self._flush_s)


def _resource(version: str) -> Resource:
    """Give what the variables say of this service, with a name and a version where they have none."""
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource

    resource = Resource.create({SERVICE_VERSION: version})
    nameless = str(resource.attributes[SERVICE_NAME]).startswith("unknown_service")
    return resource.merge(Resource({SERVICE_NAME: _NAME})) if nameless else resource


def _attributes(exchange: Exchange, scope: Scope) -> Iterator[tuple[str, AttributeValue]]:
    """Give the attributes by their conventional names where there are such; nothing of what the client wrote freely."""
    yield "http.request.method", exchange.method if exchange.method in _METHODS else "_OTHER"
    yield "url.scheme", scope["scheme"]
    yield "network.protocol.version", scope["http_version"]
    address, port = scope["server"] or ("", None)
    if port is not None:  # a unix socket has none
        yield "server.address", address
        yield "server.port", port
    if exchange.route != OTHER:
        yield "http.route", exchange.route
        yield "url.path", scope["path"]
    if exchange.status:
        yield "http.response.status_code", exchange.status
    if exchange.outcome in ("failed", "broken"):
        yield "error.type", exchange.code or str(exchange.status)
    yield "voicegw.request_id", exchange.request_id
    yield "voicegw.outcome", exchange.outcome
    if exchange.model:
        yield "voicegw.model", exchange.model
        yield "voicegw.characters", exchange.characters
        yield "voicegw.audio_seconds", exchange.audio_s
        yield "voicegw.underruns", exchange.underruns


def _phases(exchange: Exchange) -> Iterator[tuple[str, float, float]]:
    """Give what a speech or transcription went through as far as it came, each phase with its begin and its end."""
    phases = {
        "speech.queue": exchange.asked_at,
        "speech.first_audio": exchange.admitted_at,
        "speech.speaking": exchange.heard_at,
    }
    if exchange.transcribes:
        phases = {
            "transcription.queue": exchange.asked_at,
            "transcription.first_text": exchange.admitted_at,
            "transcription.listening": exchange.told_at,
        }
    reached = [(name, begin) for name, begin in phases.items() if begin]
    ends = [*(begin for _, begin in reached[1:]), exchange.ended]
    yield from ((name, begin, end) for (name, begin), end in zip(reached, ends, strict=False))
