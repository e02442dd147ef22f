"""One line of the log for every request: what became of it, and nothing of what was said or of who may say it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import httpx
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from tests.support.gateway import speech_body, wait_until
from tests.support.server import RunningServer, running_server
from voicegw.api.boundary import Boundary
from voicegw.api.exchange import Exchanges
from voicegw.api.metrics import Metrics
from voicegw.api.templates import Templates

PATH = "/v1/audio/speech"
KEY = "sk-never-told-0123456789"
SAID = "the password is swordfish"
CONFIG = f"""
server: {{api_keys: [{hashlib.sha256(KEY.encode()).hexdigest()}]}}
models:
  - {{id: tone, backend: tone, required: true, parameters: {{allow_faults: true}}}}
  - {{id: slow, backend: tone, required: true, parameters: {{rtf: 1.0}}}}
"""


def lines(server: RunningServer) -> list[dict[str, Any]]:
    """Give the lines of requests; the last one may be half written."""
    log = server.log.read_text("utf-8")
    found = [json.loads(line) for line in log[: log.rfind("\n") + 1].splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == "request"]


def line_of(server: RunningServer, request_id: str) -> dict[str, Any]:
    """Wait for the line of a request and give what is the same each time: no times."""
    wait_until(lambda: any(line["request_id"] == request_id for line in lines(server)), request_id)
    (line,) = [line for line in lines(server) if line["request_id"] == request_id]
    assert (line.pop("level"), line.pop("event")) == ("info", "request")
    times = {name: line.pop(name) for name in ("took_s", "ttfa_s", "queue_s") if name in line}
    assert all(0 <= seconds <= times["took_s"] for seconds in times.values())
    del line["timestamp"], line["request_id"]
    return {**line, "times": sorted(times)}


def test_one_line_for_every_request(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, config=CONFIG) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):

        def ask(request_id: str, body: Any = None, method: str = "POST", path: str = PATH) -> dict[str, Any]:
            headers = {"authorization": f"Bearer {KEY}", "x-request-id": request_id}
            try:
                client.request(method, path, json=body, headers=headers)
            except httpx.RemoteProtocolError:
                assert request_id == "breaks"
            return line_of(server, request_id)

        spoken = {"model": "tone", "characters": len(SAID), "audio_s": 2.0, "underruns": 0}
        all_times = {"times": ["queue_s", "took_s", "ttfa_s"]}
        route = {"route": PATH}
        assert ask("ok", speech_body(input=SAID), path="/audio/speech") == {
            **route,
            **spoken,
            **all_times,
            "status": 200,
            "outcome": "ok",
        }
        half = speech_body(input=SAID, fail_after_chunks=2)
        told = ask("breaks", half)
        assert told.pop("audio_s") < 2
        assert told == {
            **route,
            **all_times,
            "model": "tone",
            "characters": len(SAID),
            "underruns": 0,
            "status": 200,
            "outcome": "broken",
            "code": "backend_failed",
        }
        assert ask("fails", speech_body(input=SAID, fail_after_chunks=0)) == {
            **route,
            "model": "tone",
            "characters": len(SAID),
            "audio_s": 0.0,
            "times": ["queue_s", "took_s"],
            "status": 500,
            "outcome": "failed",
            "code": "backend_failed",
        }
        refused = {"outcome": "refused", "times": ["took_s"]}
        assert ask("unknown", speech_body(model=SAID)) == {
            **route,
            **refused,
            "status": 404,
            "code": "model_not_found",
        }
        assert ask("nowhere", path=f"/{SAID}") == {**refused, "route": "other", "status": 404}
        assert ask("listed", path="/v1/models/tone", method="GET") == {
            "route": "/v1/models/{model}",
            "status": 200,
            "outcome": "ok",
            "times": ["took_s"],
        }
        with client.stream(
            "POST",
            PATH,
            json=speech_body(model="slow", input="one " * 40),
            headers={"api-key": KEY, "x-request-id": "left"},
        ):
            pass
        left = line_of(server, "left")
        assert (left["outcome"], left["status"], left["times"]) == ("cancelled", 200, ["queue_s", "took_s", "ttfa_s"])
        client.post(PATH, json=speech_body(), headers={"api-key": "sk-wrong", "x-request-id": "keyless"})
        assert line_of(server, "keyless") == {**route, **refused, "status": 401, "code": "invalid_api_key"}
        for probe in ("/health", "/health/ready", "/metrics", "/health/nope"):
            client.get(probe, headers={"x-request-id": "probe", "api-key": KEY})
        ask("last", path="/v1/models", method="GET")
        assert not [line for line in lines(server) if line["request_id"] == "probe"]
    log = server.log.read_text("utf-8")
    for secret in (KEY, "sk-wrong", SAID, SAID.rsplit(maxsplit=1)[-1], hashlib.sha256(KEY.encode()).hexdigest()):
        assert secret not in log


def test_a_client_that_leaves_before_the_answer(tmp_path: Path) -> None:
    config = "models: [{id: late, backend: tone, required: true, parameters: {first_audio_ms: 600000}}]\n"
    with running_server(tmp_path, config=config) as server:
        body = json.dumps(speech_body(model="late")).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(head + body)
            wait_until(lambda: httpx.get(f"{server.url}/health/ready").json()["live_requests"] == 1)
        told = line_of(server, "gone")
    assert (told["status"], told["outcome"], told["model"], told["audio_s"]) == (499, "cancelled", "late", 0.0)


async def test_an_answer_that_the_end_of_the_server_cuts_off() -> None:
    begun, sent = asyncio.Event(), []

    async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        begun.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message["type"])

    scope: Scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"x-request-id", b"cut")]}
    boundary = Boundary(endless, Exchanges(Templates(), Metrics({})))
    with capture_logs() as logs:
        task = asyncio.create_task(boundary(scope, receive, send))
        await begun.wait()
        task.cancel()
        await asyncio.wait((task,))
    assert task.cancelled()
    ((line,)) = [line for line in logs if line["event"] == "request"]
    assert (line["request_id"], line["outcome"], line["status"]) == ("cut", "aborted", 200)
    assert sent == ["http.response.start"]
