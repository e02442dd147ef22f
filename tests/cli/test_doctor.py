"""``voicegw doctor`` on this machine: what it finds of the settings and the machine, and how it tells."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.cli.conftest import Run
from tests.support.server import RunningServer, free_port, program
from voicegw.cli.doctor import machine
from voicegw.cli.doctor.finding import Finding, examined, size

pytestmark = pytest.mark.usefixtures("tone_only")
ALWAYS = ["settings", "address", "model tone", "python", "audio", "memory", "sockets", "disk", "open files", "cards"]


@pytest.fixture(autouse=True)
def _free_port(tone_only: Path) -> None:
    configure(tone_only.parent)


def configure(folder: Path, models: str = "{id: tone, backend: tone}", server: str = "", more: str = "") -> int:
    """Write settings with a port that is free; give it."""
    port = free_port()
    text = f"models: [{models}]\nserver: {{port: {port}{server and ', '}{server}}}\n{more}\n"
    (folder / "voicegw.yaml").write_text(text, "utf-8")
    return port


def findings(run: Run, *arguments: object, well: bool = True) -> dict[str, dict[str, Any]]:
    """Run it, and give what it finds by the name of the check."""
    status, out, _ = run("doctor", "--json", *arguments)
    told = json.loads(out)
    assert (status, told["ok"]) == (0 if well else 1, well), out
    assert len({each["check"] for each in told["findings"]}) == len(told["findings"])
    return {each["check"]: each for each in told["findings"]}


def verdict(found: dict[str, dict[str, Any]], check: str) -> tuple[str, str, str]:
    return found[check]["verdict"], found[check]["found"], found[check]["advice"]


def test_all_is_well_as_a_program(folder: Path) -> None:
    done = subprocess.run([program(), "doctor"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert [line[9:22].strip() for line in lines] == ALWAYS
    assert {line[:9].strip() for line in lines} <= {"ok", "warning"}
    assert lines[0].endswith("voicegw.yaml")


def test_what_is_wrong_is_told_with_what_to_do(folder: Path) -> None:
    configure(folder, "{id: a, backend: nowhere}")
    done = subprocess.run([program(), "doctor"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if not line.startswith(("ok", "warning"))]
    assert line == (
        "problem  model a      its backend nowhere is not installed; "
        "make install BACKENDS=nowhere, or pip install voicegw-nowhere"
    )


def test_as_json(run: Run) -> None:
    found = findings(run)
    assert list(found) == ALWAYS
    assert set(found["python"]) == {"check", "verdict", "found", "advice"}
    assert verdict(found, "model tone") == ("ok", "tone 1: speech, 4 voices", "")


def test_settings_are_named_with_where_they_come_from(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_LOGGING__LEVEL", "error")
    assert verdict(findings(run), "settings") == ("ok", "voicegw.yaml and environment", "")
    other = (folder / "voicegw.yaml").rename(folder / "other.yaml")
    assert verdict(findings(run, "--config", other), "settings")[1] == f"{other} and environment"
    (folder / ".env").write_text(f"VOICEGW_SERVER__PORT={free_port()}\n")
    assert findings(run)["settings"]["found"] == "no file, the defaults and .env, environment"


def test_settings_that_cannot_be_used_leave_the_machine_to_be_looked_at(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("server: {prot: 1}\nmodels: []\n", "utf-8")
    found = findings(run, well=False)
    assert list(found) == ["settings", *ALWAYS[3:]]
    assert found["settings"]["verdict"] == "problem"
    assert "server.prot: unknown key; did you mean server.port? (voicegw.yaml)" in found["settings"]["found"]


def test_an_address_that_a_voicegw_has(run: Run, folder: Path, server: RunningServer) -> None:
    config = f"{{models: [{{id: tone, backend: tone}}], server: {{port: {server.port}}}}}"
    (folder / "voicegw.yaml").write_text(config, "utf-8")
    how, what, advice = verdict(findings(run), "address")
    assert (how, what) == ("warning", f"a voicegw that runs already answers at {server.url}")
    assert advice == f"look at it with: voicegw doctor --url {server.url}"


class Other(BaseHTTPRequestHandler):
    """A server of another kind."""

    server_version = "other/1"
    sys_version = ""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def other_server() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            yield other.server_port
        finally:
            other.shutdown()
            thread.join()


def test_an_address_that_another_has(run: Run, folder: Path) -> None:
    with other_server() as port:
        (folder / "voicegw.yaml").write_text(f"{{models: [{{id: tone, backend: tone}}], server: {{port: {port}}}}}")
        how, what, advice = verdict(findings(run, well=False), "address")
    assert (how, what) == ("problem", "other/1 answers there")
    assert advice.startswith(f"port {port} of 127.0.0.1 is in use; end what uses it")


def test_an_address_that_nobody_answers_at(run: Run, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (folder / "voicegw.yaml").write_text(f"{{models: [{{id: tone, backend: tone}}], server: {{port: {port}}}}}")
        how, what, _ = verdict(findings(run, well=False), "address")
    assert (how, what.partition(";")[0]) == ("problem", f"port {port} of 127.0.0.1 is in use")


def test_an_address_of_another_machine(run: Run, folder: Path) -> None:
    configure(folder, server="host: 192.0.2.1, api_keys: [" + "0a" * 32 + "]")
    found = findings(run, well=False)
    assert found["address"]["verdict"] == "problem"
    assert "cannot listen on 192.0.2.1" in found["address"]["found"]
    assert "keys" not in found


def test_a_server_for_everybody_is_warned_of(run: Run, folder: Path) -> None:
    configure(folder, server="host: 0.0.0.0")
    how, what, advice = verdict(findings(run), "keys")
    assert (how, what.partition(" ")[0]) == ("warning", "0.0.0.0")
    assert "voicegw keys new" in advice


def test_any_free_port(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("{models: [{id: tone, backend: tone}], server: {port: 0}}", "utf-8")
    assert verdict(findings(run), "address") == ("ok", "127.0.0.1, any free port", "")


def certified(folder: Path, days: float, *, begun: float = 400) -> None:
    """Write a certificate and its key that are valid for so many days from now, and name them in the settings."""
    now = datetime.now(UTC)
    made = trustme.CA().issue_cert(
        "localhost", not_before=now - timedelta(days=begun), not_after=now + timedelta(days=days)
    )
    made.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    made.private_key_pem.write_to_path(str(folder / "key.pem"))
    configure(folder, server="tls_cert: cert.pem, tls_key: key.pem")


def test_a_certificate(run: Run, folder: Path) -> None:
    certified(folder, 100.5)
    assert verdict(findings(run), "certificate") == ("ok", "cert.pem, for 100 more days", "")


def test_a_certificate_that_ends_soon(run: Run, folder: Path) -> None:
    certified(folder, 5.4)
    how, what, advice = verdict(findings(run), "certificate")
    assert (how, what) == ("warning", "cert.pem ends in 5 days")
    assert "get a new certificate" in advice


@pytest.mark.parametrize(
    ("days", "begun", "says"),
    [(-1, 400, "cert.pem: certificate has expired"), (10, -5, "cert.pem: certificate is not yet valid")],
)
def test_a_certificate_out_of_its_time(run: Run, folder: Path, days: float, begun: float, says: str) -> None:
    certified(folder, days, begun=begun)
    assert verdict(findings(run, well=False), "certificate")[:2] == ("problem", says)


def test_a_certificate_that_is_none(run: Run, folder: Path) -> None:
    certified(folder, 100)
    other = trustme.CA().issue_cert("localhost").private_key_pem.bytes()
    locked = folder / "locked.pem"
    command = ["openssl", "pkcs8", "-topk8", "-in", "key.pem", "-out", str(locked), "-passout", "pass:x"]
    unlocked = (folder / "key.pem").read_bytes()
    faults: list[tuple[bytes, str]] = [(other, "KEY_VALUES_MISMATCH"), (b"no PEM", "PEM"), (b"", "PEM")]
    if shutil.which("openssl"):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        faults.append((locked.read_bytes(), "the key has a password"))
    for key, says in faults:
        (folder / "key.pem").write_bytes(key)
        how, what, advice = verdict(findings(run, well=False), "certificate")
        assert how == "problem"
        assert what.startswith("cert.pem and key.pem cannot be used: ")
        assert says in what or says == "PEM"
        assert "PEM" in advice
    (folder / "key.pem").write_bytes(unlocked)
    (folder / "cert.pem").write_text("no PEM")
    assert findings(run, well=False)["certificate"]["verdict"] == "problem"


def test_the_lexicon(run: Run, folder: Path) -> None:
    (folder / "words.yaml").write_text("en: {a: b}", "utf-8")
    configure(folder, more="lexicon: words.yaml")
    assert verdict(findings(run), "lexicon") == ("ok", "words.yaml", "")
    (folder / "words.yaml").write_text("en: {a: {b: c}}", "utf-8")
    how, what, _ = verdict(findings(run, well=False), "lexicon")
    assert (how, what) == ("problem", "The lexicon words.yaml cannot be used: the entry 'en: a' has unknown keys: b.")


def test_models_that_cannot_be_had(run: Run, folder: Path) -> None:
    entries = ("{id: tone, backend: tone}", "{id: a, backend: nowhere}", "{id: b, backend: elsewhere, required: true}")
    configure(folder, ", ".join((*entries, "{id: c, backend: tone, parameters: {slots: -1}}")))
    found = findings(run, well=False)
    assert verdict(found, "model a")[:2] == ("warning", "its backend nowhere is not installed")
    assert verdict(found, "model b")[:2] == ("problem", "its backend elsewhere is not installed")
    how, what, advice = verdict(found, "model c")
    assert (how, "slots must be a whole number from 1 to 4096, not -1" in what) == ("problem", True)
    assert "parameters" in advice
    assert verdict(found, "model tone")[0] == "ok"


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), "utf-8")
    path.chmod(0o755)
    return path


def test_another_interpreter(run: Run, folder: Path) -> None:
    configure(folder, f"{{id: tone, backend: tone, python: {sys.executable}}}")
    assert verdict(findings(run), "model tone") == ("ok", "tone 1: speech, 4 voices", "")


def test_an_interpreter_without_the_backend(run: Run, folder: Path, bare_python: Path) -> None:
    configure(folder, f"{{id: tone, backend: tone, python: {bare_python}}}")
    how, what, advice = verdict(findings(run, well=False), "model tone")
    assert (how, what) == ("problem", f"{bare_python} has no backend tone")
    assert advice == f"{bare_python} -m pip install --no-deps voicegw-tone"


@pytest.mark.parametrize(
    ("lines", "says", "do"),
    [
        (["echo 3.9.18"], "is Python 3.9.18", "name a Python of 3.11 or later"),
        (["echo 3.12.1; echo numpy,msgpack; echo True"], "lacks numpy,msgpack", "-m pip install numpy msgpack"),
        (["echo no such thing >&2; exit 3"], "is no Python: no such thing", "name a Python"),
        (["exit 0"], "is no Python: it says nothing", "name a Python"),
    ],
)
def test_an_interpreter_that_will_not_do(run: Run, folder: Path, lines: list[str], says: str, do: str) -> None:
    python = script(folder / "python", *lines)
    configure(folder, f"{{id: tone, backend: tone, python: {python}}}")
    how, what, advice = verdict(findings(run, well=False), "model tone")
    assert (how, what) == ("problem", f"{python} {says}")
    assert do in advice


def test_an_interpreter_that_cannot_be_run(run: Run, folder: Path) -> None:
    (folder / "python").touch()
    configure(folder, f"{{id: tone, backend: tone, python: {folder / 'python'}}}")
    assert "cannot be run: Permission denied" in findings(run, well=False)["model tone"]["found"]


def test_the_versions_of_python_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = (".".join(map(str, each)) for each in machine.PYTHONS)
    wanted = set(metadata.metadata("voicegw")["Requires-Python"].split(","))
    assert wanted == {f">={low}", f"<{high}"}
    (fits,) = machine.python(None)
    assert fits.verdict == "ok"
    monkeypatch.setattr(machine, "PYTHONS", ((3, 5), (3, 6)))
    (old,) = machine.python(None)
    assert (old.verdict, old.advice) == ("problem", "use Python 3.5 or later, before 3.6")


def test_libraries_that_do_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "mp3, opus, aac, flac, wav, pcm" in next(iter(machine.libraries(None))).found

    def broken(_rate: int, target: Any) -> Any:
        if target.name == "mp3":
            raise ValueError("no libmp3lame")
        return Silent()

    class Silent:
        def push(self, _: object) -> bytes:
            return b""

        def finish(self) -> bytes:
            return b""

    monkeypatch.setattr("voicegw.audio.pipeline.AudioPipeline", broken)
    told = list(machine.libraries(None))
    assert len(told) == 6
    assert {each.verdict for each in told} == {"problem"}
    assert told[0].found.startswith("mp3 cannot be made by PyAV ")
    assert told[0].found.endswith("no libmp3lame")
    assert told[1].found.endswith("nothing comes out")


@pytest.mark.parametrize(
    ("free", "limit", "told"),
    [
        (4 * 2**20, None, ("ok", "4.0 GiB free")),
        (4 * 2**20, "max", ("ok", "4.0 GiB free")),
        (4 * 2**20, str(300 * 2**20), ("warning", "50 MiB free, about 260 MiB needed")),
        (100 * 2**10, None, ("warning", "100 MiB free, about 260 MiB needed")),
        (None, None, ("ok", "cannot be told here; about 260 MiB are needed, and the models' own")),
    ],
)
def test_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free: int | None, limit: str | None, told: tuple[str, str]
) -> None:
    """What is free is told in KiB, and a container's limit in bytes."""
    monkeypatch.setattr(machine, "_MEMORY", folder / "meminfo")
    monkeypatch.setattr(machine, "_GROUP", folder)
    if free is not None:
        (folder / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {free} kB\n")
    if limit is not None:
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{250 * 2**20}\n")
    (found,) = machine.memory(None)
    assert (found.verdict, found.found) == told


def test_sockets_where_the_path_is_too_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = folder / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    told, disk = machine.temporary(None)
    assert (told.verdict, told.found) == ("warning", f"the path {long} is too long, /tmp is used")
    assert disk.found.endswith(f"free in {long}")
    assert list(long.iterdir()) == []


def test_sockets_where_nothing_can_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "none"))
    (told,) = machine.temporary(None)
    assert (told.verdict, told.found) == (
        "problem",
        f"none can be made in {folder / 'none'}: No such file or directory",
    )
    assert "TMPDIR" in told.advice


