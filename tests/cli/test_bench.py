"""``voicegw bench speech``: the report, for people and for programs."""

from __future__ import annotations

import json
import sys

import pytest

from tests.cli.conftest import Run, on_a_terminal
from tests.support.server import RunningServer, free_port


def test_a_report_for_people(run: Run, server: RunningServer) -> None:
    status, out, err = run("bench", "speech", "--url", server.url, "-n", 4, "-c", 2, "--words", 1, "--control")
    assert (status, err) == (0, "")
    measured, bare = out.split("a bare uvicorn with the same bytes:")
    for part in (measured, bare):
        assert "4 mp3 requests, 2 at a time: 4 ok" in part
        assert "first audio" in part
        assert "CPU/request" in part


def test_a_report_for_programs(run: Run, server: RunningServer) -> None:
    status, out, _ = run(
        "bench", "speech", "--url", f"{server.url}/v1", "-n", 3, "-c", 1, "--text", "one two", "--voice", "low",
        "--format", "wav", "--json", "--control", "--warmup", 0, "--api-key", "k",
    )  # fmt: skip
    report = json.loads(out)
    assert status == 0
    assert (report["concurrency"], report["format"], report["speech"]["outcomes"]) == (1, "wav", {"ok": 3})
    assert report["speech"]["audio_s"] == pytest.approx(3.0)
    assert report["speech"]["gateway_ms"]["p50"] > 0
    assert report["server"]["processes"] == 6
    assert report["control"]["speech"]["gateway_ms"]["p50"] is None  # nobody says when a bare server made its audio


def test_a_terminal_is_told_of_the_progress(server: RunningServer) -> None:
    status, shown = on_a_terminal("bench", "speech", "--url", server.url, "-n", "30", "--words", "1")
    assert status == 0
    assert "requests" in shown
    assert "first audio" in shown


def test_without_psutil_the_rest_is_measured(run: Run, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    status, out, err = run("bench", "speech", "--url", server.url, "-n", 1, "--words", 1)
    assert status == 0
    assert "pip install psutil" in err
    assert "CPU/request" not in out


def test_nothing_but_failures_is_a_failure(run: Run, server: RunningServer) -> None:
    status, out, _ = run("bench", "speech", "--url", server.url, "-n", 2, "--model", "x", "--control")
    assert status == 1
    assert "2 404" in out
    status, out, _ = run("bench", "speech", "--url", f"http://127.0.0.1:{free_port()}", "-n", 2)
    assert (status, "2 refused" in out) == (1, True)


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [("--format", "mp4", "there is no format 'mp4'"), ("--url", "ftp://x", "is no http or https address")],
)
def test_what_cannot_be_measured(run: Run, flag: str, value: str, said: str) -> None:
    status, _, err = run("bench", "speech", flag, value)
    assert status == 2
    assert said in err
