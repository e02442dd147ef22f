"""What `/metrics` counts, scraped from a real gateway: speech, and what becomes of it."""

from __future__ import annotations

import hashlib
import json
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.gateway import Gateway, serving, speech_body, wait_until
from tests.support.scraped import OPENMETRICS, Counted, scrape
from tests.support.server import running_server
from voicegw.api.metrics import REASONS, Metrics
from voicegw.app import create_app
from voicegw.settings import ApiKey, Limits, Model, Server, Settings

PATH = "/v1/audio/speech"
TONE = {"model": "tone", "backend": "tone"}
NAMES = {
    "voicegw_requests": "counter",
    "voicegw_rejected": "counter",
    "voicegw_cancelled": "counter",
    "voicegw_broken": "counter",
    "voicegw_queue_depth": "gauge",
    "voicegw_queue_wait_seconds": "histogram",
    "voicegw_slots_used": "gauge",
    "voicegw_slots_total": "gauge",
    "voicegw_time_to_first_audio_seconds": "histogram",
    "voicegw_time_to_first_text_seconds": "histogram",
    "voicegw_listened_seconds": "counter",
    "voicegw_rtf": "histogram",
    "voicegw_step_seconds": "histogram",
    "voicegw_underruns": "counter",
    "voicegw_audio_seconds": "counter",
    "voicegw_worker_restarts": "counter",
    "voicegw_worker_ready": "gauge",
    "voicegw_live_requests": "gauge",
}


@pytest.fixture
def counted(gateway: Gateway, client: httpx.Client) -> Counted:
    gateway.wait_idle()
    return Counted(client)


@contextmanager
def connected(gateway: Gateway, **more: object) -> Iterator[socket.socket]:
    """Post a request on a connection of its own, which ends with the block."""
    body = json.dumps(speech_body(**more)).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head + body)
        yield connection


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_the_names_are_there_from_the_start(accept: str) -> None:
    app = create_app(Settings(models=(Model(id="tone", backend="tone", required=True),)))
    with serving(app) as gateway, gateway.client() as client:
        scraped = scrape(client, accept)
        assert {name: scraped.families[name].type for name in NAMES} == NAMES
        for name in ("cancelled", "broken", "underruns", "audio_seconds", "worker_restarts"):
            assert scraped.value(f"voicegw_{name}_total", **TONE) == 0
        for name in ("time_to_first_audio_seconds", "queue_wait_seconds", "rtf"):
            assert scraped.value(f"voicegw_{name}_count", **TONE) == 0
        assert scraped.value("voicegw_slots_total", **TONE) == 64
        assert scraped.labels("voicegw_rejected_total", "reason") == {*REASONS[False], *REASONS[True]}
        assert {"process_resident_memory_bytes", "python_info", "python_gc_collections_total"} <= {
            name for name, _ in scraped.samples
        }
    bounds = scraped.labels("voicegw_time_to_first_audio_seconds_bucket", "le")
    assert bounds == {"0.02", "0.05", "0.1", "0.2", "0.3", "0.5", "1.0", "2.0", "5.0", "+Inf"}


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=\xe9;escaping=x",
        "text/plain;version=x",
    ],
)
def test_whatever_is_accepted_is_answered(client: httpx.Client, accept: str) -> None:
    answer = client.get("/metrics", headers=[(b"accept", accept.encode("latin-1"))])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith((OPENMETRICS, "text/plain; version=0.0.4"))
    assert "abc" not in answer.headers["content-type"]


def test_every_gateway_counts_for_itself() -> None:
    one, other = Metrics({"m": "b"}), Metrics({"m": "b"})
    one.cancelled("m")
    values = [
        each.registry.get_sample_value("voicegw_cancelled_total", {"model": "m", "backend": "b"})
        for each in (one, other)
    ]
    assert values == [1, 0]


def test_speech_is_counted_by_model_and_route_however_they_are_written(counted: Counted, client: httpx.Client) -> None:
    said = speech_body()
    paths = [
        PATH,
        "/audio/speech",
        "/openai/v1/audio/speech",
        "/openai/audio/speech",
        "/openai/deployments/tone/audio/speech",
    ]
    for path in paths:
        assert client.post(path, json=said).status_code == 200
    assert client.post(PATH, json=speech_body(model="org/tone-large", stream_format="sse")).status_code == 200
    counted.wait("voicegw_requests_total", 6, route=PATH, code="200")
    counted.wait("voicegw_requests_total", 6)
    for name in ("time_to_first_audio_seconds", "queue_wait_seconds", "rtf"):
        assert counted.more(f"voicegw_{name}_count", **TONE) == 6
        assert counted.more(f"voicegw_{name}_sum", **TONE) > 0
    assert counted.more("voicegw_audio_seconds_total", **TONE) == pytest.approx(6 * 1.5)
    for name in ("rejected", "cancelled", "broken"):
        assert counted.more(f"voicegw_{name}_total") == 0


