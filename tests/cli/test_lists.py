"""The commands that tell what there is, and how the program refuses."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Run
from tests.support.environments import ROOT
from tests.support.server import RunningServer, free_port
from voicegw.backend import discovery
from voicegw.cli.backends import CATALOGUE


def test_version(run: Run) -> None:
    assert run("version") == (0, f"voicegw {metadata.version('voicegw')}\n", "")


def test_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "voicegw", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("voicegw ")


def test_no_arguments_show_the_help(run: Run) -> None:
    status, out, err = run()
    assert status == 2
    assert "serve" in out + err


def test_an_unknown_command_is_refused(run: Run) -> None:
    status, _, err = run("sing")
    assert status == 2
    assert "sing" in err


def test_every_command_has_help(run: Run) -> None:
    for command in (
        ["serve"],
        ["say"],
        ["models"],
        ["voices"],
        ["config"],
        ["backends", "check"],
        ["bench", "speech"],
        ["keys", "new"],
        ["doctor"],
    ):
        status, out, _ = run(*command, "--help")
        assert (status, "Usage: voicegw" in out) == (0, True), command


def test_the_catalogue_names_every_backend_of_the_source_tree() -> None:
    assert set(CATALOGUE) == {path.parent.name for path in (ROOT / "backends").glob("*/pyproject.toml")}


@pytest.fixture
def _only_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find no adapters that other tests of this process have put on its path."""
    monkeypatch.setattr(sys, "path", [each for each in sys.path if Path(each).name != "adapters"])


@pytest.mark.usefixtures("_only_backends")
def test_backends(run: Run) -> None:
    status, out, _ = run("backends")
    head, *rows = out.splitlines()
    assert (status, head.split()) == (0, ["backend", "version", "licence", "what", "it", "is"])
    assert [row.split()[0] for row in rows] == ["espeak", "tone"]
    assert "GPL-3.0-or-later" in rows[0]


def test_backends_that_are_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tone = [each for each in discovery.installed() if each.name == "tone"]
    monkeypatch.setattr(discovery, "installed", lambda: tuple(tone))
    _, out, _ = run("backends")
    assert "not installed: espeak (" in out
    assert "make install BACKENDS=espeak, or pip install voicegw-espeak" in out
    assert "not installed: tone" not in out


def test_backends_check(run: Run) -> None:
    status, out, _ = run("backends", "check", "tone", "-p", "slots=2", "--parameter", "step_ms=40.0")
    *lines, last = out.splitlines()
    assert status == 0, out
    assert all(line.startswith(("ok ", "- ")) for line in lines)
    assert last == f"tone: {len(lines)} of {len(lines)} checks passed"


def test_backends_check_finds_faults(run: Run) -> None:
    status, out, _ = run("backends", "check", "tone", "-p", "slots=none")
    assert status == 1
    assert "FAIL describe_is_quick" in out


@pytest.mark.parametrize("written", ["slots", "=3"])
def test_a_parameter_that_is_none(run: Run, written: str) -> None:
    status, _, err = run("backends", "check", "tone", "-p", written)
    assert status == 2
    assert "a parameter is written name=value" in err


@pytest.mark.usefixtures("_only_backends")
def test_checking_an_unknown_backend(run: Run) -> None:
    status, _, err = run("backends", "check", "nothing")
    assert (status, err) == (1, "voicegw: backend 'nothing' is not installed here; installed: espeak, tone\n")


