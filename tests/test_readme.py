"""What the README shows works as it stands: commands, client code, configuration, tables, the backend."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import httpx
import pytest
import yaml
from pydantic import BaseModel

from tests.support import curl
from tests.support.environments import ROOT, pip
from tests.support.server import RunningServer, program, running_server
from voicegw.settings import ApiKey, Defaults, Limits, Logging, Model, Server, Settings, Tracing
from voicegw.text.lexicon import Lexicon

TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = [body for kind, body in BLOCKS if kind == "bash"]
CLIENTS = [body for kind, body in BLOCKS if kind == "python" and not body.startswith("#")]
CURLS = ["stand-in", *(["installed"] if shutil.which("curl") else [])]


def named(name: str) -> str:
    """Give the block that begins with a comment that names a file."""
    (body,) = [body for _, body in BLOCKS if body.startswith(f"# {name}\n")]
    return str(body)


def seconds(path: Path) -> float:
    """Decode a file and give how long it lasts."""
    with av.open(io.BytesIO(path.read_bytes()), "r") as container:
        return float(sum(frame.samples / frame.sample_rate for frame in container.decode(container.streams.audio[0])))


def table(heading: str) -> list[list[str]]:
    """Give the cells of the table whose first column is headed so, without its head."""
    lines = TEXT.split(f"| {heading} |", 1)[1].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_there_is_something_to_run() -> None:
    assert COMMANDS
    assert CLIENTS


@pytest.mark.parametrize("which", CURLS)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, which: str, server: RunningServer, tmp_path: Path) -> None:
    if which == "stand-in":
        (tmp_path / "curl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "{curl.__file__}" "$@"\n')
        (tmp_path / "curl").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = command.replace("http://127.0.0.1:8000", server.url)
    assert script != command
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert seconds(tmp_path / "hello.mp3") > 1


@pytest.mark.parametrize("code", CLIENTS)
def test_client_code_runs(code: str, server: RunningServer, tmp_path: Path) -> None:
    script = code.replace("http://127.0.0.1:8000", server.url)
    assert script != code
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert seconds(tmp_path / "streamed.mp3") > 1


def test_the_command_that_speaks_without_a_server(tmp_path: Path) -> None:
    (line,) = re.findall(r"`\.venv/bin/(voicegw say [^`]*)`", TEXT)
    done = subprocess.run(
        ["sh", "-c", line.replace("voicegw", str(program()), 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert seconds(tmp_path / "hello.mp3") > 0.3


def test_every_command_that_is_named_exists() -> None:
    for words in sorted(set(re.findall(r"`(?:\.venv/bin/)?voicegw((?: [a-z]+)+)", TEXT))):
        done = subprocess.run([program(), *words.split(), "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"Usage: voicegw{words.removesuffix(' hum')} " in done.stdout


def test_the_configuration_is_valid() -> None:
    words, keys, shown = [yaml.safe_load(body) for kind, body in BLOCKS if kind == "yaml"]
    assert [match.entry.say for match in Lexicon.of(words).find("nginx", language="en")] == ["engine x"]
    assert Settings(**keys).server.api_keys[0].concurrent == 4
    assert Settings(**shown).models[1].parameters == {"first_audio_ms": 200, "slots": 2}


def test_the_table_of_keys_is_complete() -> None:
    parts: dict[str, type[BaseModel]] = {
        "server": Server,
        "server.api_keys[]": ApiKey,
        "models[]": Model,
        "defaults": Defaults,
        "limits": Limits,
        "logging": Logging,
        "tracing": Tracing,
    }
    keys = {f"{part}.{name}" for part, model in parts.items() for name in model.model_fields}
    known = {part.partition(".")[0].removesuffix("[]") for part in parts}
    top = {name for name in Settings.model_fields if name not in known}
    assert {row[0].strip("`") for row in table("key")} == keys | top


def test_the_table_of_metrics_is_complete(server: RunningServer) -> None:
    shown = {f"voicegw_{name}" for row in table("`voicegw_...`") for name in re.findall(r"`(\w+)`", row[0])}
    told = httpx.get(f"{server.url}/metrics").text
    names = re.findall(r"^# TYPE (voicegw_\w+) ", told, re.MULTILINE)
    assert shown == {name for name in names if not name.endswith("_created")}


UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "h": 3600, "min": 60, "s": 1}


def test_the_table_of_keys_names_the_defaults() -> None:
    fields = {
        "server": Server(),
        "defaults": Defaults(),
        "limits": Limits(),
        "logging": Logging(),
        "tracing": Tracing(),
    }
    for key, shown, _ in table("key"):
        part, _, name = key.strip("`").partition(".")
        if part not in fields or "[]" in name:
            continue
        number, _, unit = shown.partition(" ")
        told = (
            float(number) * UNITS[unit]
            if unit
            else {"none": None, "[]": "()", "true": "True", "false": "False"}.get(shown, shown)
        )
        value = getattr(fields[part], name)
        assert (value if isinstance(told, float | None) else str(value)) == told, key


def test_the_table_of_errors_is_true(server: RunningServer) -> None:
    codes = {row[2].split("`")[1]: int(row[1]) for row in table("what happened") if row[1].isdigit()}
    import voicegw.errors

    kinds = [kind for kind in vars(voicegw.errors).values() if isinstance(kind, type)]
    known = {kind.default_code: kind.status for kind in kinds if issubclass(kind, voicegw.errors.VoicegwError)}
    assert codes.pop("model_not_found") == voicegw.errors.NotFound.status
    assert codes.pop("invalid_file_format") == voicegw.errors.InvalidRequest.status
    assert codes.pop("rate_limit_exceeded") == voicegw.errors.Overloaded.status
    assert codes.items() <= known.items()
    missing = httpx.post(f"{server.url}/v1/audio/speech", json={"model": "no", "input": "a", "voice": "alloy"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_the_formats_have_the_content_types_that_are_shown(server: RunningServer) -> None:
    for name, content_type, _ in table("`response_format`"):
        body = {"model": "tone", "input": "one", "voice": "alloy", "response_format": name.split("`")[1]}
        answer = httpx.post(f"{server.url}/v1/audio/speech", json=body)
        assert answer.status_code == httpx.codes.OK, answer.text
        assert answer.headers["content-type"] == content_type.strip("`")


@pytest.mark.timeout(300)  # all conformance checks run, each on a fresh adapter
def test_the_backend_is_complete(tmp_path: Path) -> None:
    module, site = named("voicegw_hum.py"), tmp_path / "site"
    assert len(module.splitlines()) < 40
    (tmp_path / "hum").mkdir()
    (tmp_path / "hum" / "voicegw_hum.py").write_text(module)
    (tmp_path / "hum" / "pyproject.toml").write_text(named("pyproject.toml"))
    pip("install", "--no-deps", "--target", site, tmp_path / "hum")
    env = {"PYTHONPATH": str(site)}
    checked = subprocess.run(
        [program(), "backends", "check", "hum"],
        cwd=tmp_path,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with running_server(tmp_path, config="models: [{id: hum, backend: hum}]\n", env=env) as server:
        body = {"model": "hum", "input": "la la la la", "voice": "high", "response_format": "pcm"}
        answer = httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=60)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert len(answer.content) == 2 * 24_000
