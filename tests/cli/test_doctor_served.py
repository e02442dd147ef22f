"""``voicegw doctor --url``: a server that runs well, one that does not, and what is no server of speech."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.cli.conftest import Run
from tests.support.gateway import listening, serving
from tests.support.server import RunningServer, free_port, program, running_server
from voicegw.app import create_app
from voicegw.audio.format import FORMATS
from voicegw.settings import Model, Settings

FORMAT_CHECKS = [f"speech {each.name}" for each in FORMATS]


def findings(run: Run, url: str, *arguments: object, well: bool = True) -> dict[str, tuple[str, str]]:
    status, out, _ = run("doctor", "--json", "--url", url, *arguments)
    told = json.loads(out[out.index("{\n") :])  # a gateway in this process may log before it
    assert (status, told["ok"]) == (0 if well else 1, well), out
    return {each["check"]: (each["verdict"], each["found"]) for each in told["findings"]}


def test_a_server_that_runs_well(server: RunningServer, folder: Path) -> None:
    for url in (server.url, f"{server.url}/v1/"):
        command = [str(program()), "doctor", "--url", url]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        lines = done.stdout.splitlines()
        assert f"ok       server       {url} answers" in lines
        assert any(line.startswith("ok       ready        takes work; ") for line in lines)
        assert sum(" s of audio in " in line for line in lines) == len(FORMATS)


def test_the_variable_names_the_server(run: Run, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_URL", server.url)
    _, out, _ = run("doctor")
    assert f"{server.url} answers" in out


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "nonsense", "http://[", "http://no.invalid"])
def test_nobody_there(run: Run, url: str) -> None:
    url = url.format(port=free_port())
    found = findings(run, url, well=False)
    assert list(found) == ["server"]
    assert found["server"][0] == "problem"
    assert found["server"][1].startswith(f"no answer from {url}: ")


GUARDED = """
server: {api_keys: [2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683]}  # of "key"
models:
  - {id: tone, backend: tone, required: true}
  - {id: broken, backend: tone, parameters: {slots: -1}}
  - {id: lazy, backend: tone, preload: false}
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that wants a key, with models that do not serve."""
    with running_server(tmp_path_factory.mktemp("guarded"), config=GUARDED) as running:
        yield running


def test_a_key_is_needed(run: Run, guarded: RunningServer) -> None:
    status, out, _ = run("doctor", "--url", guarded.url)
    assert status == 1
    assert out.count("(HTTP 401); give a key: --api-key, or VOICEGW_API_KEY") == len(FORMATS)
    found = findings(run, guarded.url, "--api-key", "key", well=False)
    assert {found[check][0] for check in FORMAT_CHECKS} == {"ok"}
    told = [re.fullmatch(r"tone: (\S+) s of audio in \S+ s", found[check][1]) for check in FORMAT_CHECKS]
    assert all(each is not None and 0.5 <= float(each[1]) < 0.7 for each in told)  # mp3 and aac have frames to fill


def test_models_that_do_not_serve(run: Run, guarded: RunningServer) -> None:
    found = findings(run, guarded.url, "--api-key", "key", well=False)
    assert found["model tone"] == ("ok", "ready")
    assert found["model lazy"][0] == "ok"
    assert found["model broken"][0] == "problem"
    assert found["model broken"][1].startswith("failed ")
    assert "slots must be" in found["model broken"][1]


def test_a_server_that_is_being_stopped(run: Run) -> None:
    with serving(create_app(Settings(models=(Model(id="tone", backend="tone"),)))) as gateway:
        gateway.app.state.traffic.drain()
        found = findings(run, gateway.url, well=False)
    assert found["ready"] == ("problem", "takes no work: draining")
    assert found["speech mp3"] == ("problem", "The server is shutting down. (HTTP 503)")


class Odd:
    """A server of another making, which answers as it is told."""

    def __init__(self, answers: Mapping[str, Response]) -> None:
        self.answers = answers

    async def __call__(self, request: Request) -> Response:
        path = request.url.path.strip("/").replace("/", "_")
        if path == "v1_audio_speech":
            path = str((await request.json())["response_format"])
        return self.answers.get(path, PlainTextResponse("no", 404))

    @property
    def app(self) -> Any:
        return Starlette(routes=[Route("/{path:path}", self.__call__, methods=["GET", "POST"])])


READY = JSONResponse({"status": "ready", "live_requests": 3, "models": {}})
ALIVE: Mapping[str, Response] = {"health": PlainTextResponse("OK"), "health_ready": READY}


def odd(run: Run, answers: Mapping[str, Response]) -> dict[str, tuple[str, str]]:
    with listening(Odd(answers).app) as url:
        return findings(run, url, well=False)


@pytest.mark.parametrize(
    "health", [PlainTextResponse("OK", 500), PlainTextResponse("fine"), PlainTextResponse("", 404)]
)
def test_another_server(run: Run, health: Response) -> None:
    found = odd(run, {"health": health})
    assert list(found) == ["server"]
    assert found["server"][1].endswith(f"is another server: HTTP {health.status_code} to GET /health")


def test_answers_that_are_no_audio(run: Run) -> None:
    answers: dict[str, Response] = {each.name: PlainTextResponse("<html>") for each in FORMATS}
    answers["wav"] = PlainTextResponse("")
    answers["pcm"] = PlainTextResponse("odd")
    answers["flac"] = JSONResponse({"error": {"message": "no flac today"}}, 400)
    found = odd(run, {**ALIVE, **answers})
    assert found["ready"] == ("ok", "takes work; 3 requests under way")
    assert found["speech mp3"] == ("problem", "6 bytes that are no mp3")
    assert found["speech wav"] == ("problem", "0 bytes that are no wav")
    assert found["speech pcm"] == ("problem", "3 bytes that are no pcm")
    assert found["speech flac"] == ("problem", "no flac today (HTTP 400)")


def test_models_on_their_way(run: Run) -> None:
    models = {"a": {"state": "loading", "detail": "40 %"}, "b": {"state": "declared", "detail": ""}}
    ready = JSONResponse({"status": "not ready", "live_requests": 0, "models": models}, 503)
    found = odd(run, {**ALIVE, "health_ready": ready})
    assert found["ready"] == ("problem", "takes no work: not ready")
    assert (found["model a"], found["model b"]) == (("warning", "loading 40 %"), ("warning", "declared"))


def test_an_answer_that_makes_no_sense_is_a_problem_of_its_own(run: Run) -> None:
    found = odd(run, {**ALIVE, "health_ready": PlainTextResponse("hm")})
    assert found["ready"][1].startswith("could not be looked at: JSONDecodeError")
    assert "speech mp3" in found


def test_metrics(run: Run) -> None:
    assert "metrics" not in odd(run, ALIVE)
    text = '# HELP a b\n# TYPE a counter\na 1\na{b="c"} 2\n\n'
    assert odd(run, {**ALIVE, "metrics": PlainTextResponse(text)})["metrics"] == ("ok", "2 values at /metrics")
    refused = JSONResponse({"error": {"message": "no key"}}, 401)
    assert odd(run, {**ALIVE, "metrics": refused})["metrics"] == ("warning", "cannot be read: no key (HTTP 401)")


def test_an_answer_that_breaks_off(run: Run) -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["path"] != "/v1/audio/speech":
            known = {"/health": PlainTextResponse("OK"), "/health/ready": READY}
            await known.get(scope["path"], PlainTextResponse("no", 404))(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    with listening(half) as url:
        found = findings(run, url, well=False)
    assert {found[check][0] for check in FORMAT_CHECKS} == {"problem"}
    assert all(found[check][1].startswith("broke off: ") for check in FORMAT_CHECKS)