def test_config_is_yaml_that_gives_the_same_settings(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("server: {port: 9, host: 127.0.0.1}\nlimits: {drain_s: 5s}\n", "utf-8")
    status, out, _ = run("config")
    assert status == 0
    assert out.startswith("# voicegw.yaml\n")
    assert out.endswith("# server.port: from voicegw.yaml\n# limits.drain_s: from voicegw.yaml\n")
    again = folder / "again.yaml"
    again.write_text(out, "utf-8")
    assert yaml.safe_load(run("config", "--config", again)[1]) == yaml.safe_load(out)


def test_config_without_a_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_SERVER__PORT", "9")
    out = run("config")[1]
    assert out.startswith("# no file: the defaults\nserver:\n")
    assert out.endswith("# server.port: from environment\n")


def test_config_hides_secrets(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text(
        "models: [{id: a, backend: x, parameters: {api_key: hidden, tokens: [hidden], keyboard: shown, token: null}}]\n"
    )
    out = run("config")[1]
    assert "hidden" not in out
    (model,) = yaml.safe_load(out)["models"]
    assert model["parameters"] == {"api_key": "***", "tokens": ["***"], "keyboard": "shown", "token": None}


def test_bad_settings_are_told_line_by_line(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("server: {prot: 1}\nport: 2\n", "utf-8")
    status, out, err = run("config")
    assert (status, out) == (2, "")
    assert err == (
        "voicegw: server.prot: unknown key; did you mean server.port? (voicegw.yaml)\n"
        "voicegw: port: unknown key; did you mean server.port? (voicegw.yaml)\n"
    )
    assert run("serve", "--port", "0")[0] == 2


@pytest.mark.usefixtures("tone_only")
def test_models(run: Run) -> None:
    status, out, _ = run("models")
    head, tone, *aliases = out.splitlines()
    assert status == 0
    assert head.split() == ["model", "backend", "kind", "languages", "voices", "clones", "licence"]
    assert tone.split()[:3] == ["tone", "tone", "speech"]
    assert "tts-1 = tone" in aliases


def test_a_model_that_cannot_be_described_says_why(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text(
        "models: [{id: a, backend: tone, parameters: {slots: none}}, {id: b, backend: nowhere}]\n", "utf-8"
    )
    status, out, _ = run("models")
    assert status == 0
    _, first, second, *_ = out.splitlines()
    assert "slots" in first
    assert "pip install voicegw-nowhere" in second
    assert run("voices")[1].splitlines() == ["model  voice  name  languages  gender"]


@pytest.mark.usefixtures("tone_only")
def test_voices(run: Run) -> None:
    status, out, _ = run("voices")
    assert status == 0
    assert [row.split()[:2] for row in out.splitlines()[1:3]] == [["tone", "tone"], ["tone", "low"]]
    assert run("voices", "--model", "tts-1")[1] == out
    assert run("voices", "--language", "en")[1] == out
    assert len(run("voices", "--language", "xx")[1].splitlines()) == 1


@pytest.mark.usefixtures("tone_only")
def test_voices_of_an_unknown_model(run: Run) -> None:
    assert run("voices", "--model", "x") == (1, "", "voicegw: there is no model 'x'; there are: tone\n")


def test_models_of_a_server(run: Run, server: RunningServer) -> None:
    for url in (server.url, f"{server.url}/v1/"):
        status, out, _ = run("models", "--url", url, "--api-key", "k")
        head, espeak, tone, *aliases = out.splitlines()
        assert (status, head.split()) == (0, ["model", "state", "kind", "languages", "voices", "clones", "licence"])
        assert tone.split() == ["tone", "ready", "speech", "5", "4", "yes", "Apache-2.0"]
        assert espeak.startswith("espeak ")
        assert "tts-1 = espeak" in aliases


def test_voices_of_a_server(run: Run, server: RunningServer) -> None:
    status, out, _ = run("voices", "--url", server.url, "--model", "tone")
    head, *rows = out.splitlines()
    assert (status, head.split()) == (0, ["model", "voice", "name", "languages", "gender"])
    assert [row.split() for row in rows[:2]] == [["tone", "tone", "Tone"], ["tone", "low", "Low"]]
    assert "alloy = tone" in rows
    german = [row.split()[:2] for row in run("voices", "--url", server.url, "--language", "de")[1].splitlines()]
    assert ["espeak", "de"] in german
    assert ["espeak", "es"] not in german
    status, _, err = run("voices", "--url", server.url, "--model", "none")
    assert (status, "(HTTP 404)" in err) == (1, True)


def test_a_server_that_does_not_answer(run: Run) -> None:
    status, _, err = run("models", "--url", f"http://127.0.0.1:{free_port()}")
    assert status == 1
    assert err.startswith("voicegw: no answer from http://127.0.0.1:")


def test_a_server_that_refuses(run: Run, server: RunningServer) -> None:
    status, _, err = run("models", "--url", f"{server.url}/elsewhere")
    assert (status, err) == (1, "voicegw: There is nothing at this path. (HTTP 404)\n")
