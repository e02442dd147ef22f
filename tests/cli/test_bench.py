"""``voicegw bench``: the report, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run, on_a_terminal
from tests.support.server import RunningServer, free_port, running_server
from tests.support.uploads import ears_installed, sound


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


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config = "models: [{id: ears, backend: ears, required: true}]\ndefaults: {speech: ears, transcription: ears}\n"
    with ears_installed(), running_server(tmp_path_factory.mktemp("listener"), config=config) as running:
        yield running


def test_transcriptions_are_reported_to_people(run: Run, listener: RunningServer) -> None:
    status, out, err = run("bench", "transcribe", "--url", listener.url, "-n", 3, "--seconds", 1, "--control")
    assert (status, err) == (0, "")
    measured, bare = out.split("a bare uvicorn with the same bytes:")
    for part in (measured, bare):
        assert "3 json requests, 1 at a time: 3 ok" in part
        assert "first text" in part
        assert "CPU/request" in part


def test_transcriptions_are_reported_to_programs(run: Run, listener: RunningServer, folder: Path) -> None:
    (folder / "a.wav").write_bytes(sound(1.0))
    status, out, _ = run(
        "bench", "transcribe", "--url", f"{listener.url}/v1", "-n", 2, "--file", "a.wav", "--format", "verbose_json",
        "--language", "en", "--model", "ears", "--stream", "--json", "--warmup", 0, "--api-key", "k",
    )  # fmt: skip
    report = json.loads(out)
    assert status == 0
    assert (report["upload_bytes"], report["transcription"]["outcomes"]) == (len(sound(1.0)), {"ok": 2})
    assert report["transcription"]["pieces_per_answer"] == 2
    assert report["server"]["processes"] == 4


def test_transcriptions_that_all_fail_are_a_failure(run: Run, listener: RunningServer) -> None:
    status, out, _ = run("bench", "transcribe", "--url", listener.url, "-n", 2, "--model", "x", "--control")
    assert status == 1
    assert "2 404" in out
    status, _, err = run("bench", "transcribe", "--file", "nowhere.wav")
    assert (status, "nowhere.wav" in err) == (2, True)
