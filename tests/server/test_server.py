"""The server process: where it listens, what it says when it cannot, and TLS."""

from __future__ import annotations

import shlex
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support.server import free_port, program, running_server
from voicegw.cli.serve import first_model
from voicegw.server import CannotListen, bind, url_of
from voicegw.settings import Defaults, Model, Server, Settings

TONE = "models: [{id: tone, backend: tone}]\n"


def test_a_free_port_is_taken() -> None:
    (made,) = bind("127.0.0.1", 0)
    with made, socket.create_connection(made.getsockname(), timeout=5):
        assert made.getsockname()[1] > 0


def test_a_name_with_several_addresses_gets_one_port() -> None:
    sockets = bind("localhost", 0)
    try:
        assert len({made.getsockname()[1] for made in sockets}) == 1
    finally:
        for made in sockets:
            made.close()


def test_a_port_in_use_is_told() -> None:
    (made,) = bind("127.0.0.1", 0)
    port = made.getsockname()[1]
    with made, pytest.raises(CannotListen, match=f"port {port} of 127.0.0.1 is in use; .*--port 0"):
        bind("127.0.0.1", port)


def test_an_address_of_somebody_else_is_told() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on 192\.0\.2\.1 port 0: "):
        bind("192.0.2.1", 0)  # reserved for documentation


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1"),
        ("0.0.0.0", "http://127.0.0.1"),
        ("::", "http://[::1]"),
        ("::1", "http://[::1]"),
        ("localhost", "http://localhost"),
    ],
)
def test_the_url_that_reaches_it(host: str, url: str) -> None:
    assert url_of(Server(host=host), 8123) == f"{url}:8123"


def test_it_tells_where_it_listens_and_how_to_ask(tmp_path: Path) -> None:
    with running_server(tmp_path, config=TONE) as server:
        told = server.log.read_text("utf-8")
    assert f"listens on {server.url}; try:\ncurl -s {server.url}/v1/audio/speech " in told


def test_port_0_finds_a_free_port(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(TONE, "utf-8")
    command = [str(program()), "serve", "--port", "0", "--config", "my.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        url = run.stdout.readline().split("listens on ")[1].split(";")[0]
        try:
            assert httpx.get(f"{url}/health/live", trust_env=False).status_code == 200
        finally:
            run.terminate()
        assert run.wait(30) == 0


def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "my.yaml").write_text(f"server: {{port: 0, tls_cert: both.pem, tls_key: both.pem}}\n{TONE}", "utf-8")
    command = [str(program()), "serve", "--config", "my.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        url = run.stdout.readline().split("listens on ")[1].split(";")[0]
        try:
            assert url.startswith("https://127.0.0.1:")
            context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            assert httpx.get(f"{url}/health/live", verify=context, trust_env=False).status_code == 200
            assert " -k https://" in run.stdout.readline()
        finally:
            run.terminate()
        assert run.wait(30) == 0


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    (made,) = bind("127.0.0.1", 0)
    with made:
        command = [str(program()), "serve", "--host", "127.0.0.1", "--port", str(made.getsockname()[1])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("voicegw: port ")


@pytest.mark.parametrize("content", ["", "no PEM at all"])
def test_a_certificate_that_is_none_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.pem").write_text(content, "utf-8")
    (tmp_path / "my.yaml").write_text("server: {port: 0, tls_cert: x.pem, tls_key: x.pem}\n", "utf-8")
    done = subprocess.run(
        [program(), "serve", "--config", "my.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("voicegw: server.tls_cert and server.tls_key cannot be used: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-"])
def test_closed_standard_streams_are_no_reason_to_fail(tmp_path: Path, closed: str) -> None:
    config = tmp_path / "voicegw.yaml"
    config.write_text(TONE)
    port = free_port()
    words = [str(program()), "serve", "--port", str(port), "--config", str(config)]
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {shlex.join(words)} {closed}"], stdout=subprocess.DEVNULL
    ) as process:
        try:
            answer = spoken(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
        assert answer.content
        assert process.wait(20) == 0


def test_a_reader_of_the_log_may_go(tmp_path: Path) -> None:
    config = tmp_path / "voicegw.yaml"
    config.write_text(TONE)
    port = free_port()
    words = [str(program()), "serve", "--port", str(port), "--config", str(config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert [bool(spoken(f"http://127.0.0.1:{port}").content) for _ in range(3)] == [True] * 3
        finally:
            process.terminate()
        assert process.wait(20) == 0


def test_a_long_path_for_temporary_files_is_not_used_for_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with running_server(tmp_path, config=TONE, env={"TMPDIR": str(deep)}) as server:
        assert spoken(server.url).content
        assert not list(deep.iterdir())


def test_the_command_to_paste_names_a_model_that_is_there() -> None:
    absent, tone = Model(id="far", backend="no-such-backend"), Model(id="tone", backend="tone")
    assert first_model(Settings(models=(absent, tone), defaults=Defaults(speech="far", clone=None))) == "tone"
    assert first_model(Settings(models=(absent,), defaults=Defaults(speech="far", clone=None))) == "far"
    assert first_model(Settings(models=(absent, tone), defaults=Defaults(speech="tone", clone=None))) == "tone"


def spoken(url: str) -> httpx.Response:
    """Speak one word, once the server is there."""
    body = {"model": "tone", "input": "one", "response_format": "pcm"}
    for _ in range(400):
        try:
            answer = httpx.post(f"{url}/v1/audio/speech", json=body, timeout=20)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return answer.raise_for_status()
    raise AssertionError("the server did not come up")