def test_other_paths_and_methods_have_their_template(counted: Counted, client: httpx.Client) -> None:
    for method, path in (
        ("GET", "/openai/v1/models/tone"),
        ("HEAD", "/models/org/tone-large"),
        ("GET", "/models/nope"),
    ):
        client.request(method, path)
    client.get("/v1/audio/voices")
    client.options("/audio/voices")
    client.request("PURGE", "/audio/speech")
    counted.wait("voicegw_requests_total", 2, route="/v1/models/{model}", code="200")
    counted.wait("voicegw_requests_total", 1, route="/v1/models/{model}", code="404")
    counted.wait("voicegw_requests_total", 1, route="/v1/audio/voices", code="204")
    counted.wait("voicegw_requests_total", 1, route=PATH, code="405")
    counted.wait("voicegw_requests_total", 6)


def test_a_model_that_cannot_keep_up_is_seen() -> None:
    model = Model(id="slow", backend="tone", parameters={"rtf": 2.0}, required=True)
    with serving(create_app(Settings(models=(model,)))) as gateway, gateway.client() as slow:
        counted = Counted(slow)
        assert slow.post(PATH, json=speech_body(model="slow", input="one two")).status_code == 200
        counted.wait("voicegw_rtf_count", 1, model="slow")
        assert counted.more("voicegw_rtf_bucket", model="slow", le="1.0") == 0
        assert counted.more("voicegw_underruns_total", model="slow") > 1


def test_steps_of_a_model_that_batches() -> None:
    settings = Settings(models=(Model(id="tone", backend="tone", required=True),), limits=Limits(worker_ping_s=0.1))
    with serving(create_app(settings)) as gateway, gateway.client() as client:
        counted = Counted(client)
        assert client.post(PATH, json=speech_body(input="one two")).status_code == 200  # 1 s in steps of 80 ms
        counted.wait("voicegw_step_seconds_count", 13, **TONE, worker="w0")
        scraped = scrape(client)
        assert scraped.value("voicegw_step_seconds_bucket", **TONE, le="+Inf") == 13
        assert scraped.value("voicegw_step_seconds_sum", **TONE) > 0


def test_clients_that_leave_are_counted_and_every_gauge_falls_to_0(
    gateway: Gateway, counted: Counted, client: httpx.Client
) -> None:
    narrow = {"model": "narrow", "backend": "tone"}

    def gauges() -> tuple[float, ...]:
        scraped = scrape(client)
        of_model = (scraped.value(f"voicegw_{name}", **narrow) for name in ("slots_used", "queue_depth"))
        return (*of_model, scraped.value("voicegw_live_requests"))

    assert gauges() == (0, 0, 0)
    with connected(gateway, model="narrow", input="one " * 400) as speaking:
        assert speaking.recv(100).startswith(b"HTTP/1.1 200 OK")
        with connected(gateway, model="narrow"):
            wait_until(lambda: gauges() == (1, 1, 2), "one that speaks and one that waits")
        wait_until(lambda: gauges() == (1, 0, 1), "one that speaks")
        counted.wait("voicegw_requests_total", 1, route=PATH, code="499")
    wait_until(lambda: gauges() == (0, 0, 0), "nobody")
    counted.wait("voicegw_cancelled_total", 2, **narrow)
    counted.wait("voicegw_requests_total", 1, route=PATH, code="200")  # that was its status
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        wait_until(lambda: gateway.app.state.traffic.live == 1)
    counted.wait("voicegw_cancelled_total", 1, model="")
    counted.wait("voicegw_cancelled_total", 3)


def test_many_that_leave_at_any_time_leave_nothing(gateway: Gateway, counted: Counted, client: httpx.Client) -> None:
    with ExitStack() as stack:
        for number in range(40):
            model = ("real-time", "late", "narrow")[number % 3]
            stack.enter_context(connected(gateway, model=model, input="one " * 50))
        wait_until(lambda: scrape(client).value("voicegw_slots_used") >= 10)
    gateway.wait_idle()
    scraped = scrape(client)
    assert (scraped.value("voicegw_slots_used"), scraped.value("voicegw_queue_depth")) == (0, 0)
    counted.wait("voicegw_requests_total", 40)
    assert counted.more("voicegw_cancelled_total") + counted.more("voicegw_rejected_total", reason="queue_full") == 40