def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    _, disk = machine.temporary(None)
    assert (disk.verdict, disk.found) == ("warning", f"5 MiB free in {tempfile.gettempdir()}")


def test_too_few_files_for_what_the_models_take(folder: Path) -> None:
    """A tone model has 64 slots, before each of which four more may wait."""
    line = f"ulimit -n 300; exec {program()} doctor"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    (told,) = [each for each in done.stdout.splitlines() if " open files " in each]
    found = "warning  open files   300 may be open, 420 are when 320 requests run and wait; "
    assert (done.returncode, told.partition("have")[0]) == (0, found)
    assert told.endswith("LimitNOFILE=420 in a systemd unit")


@pytest.mark.parametrize(
    ("limits", "verdict", "says"),
    [
        ((1024, 4096), "ok", "1024 may be open; the models take 0 requests at a time"),
        ((resource.RLIM_INFINITY,) * 2, "ok", "inf may be open; the models take 0 requests at a time"),
        ((50, resource.RLIM_INFINITY), "warning", "ulimit -n 100"),
        ((50, 60), "warning", "have the hard limit of 60 raised"),
    ],
)
def test_files(monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], verdict: str, says: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    (told,) = machine.files(None)
    assert told.verdict == verdict
    assert says in (told.found if verdict == "ok" else told.advice)


