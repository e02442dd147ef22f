"""Spans of requests, as a collector gets them from a real gateway."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.collector import Collector, attributes, collecting
from tests.support.gateway import Gateway, serving, speech_body, wait_until
from tests.support.server import running_server
from voicegw.api.exchange import Exchange
from voicegw.api.metrics import Metrics
from voicegw.api.tracing import _attributes
from voicegw.app import create_app
from voicegw.settings import Limits, Model, Settings, Tracing

PATH = "/v1/audio/speech"
SAID = "the word is swordfish"
KEY = "sk-never-told"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MODELS = (
    Model(id="tone", backend="tone", required=True, parameters={"allow_faults": True}),
    Model(id="late", backend="tone", required=True, parameters={"first_audio_ms": 600_000, "slots": 1}),
)


@pytest.fixture(autouse=True)
def _sent_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@contextmanager
def traced(endpoint: str | None, *, flush_s: float = 2.0) -> Iterator[Gateway]:
    """Run a gateway that sends its spans to a collector."""
    tracing = Tracing(enabled=True, endpoint=endpoint, flush_s=flush_s)
    with serving(create_app(Settings(models=MODELS, limits=Limits(queue_per_slot=1), tracing=tracing))) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def gateway(collector: Collector) -> Iterator[Gateway]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        with traced(collector.url) as made:
            yield made


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as made:
        yield made
    gateway.wait_idle()


def seconds(span: Span) -> tuple[float, float]:
    return span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9


def test_a_speech_is_a_span_of_its_clients_trace_with_what_it_went_through(
    client: httpx.Client, collector: Collector, gateway: Gateway
) -> None:
    headers = {"x-request-id": "spoken", "traceparent": PARENT, "tracestate": "a=b", "authorization": f"Bearer {KEY}"}
    answer = client.post(f"/openai{PATH}?secret={KEY}", json=speech_body(input=SAID), headers=headers)
    assert answer.status_code == 200
    server, *phases = collector.trace("spoken")
    assert (server.trace_id.hex(), server.parent_span_id.hex(), server.trace_state) == (*PARENT.split("-")[1:3], "a=b")
    assert (server.name, server.kind) == (f"POST {PATH}", Span.SPAN_KIND_SERVER)
    assert server.status.code == Status.STATUS_CODE_UNSET
    assert attributes(server.attributes) == {
        "http.request.method": "POST",
        "http.route": PATH,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": gateway.port,
        "url.path": f"/openai{PATH}",
        "url.scheme": "http",
        "voicegw.request_id": "spoken",
        "voicegw.outcome": "ok",
        "voicegw.model": "tone",
        "voicegw.characters": len(SAID),
        "voicegw.audio_seconds": 2.0,
        "voicegw.underruns": 0,
    }
    assert [span.name for span in phases] == ["speech.queue", "speech.first_audio", "speech.speaking"]
    moments = [seconds(server)[0], *(moment for span in phases for moment in seconds(span)), seconds(server)[1]]
    assert moments == sorted(moments)
    assert all(one.end_time_unix_nano == other.start_time_unix_nano for one, other in pairwise(phases))
    assert {span.trace_id for span in phases} == {server.trace_id}
    assert [attributes(span.attributes) for span in phases] == [{"voicegw.model": "tone"}] * 3


def test_the_service_names_itself(client: httpx.Client, collector: Collector) -> None:
    client.get("/v1/models", headers={"x-request-id": "listed"})
    server, *phases = collector.trace("listed")
    assert (server.name, phases) == ("GET /v1/models", [])
    assert "voicegw.model" not in attributes(server.attributes)
    assert server.parent_span_id == b""
    told = attributes(collector.resources[-1].resource.attributes)
    assert (told["service.name"], told["deployment.environment.name"]) == ("voicegw", "test")
    assert told["service.version"]
    assert collector.paths == {"/v1/traces"}


def failed(span: Span) -> tuple[int, str, str | None]:
    told = attributes(span.attributes)
    return span.status.code, told["voicegw.outcome"], told.get("error.type")


def test_what_goes_wrong(client: httpx.Client, collector: Collector) -> None:
    bodies = {
        "refused": speech_body(model="nope"),
        "failed": speech_body(fail_after_chunks=0),
        "broken": speech_body(fail_after_chunks=8),
    }
    for request_id, body in bodies.items():
        with suppress(httpx.RemoteProtocolError):
            client.post(PATH, json=body, headers={"x-request-id": request_id})
    assert failed(collector.trace("refused")[0]) == (Status.STATUS_CODE_UNSET, "refused", None)
    assert failed(collector.trace("failed")[0]) == (Status.STATUS_CODE_ERROR, "failed", "backend_failed")
    assert failed(collector.trace("broken")[0]) == (Status.STATUS_CODE_ERROR, "broken", "backend_failed")
    assert [len(collector.trace(request_id)) for request_id in bodies] == [1, 3, 4]


def test_a_client_that_leaves_the_queue(gateway: Gateway, client: httpx.Client, collector: Collector) -> None:
    body = json.dumps(speech_body(model="late")).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as first:
        first.sendall(f"{head}\r\n".encode() + body)
        wait_until(lambda: gateway.app.state.engine.pools["late"].running == 1)
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as second:
            second.sendall(f"{head}X-Request-Id: left\r\n\r\n".encode() + body)
            wait_until(lambda: gateway.app.state.engine.pools["late"].waiting == 1)
    server, *phases = collector.trace("left")
    assert failed(server) == (Status.STATUS_CODE_UNSET, "cancelled", None)
    assert "http.response.status_code" not in attributes(server.attributes)
    assert [span.name for span in phases] == ["speech.queue"]
    assert phases[0].end_time_unix_nano == server.end_time_unix_nano
    assert client.get("/health").status_code == 200


def test_what_is_not_wanted_is_not_traced(client: httpx.Client, collector: Collector) -> None:
    for path in ("/health", "/health/ready", "/metrics"):
        client.get(path, headers={"x-request-id": "probe"})
    client.get("/v1/models", headers={"x-request-id": "unsampled", "traceparent": f"{PARENT[:-1]}0"})
    client.get("/v1/models", headers={"x-request-id": "last"})
    collector.trace("last")
    seen = {attributes(span.attributes).get("voicegw.request_id") for span in collector.spans}
    assert not seen & {"probe", "unsampled"}


@pytest.mark.parametrize("parent", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "\xff" * 2000])
def test_a_parent_that_is_none_is_no_reason_to_fail(client: httpx.Client, collector: Collector, parent: str) -> None:
    request_id = f"parent{len(parent)}"
    headers = [(b"traceparent", parent.encode("latin-1")), (b"x-request-id", request_id.encode())]
    assert client.get("/v1/models", headers=headers).status_code == 200
    assert collector.trace(request_id)[0].parent_span_id == b""


def test_an_unknown_path_or_method_names_nothing(client: httpx.Client, collector: Collector) -> None:
    client.get(f"/{KEY}", headers={"x-request-id": "nowhere"})
    client.request("PURGE", f"/{KEY}", headers={"x-request-id": "unheard-of"})
    told = [collector.trace(request_id)[0] for request_id in ("nowhere", "unheard-of")]
    assert [span.name for span in told] == ["GET", "HTTP"]
    assert attributes(told[1].attributes)["http.request.method"] == "_OTHER"
    assert not {"url.path", "http.route"} & attributes(told[0].attributes).keys()


@pytest.mark.parametrize("server", [None, ("/run/voicegw.sock", None)])
def test_a_server_without_a_port_has_no_address(server: object) -> None:
    exchange = Exchange("r", "GET", "/v1/models", Metrics({}))
    scope = {"scheme": "http", "http_version": "1.1", "path": "/v1/models", "server": server}
    assert not [name for name, _ in _attributes(exchange, scope) if name.startswith("server.")]


def test_no_text_and_no_key_leaves(client: httpx.Client, collector: Collector) -> None:
    client.post(
        PATH, json=speech_body(input=SAID), headers={"api-key": KEY, "x-request-id": "quiet", "user-agent": SAID}
    )
    collector.trace("quiet")
    sent = b"".join(collector.bodies)
    assert b"quiet" in sent
    for secret in (SAID, "swordfish", KEY):
        assert secret.encode() not in sent


def test_a_collector_that_does_not_answer_holds_nothing_up() -> None:
    with collecting() as collector:
        collector.open.clear()
        with traced(collector.url, flush_s=0.1) as gateway, gateway.client() as client:
            assert client.get("/v1/models").status_code == 200
            collector.asked.wait(30)
            assert client.post(PATH, json=speech_body()).status_code == 200
        assert not collector.bodies  # the gateway has ended, and is not answered yet


def test_a_collector_that_is_not_there_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    with traced(url, flush_s=0.1) as gateway, gateway.client() as client:
        assert client.post(PATH, json=speech_body()).status_code == 200
        wait_until(lambda: bool(caplog.records))
        assert client.get("/health").status_code == 200


def test_the_last_spans_are_sent_when_the_server_ends(tmp_path: Path) -> None:
    config = "models: [{id: tone, backend: tone, required: true}]\ntracing: {enabled: true}\n"
    with collecting() as collector:
        env = {
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_SERVICE_NAME": "my-speech",
            "NO_PROXY": "127.0.0.1",
        }
        with running_server(tmp_path, config=config, env=env) as server:
            for number in range(20):
                answer = httpx.post(f"{server.url}{PATH}", json=speech_body(), headers={"x-request-id": f"n{number}"})
                assert answer.status_code == 200
            assert not collector.bodies
        assert [len(collector.trace(f"n{number}")) for number in range(20)] == [4] * 20
        assert attributes(collector.resources[0].resource.attributes)["service.name"] == "my-speech"


@pytest.mark.parametrize("endpoint", ["", "/", "/v1/traces", "/v1/traces/"])
def test_the_root_of_the_collector_is_enough(endpoint: str) -> None:
    with collecting() as collector:
        with traced(collector.url + endpoint) as gateway, gateway.client() as client:
            client.get("/v1/models", headers={"x-request-id": "x"})
        collector.trace("x")
        assert collector.paths == {"/v1/traces"}


OFF = """
import json, sys
from fastapi.testclient import TestClient
from voicegw.app import create_app
from voicegw.settings import Model, Settings
with TestClient(create_app(Settings(models=(Model(id="tone", backend="tone"),)))) as client:
    assert client.get("/v1/models?secret=1").status_code == 200
print(json.dumps([name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))]))
"""


def test_nothing_is_loaded_or_sent_when_it_is_off() -> None:
    """The framework needs OpenTelemetry's interface, and could send on its own: what sends is not loaded."""
    with collecting() as collector:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, "-c", OFF], env={**os.environ, **env}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        loaded = json.loads(done.stdout.splitlines()[-1])
        assert not [
            name
            for name in loaded
            if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto"))
        ]
        assert not [name for name in loaded if name.startswith(("google.protobuf", "requests"))]
        assert not collector.asked.is_set()


def test_without_the_extra_the_start_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("tracing: {enabled: true}\nserver: {port: 0}\n", "utf-8")
    code = (
        "import sys; sys.modules['opentelemetry.exporter'] = None\n"
        "from voicegw.cli import main; sys.argv = ['voicegw', 'serve', '--config', 'my.yaml']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    told = done.stderr.splitlines()[-1]
    assert told.startswith("voicegw: tracing.enabled needs OpenTelemetry, and opentelemetry.exporter")
    assert told.endswith(" is not installed: pip install 'voicegw[otel]'")
