"""The decoder of uploads, with uploads that take it over: what they say is done in the middle of decoding."""

from __future__ import annotations

import ctypes
import importlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import numpy as np

from voicegw.backend import DecodeEvent, DecodeOptions, InvalidRequest
from voicegw.decoder.backend import Decoder

_KEPT: Final[list[Any]] = []


def _spin() -> None:
    while True:
        pass


def _spin_and_hold_the_lock() -> None:
    """Backtrack for years inside one call of C, which never lets another thread of Python run."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def _sleep() -> None:
    time.sleep(1e6)


def _sleep_and_hold_the_lock() -> None:
    ctypes.PyDLL(None).sleep(1_000_000)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _eat() -> None:
    """Take memory until there is none, and use it."""
    eaten = []
    while True:
        eaten.append(np.ones(2**20, np.float64))


def _keep() -> None:
    """Lose some memory, as a leak does."""
    _KEPT.append(np.ones(2**20, np.float64))


def _break_out() -> None:
    """Try to open everything that can be opened; what worked is told."""
    tries: dict[str, Callable[[], object]] = {
        "a file": lambda: Path(__file__).open(),  # noqa: SIM115 - it must not open at all
        "a file by the system's call": lambda: os.open("/dev/null", os.O_RDONLY),
        "a folder": lambda: list(Path("/").iterdir()),
        "a file to write": lambda: os.open("/tmp/voicegw-was-here", os.O_CREAT | os.O_WRONLY),  # noqa: S108
        "a socket": socket.socket,
        "a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "a pair": socket.socketpair,
        "a pipe": os.pipe,
        "a copy": lambda: os.dup(2),
        "a program": lambda: subprocess.run([sys.executable, "-V"], check=True),
        "a module": lambda: importlib.import_module("this"),
        "memory as a file": lambda: os.memfd_create("x") if sys.platform == "linux" else os.pipe(),
        "more descriptors": lambda: __import__("resource").setrlimit(7, (10, 10)),
    }
    worked = []
    for name, act in tries.items():
        try:
            act()
        except (OSError, ValueError, ImportError):
            continue
        worked.append(name)
    raise InvalidRequest(f"opened: {', '.join(worked) or 'nothing'}", param="file")


def _raise() -> None:
    raise RuntimeError("secret words inside")


_ACTS: Final[dict[bytes, Callable[[], None]]] = {
    b"spin": _spin,
    b"spin and hold the lock": _spin_and_hold_the_lock,
    b"sleep": _sleep,
    b"sleep and hold the lock": _sleep_and_hold_the_lock,
    b"crash": _crash,
    b"abort": os.abort,
    b"exit": lambda: os._exit(3),
    b"eat": _eat,
    b"keep": _keep,
    b"break out": _break_out,
    b"raise": _raise,
}


class Hostile(Decoder):
    """Does what an upload says that is one of these words, with what follows a line break decoded after it."""

    def _steps(self, upload: io.BytesIO, options: DecodeOptions) -> Generator[DecodeEvent | None, None, None]:
        word, _, rest = upload.getvalue().partition(b"\n")
        if word in _ACTS:
            yield None
            _ACTS[word]()
            upload = io.BytesIO(rest)
        yield from super()._steps(upload, options)