@pytest.mark.parametrize("form", ["audio", "sse"])
def test_answers_that_break_are_counted(counted: Counted, client: httpx.Client, form: str) -> None:
    body = speech_body(model="faulty", fail_after_chunks=8, stream_format=form)
    with client.stream("POST", PATH, json=body) as response, pytest.raises(httpx.RemoteProtocolError):
        response.read()
    counted.wait("voicegw_broken_total", 1, model="faulty", backend="tone")
    counted.wait("voicegw_requests_total", 1, route=PATH, code="200")
    assert client.post(PATH, json=speech_body(model="faulty", fail_after_chunks=0)).status_code == 500
    counted.wait("voicegw_requests_total", 1, route=PATH, code="500")
    assert counted.more("voicegw_broken_total") == 1
    assert counted.more("voicegw_rejected_total") == 0


def test_a_killed_worker_is_counted_as_a_restart(tmp_path: Path) -> None:
    config = "models: [{id: tone, backend: tone, required: true}]\nlimits: {restart_base_s: 10ms}\n"
    with (
        running_server(tmp_path, config=config) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        for restarts in (1, 2):
            children = psutil.Process(server.process.pid).children()
            (worker,) = [each for each in children if each.cmdline()[-1:] != ["decode"]]  # those are no models
            worker.kill()
            wait_until(lambda: scrape(client).value("voicegw_worker_restarts_total") == restarts)  # noqa: B023 - at once
            wait_until(lambda: scrape(client).value("voicegw_worker_ready") == 1)
        assert scrape(client).labels("voicegw_worker_ready", "worker") == {"w0"}
        assert client.post(PATH, json=speech_body()).status_code == 200


def test_a_model_without_a_worker_has_no_slots(client: httpx.Client) -> None:
    wait_until(lambda: client.get("/health/ready").json()["models"]["broken"]["state"] == "failed")
    scraped = scrape(client)
    for name in ("slots_total", "worker_ready"):
        assert scraped.value(f"voicegw_{name}", model="broken") == 0


def test_clients_cannot_make_series_up(client: httpx.Client) -> None:
    """Whatever they send, there are no more series than routes times statuses."""
    chance = random.Random(7)  # noqa: S311 - no secret
    words = ["v1", "audio", "speech", "models", "openai", "deployments", "..", "%00", "ä", "metrics", "health", "docs"]
    for number in range(300):
        method = chance.choice(
            ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "PURGE", "M-SEARCH", f"X{number}"]
        )
        path = "/" + "/".join(chance.choices(words, k=chance.randint(1, 5))) + chance.choice(["", f"/{number}", "?a=1"])
        body = speech_body(model=f"m{number}", voice=f"v{number}") if method == "POST" else None
        client.request(
            method, path, json=body, headers={"x-request-id": f"id{number}", "authorization": f"Bearer k{number}"}
        )
    scraped = scrape(client)
    assert scraped.labels("voicegw_requests_total", "route") <= {
        PATH,
        "/v1/models",
        "/v1/models/{model}",
        "/v1/audio/models",
        "/v1/audio/voices",
        "/docs",
        "/docs/assets/{name}",
        "/redoc",
        "/openapi.json",
        "other",
    }
    assert all(code.isdigit() for code in scraped.labels("voicegw_requests_total", "code"))
    models = {"", "tone", "real-time", "narrow", "late", "faulty", "broken"}
    for name, has in scraped.samples:
        labels = dict(has)
        assert labels.get("model", "") in models, name
        assert labels.get("backend", "") in {"", "tone"}, name


