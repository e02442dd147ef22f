"""A collector of OpenTelemetry spans: OTLP over HTTP, on the loopback interface."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tests.support.gateway import wait_until


class Collector:
    """What was sent so far.

    Attributes:
        url: Where to send it.
        paths: At which it came.
        bodies: As they came.
        open: Whether it is answered; while it is not, whoever sends must wait.
        asked: Set once somebody has sent anything.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.paths: set[str] = set()
        self.bodies: list[bytes] = []
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()

    @property
    def resources(self) -> list[ResourceSpans]:
        """Everything that was understood, by resource."""
        return [each for body in self.bodies for each in ExportTraceServiceRequest.FromString(body).resource_spans]

    @property
    def spans(self) -> list[Span]:
        """All spans."""
        return [span for each in self.resources for scope in each.scope_spans for span in scope.spans]

    def trace(self, request_id: str) -> list[Span]:
        """Wait for the span of a request and give it, then those below it by their begin."""

        def there() -> list[Span]:
            return [span for span in self.spans if attributes(span.attributes).get("voicegw.request_id") == request_id]

        wait_until(lambda: bool(there()), f"the span of {request_id}")
        (server,) = there()
        below = [span for span in self.spans if span.parent_span_id == server.span_id]
        return [server, *sorted(below, key=lambda span: span.start_time_unix_nano)]


def attributes(given: Any) -> dict[str, Any]:
    """Give attributes as a plain mapping."""
    pairs: list[KeyValue] = list(given)
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect while the block runs."""

    class Endpoint(BaseHTTPRequestHandler):
        """Takes what is posted."""

        def do_POST(self) -> None:
            """Keep it, then say so."""
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.asked.set()
            collector.open.wait()
            collector.paths.add(self.path)
            collector.bodies.append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        collector.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
