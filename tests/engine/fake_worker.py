"""Stands where an interpreter should be, ``fake_worker.py MODE``: a worker process that goes wrong in one given way."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import time
from typing import Any

import msgpack


def frame(*parts: Any) -> bytes:
    """Give a frame."""
    body: bytes = msgpack.packb(parts)
    return struct.pack(">I", len(body)) + body


def say(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(mode: str) -> None:
    """Go wrong in one way: before listening, before greeting, or after it."""
    config = json.loads(sys.stdin.readline())
    if mode == "ends":
        sys.exit(4)
    if mode == "never listens":
        time.sleep(1000)
    if mode == "says something else":
        say("hello")
        time.sleep(1000)
    if mode == "talks without end":
        say("x" * 200_000)
    if mode == "lies":
        say("listening")
        time.sleep(1000)
    server = socket.socket(socket.AF_UNIX)
    server.bind(config["address"].removeprefix("unix://"))
    server.listen()
    say("listening")
    connection, _ = server.accept()
    hello = {"protocol": 1, "info": {"kind": "speech", "sample_rate": 24000}, "state": "ready"}
    if mode == "is killed before it greets":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "speaks another protocol":
        connection.sendall(frame("hello", {**hello, "protocol": 99}))
    if mode == "talks garbage":
        connection.sendall(frame("hello", hello))
        connection.recv(1)
        connection.sendall(b"\xff" * 100)
    time.sleep(1000)  # "never greets", and whatever is said above


if __name__ == "__main__":
    main(sys.argv[-1])