class TestReasons:
    """Every reason for which a request is rejected."""

    @staticmethod
    def keyed(key: str, **limits: int) -> ApiKey:
        return ApiKey.model_validate({"sha256": hashlib.sha256(key.encode()).hexdigest(), **limits})

    def test_what_the_gateway_rejects(self) -> None:
        keys = (self.keyed("one", concurrent=1), self.keyed("rated", requests_per_minute=1))
        models = (Model(id="tone", backend="tone", parameters={"rtf": 1.0}, required=True),)
        settings = Settings(models=models, server=Server(api_keys=keys), limits=Limits(json_bytes=1000))
        with serving(create_app(settings)) as gateway, gateway.client() as client:
            counted = Counted(client)
            for headers in ({}, {"api-key": "wrong"}):
                assert client.post(PATH, json=speech_body(), headers=headers).status_code == 401
            counted.wait("voicegw_rejected_total", 2, reason="auth", model="")
            for _ in range(2):
                client.get("/nope", headers={"api-key": "rated"})
            counted.wait("voicegw_rejected_total", 1, reason="rate_limit", model="")
            one = {"api-key": "one"}
            assert client.post(PATH, json=speech_body(input="x" * 1000), headers=one).status_code == 413
            counted.wait("voicegw_rejected_total", 1, reason="too_large", model="")
            with client.stream("POST", PATH, json=speech_body(input="one " * 50), headers=one):
                assert client.post(PATH, json=speech_body(), headers=one).status_code == 429
                counted.wait("voicegw_rejected_total", 1, reason="concurrency", model="")
                gateway.app.state.traffic.drain()
                assert client.post(PATH, json=speech_body(), headers=one).status_code == 503
                counted.wait("voicegw_rejected_total", 1, reason="draining", model="")
            counted.wait("voicegw_requests_total", 2, route=PATH, code="401")
            counted.wait("voicegw_requests_total", 1, route="other", code="404")
            counted.wait("voicegw_requests_total", 1, route="other", code="429")
            counted.wait("voicegw_rejected_total", 6)
            gateway.wait_idle()

    def test_a_full_queue(self, gateway: Gateway, counted: Counted, client: httpx.Client) -> None:
        with connected(gateway, model="narrow", input="one " * 100), connected(gateway, model="narrow"):
            wait_until(lambda: gateway.app.state.engine.active_streams() == 2)
            assert client.post(PATH, json=speech_body(model="narrow")).status_code == 429
        counted.wait("voicegw_rejected_total", 1, reason="queue_full", model="narrow", backend="tone")

    def test_no_worker(self, counted: Counted, client: httpx.Client) -> None:
        wait_until(lambda: client.get("/health/ready").json()["models"]["broken"]["state"] == "failed")
        assert client.post(PATH, json=speech_body(model="broken")).status_code == 503
        counted.wait("voicegw_rejected_total", 1, reason="no_worker", model="broken")

    def test_a_deadline(self) -> None:
        models = (Model(id="late", backend="tone", parameters={"first_audio_ms": 600_000}, required=True),)
        app = create_app(Settings(models=models, limits=Limits(first_audio_s=0.1)))
        with serving(app) as gateway, gateway.client() as client:
            counted = Counted(client)
            assert client.post(PATH, json=speech_body(model="late")).status_code == 504
            counted.wait("voicegw_rejected_total", 1, reason="deadline", model="late")
            assert counted.more("voicegw_time_to_first_audio_seconds_count") == 0

    def test_poison(self) -> None:
        models = (Model(id="faulty", backend="tone", parameters={"allow_faults": True}, required=True),)
        with serving(create_app(Settings(models=models))) as gateway, gateway.client() as client:
            counted = Counted(client)
            killer = speech_body(model="faulty", crash_after_chunks=0)
            assert [client.post(PATH, json=killer).status_code for _ in range(2)] == [502, 500]
            counted.wait("voicegw_rejected_total", 1, reason="poison", model="faulty")
            counted.wait("voicegw_worker_restarts_total", 2, model="faulty")

    def test_a_mistake_of_the_client_is_none(self, counted: Counted, client: httpx.Client) -> None:
        for body in ({}, speech_body(model="nope"), speech_body(voice="nobody"), speech_body(speed=9)):
            assert client.post(PATH, json=body).is_client_error
        counted.wait("voicegw_requests_total", 4, route=PATH)
        assert counted.more("voicegw_rejected_total") == 0


class TestWhoMayAsk:
    """`/metrics` is a question about the server itself."""

    def test_it_counts_for_nothing(self, counted: Counted, client: httpx.Client) -> None:
        for path in ("/metrics", "/health", "/health/ready", "/health/live", "/health/nope"):
            client.get(path)
        client.head("/metrics")
        assert client.get("/v1/models").status_code == 200
        counted.wait("voicegw_requests_total", 1)
        assert scrape(client).value("voicegw_live_requests") == 0

    @pytest.mark.parametrize("public", [True, False])
    def test_with_keys(self, public: bool) -> None:
        server = Server(api_keys=(TestReasons.keyed("mine"),), public_metrics=public)
        settings = Settings(models=(Model(id="tone", backend="tone"),), server=server)
        with serving(create_app(settings)) as gateway, gateway.client() as client:
            mine = {"api-key": "mine"}
            assert client.get("/metrics").status_code == (200 if public else 401)
            assert client.post("/metrics").status_code == 401
            told = client.get("/metrics", headers=mine)
            assert told.status_code == 200
            rejected = 'voicegw_rejected_total{backend="",model="",reason="auth"}'
            assert f"{rejected} {1.0 if public else 2.0}" in told.text
            gateway.app.state.traffic.drain()
            assert client.get("/metrics", headers=mine).status_code == 200
            assert client.get("/v1/models", headers=mine).status_code == 503
