"""Asks servers one after the other how they are, from a process that does nothing else, and tells how long each took.

python -m benchmarks.probe EVERY_MS URL...
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

EVERY_MS = 5.0


@dataclass(slots=True)
class Probed:
    """What was seen, in milliseconds; filled when the probing is over.

    Attributes:
        took: For every URL, how long each answer took.
        late: By how much the probe itself was late: no server has a part in that.
    """

    took: dict[str, list[float]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)


@contextmanager
def probing(*urls: str, every_ms: float = EVERY_MS) -> Iterator[Probed]:
    """Probe while the block runs."""
    command = [sys.executable, "-m", "benchmarks.probe", str(every_ms), *urls]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        probed = Probed()
        try:
            yield probed
        finally:
            told, _ = process.communicate()
        found = json.loads(told)
        probed.took, probed.late = found["took"], found["late"]


class _Asker:
    """One connection to one server, for one question."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._question = f"GET {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\n\r\n".encode()
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> float:
        """Give the milliseconds until the whole of a small answer was there."""
        began = time.perf_counter()
        self._socket.sendall(self._question)
        answer = b""
        while not _whole(answer):
            answer += self._socket.recv(65536)
        return 1000 * (time.perf_counter() - began)


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(length) and len(body) >= int(length)


def _wait_for_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def main() -> None:
    """Ask until standard input ends."""
    every_s, urls = float(sys.argv[1]) / 1000, sys.argv[2:]
    over = threading.Event()
    threading.Thread(target=_wait_for_end, args=(over,), daemon=True).start()
    askers = {url: _Asker(url) for url in urls}
    found = Probed({url: [] for url in urls})
    due = time.perf_counter()
    while not over.is_set():
        due = max(due + every_s, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
        found.late.append(1000 * (time.perf_counter() - due))
        for url, asker in askers.items():
            found.took[url].append(asker.ask())
    sys.stdout.write(json.dumps({"took": found.took, "late": found.late}))


if __name__ == "__main__":
    main()