def test_cards(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    script(folder / "nvidia-smi", "echo NVIDIA H100; echo NVIDIA A10")
    assert verdict(findings(run), "cards") == ("ok", "NVIDIA H100, NVIDIA A10", "")
    configure(folder, "{id: tone, backend: tone, devices: ['cuda:1']}")
    assert verdict(findings(run), "cards") == ("ok", "NVIDIA H100, NVIDIA A10", "")
    configure(folder, "{id: tone, backend: tone, devices: ['cuda', 'cuda:2', cpu]}")
    how, what, advice = verdict(findings(run, well=False), "cards")
    assert (how, what) == ("problem", "cuda:2 asked for: NVIDIA H100, NVIDIA A10")
    assert "models[].devices" in advice


def test_cards_without_their_tool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CARDS", folder / "gpus")
    script(folder / "nvidia-smi", "exit 9")
    monkeypatch.setenv("PATH", str(folder))
    assert [each.found for each in machine.cards(None)] == ["no NVIDIA card is seen, and none is asked for"]
    (folder / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (folder / "gpus" / "0000:01:00.0" / "information").write_text("Model: \t NVIDIA T4\nIRQ: 1\n")
    assert [each.found for each in machine.cards(None)] == ["NVIDIA T4"]


def test_a_check_that_fails_is_a_problem_and_the_others_go_on() -> None:
    def broken(_: object) -> Iterator[Finding]:
        yield Finding("a", "ok", "begun")
        raise KeyError("x")

    def sound(_: object) -> Iterator[Finding]:
        yield Finding("b", "ok", "fine")

    told = list(examined((("a", broken), ("b", sound)), None))
    assert [(each.check, each.verdict) for each in told] == [("a", "ok"), ("a", "problem"), ("b", "ok")]
    assert told[1].found == "could not be looked at: KeyError: 'x'"


@pytest.mark.parametrize(("nbytes", "text"), [(0, "0 MiB"), (5 * 2**20, "5 MiB"), (1.5 * 2**30, "1.5 GiB")])
def test_sizes(nbytes: float, text: str) -> None:
    assert size(nbytes) == text
