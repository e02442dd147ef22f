"""A whole server under clients that stall: in heads, in bodies, in reading, by their number; and how it ends then."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.gateway import wait_until
from tests.support.raw import HEALTH, PATIENCE_S, exchange, head, parsed, post, until_closed
from tests.support.server import RunningServer, program, running_server

TONE = {"models": [{"id": "tone", "backend": "tone"}]}
HASTY = {"headers_s": 2.0, "body_idle_s": 2.0, "body_bytes_per_s": 10_000, "write_idle_s": 0.5}
SPEECH = {"model": "tone", "input": "one two", "response_format": "pcm"}


def settings(**limits: float) -> str:
    return json.dumps({**TONE, "limits": limits})


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("hasty"), config=settings(**HASTY)) as running:
        yield running


def connected(stack: ExitStack, port: int, data: bytes) -> socket.socket:
    """Connect until the stack is left, and send."""
    made = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
    made.sendall(data)
    return made


def served(port: int) -> list[int]:
    """Give the statuses of health and of speech, both asked on one connection, in one piece."""
    return [answer.status for answer in exchange(port, HEALTH + post(SPEECH, "Connection: close"))]


def whole(connection: socket.socket) -> None:
    """Read the whole answer to ``HEALTH``; AssertionError where it is another."""
    data = b""
    while not data.endswith(b'{"status":"live"}'):
        part = connection.recv(2**16)
        assert part, data
        data += part
    assert data.startswith(b"HTTP/1.1 200")


def live_requests(server: RunningServer) -> int:
    return int(httpx.get(f"{server.url}/health/ready", timeout=PATIENCE_S).json()["live_requests"])


def trickle(connection: socket.socket, until: threading.Event) -> None:
    """Send a byte now and then."""
    with suppress(OSError):
        while not until.wait(0.02):
            connection.sendall(b" ")


def test_heads_and_bodies_that_stall_end_while_others_are_served(hasty: RunningServer) -> None:
    done = threading.Event()
    with ExitStack() as stack:
        heads = [connected(stack, hasty.port, head()[: number % 40]) for number in range(100)]
        bodies = [connected(stack, hasty.port, head("Content-Length: 100000")) for _ in range(20)]
        threads = [threading.Thread(target=trickle, args=(each, done)) for each in bodies]
        for thread in threads:
            thread.start()
        assert served(hasty.port) == [200, 200]
        answers = [[answer.status for answer in parsed(until_closed(each))] for each in heads]
        assert answers == [[408] if number % 40 else [] for number in range(100)]
        for each in bodies:
            assert [answer.status for answer in parsed(until_closed(each))] == [408]
        done.set()
        for thread in threads:
            thread.join()
    assert served(hasty.port) == [200, 200]


def test_a_listener_that_does_not_read_holds_nothing(hasty: RunningServer) -> None:
    long = {**SPEECH, "input": "one two three four five six seven. " * 2000}
    with ExitStack() as stack:
        for _ in range(3):
            connected(stack, hasty.port, post(long))
        wait_until(lambda: live_requests(hasty) == 3, "speaking")
        wait_until(lambda: live_requests(hasty) == 0, "the end of it")
    assert served(hasty.port) == [200, 200]


def test_clients_of_http_1_0_hear_speech(server: RunningServer) -> None:
    (answer,) = exchange(server.port, post({**SPEECH, "response_format": "mp3"}, version="1.0"))
    assert (answer.status, "transfer-encoding" in answer.headers) == (200, False)
    assert answer.body.startswith(b"\xff\xf3")


def ended(server: RunningServer) -> int:
    """Ask a server to end, once, and give its exit status; there would be an hour to finish in."""
    server.process.send_signal(signal.SIGTERM)
    return server.process.wait(PATIENCE_S)


@pytest.mark.parametrize("stalled", [b"", head()[:20], HEALTH], ids=["nothing", "half a head", "idle"])
def test_the_end_does_not_wait_for_who_has_asked_nothing(tmp_path: Path, stalled: bytes) -> None:
    with ExitStack() as stack, running_server(tmp_path, config=settings(drain_s=3600)) as server:
        waiting = connected(stack, server.port, stalled)
        assert served(server.port) == [200, 200]
        assert ended(server) == 0
        assert [answer.status for answer in parsed(until_closed(waiting))] in ([], [200])


def test_the_end_does_not_wait_for_a_body(tmp_path: Path) -> None:
    with ExitStack() as stack, running_server(tmp_path, config=settings(drain_s=3600)) as server:
        waiting = connected(stack, server.port, head("Content-Length: 100"))
        wait_until(lambda: live_requests(server) == 1, "the request")
        assert ended(server) == 0
        (answer,) = parsed(until_closed(waiting))
        assert (answer.status, answer.error["code"]) == (503, "shutting_down")
        assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("5", "true")


def few_files(tmp_path: Path) -> list[str | Path]:
    """Give a program that serves with room for 64 open files."""
    script = tmp_path / "few-files"
    script.write_text(f'#!/bin/sh\nulimit -n 64\nexec "{program()}" "$@"\n', "utf-8")
    script.chmod(0o755)
    return [script]


def workers(server: RunningServer) -> list[psutil.Process]:
    """Give the workers of models; those that decode uploads are none."""
    children = psutil.Process(server.process.pid).children()
    return [each for each in children if each.cmdline()[-1:] != ["decode"]]


def test_with_few_files_a_flood_costs_neither_service_nor_workers(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server(tmp_path, config=settings(), command=few_files(tmp_path)))
        assert '"few open files"' in server.log.read_text("utf-8")
        for _ in range(200):
            connected(stack, server.port, b"")
        assert served(server.port) == [200, 200]
        (worker,) = workers(server)
        worker.kill()
        for _ in range(100):
            connected(stack, server.port, b"")
        assert served(server.port) == [200, 200]
        assert [each.pid for each in workers(server)] != [worker.pid]


def test_when_files_run_out_all_the_same_those_that_are_there_are_served(tmp_path: Path) -> None:
    with ExitStack() as stack, running_server(tmp_path, config=settings()) as server:
        there = connected(stack, server.port, HEALTH)
        whole(there)
        process = psutil.Process(server.process.pid)
        soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 2, hard))
        for _ in range(20):
            connected(stack, server.port, b"")
        there.sendall(HEALTH)
        whole(there)
        process.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
        assert served(server.port) == [200, 200]
        assert '"out of files"' in server.log.read_text("utf-8")
