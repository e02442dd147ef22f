"""Uploads byte by byte, and what the listening models of the tests tell of them."""

from __future__ import annotations

import io
import socket
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.adapters.voicegw_ears import told
from tests.support.gateway import WAIT_S, Gateway
from voicegw.settings import Model

ADAPTERS = Path(__file__).parent / "adapters"
PATH = "/v1/audio/transcriptions"
RATE = 16_000
HEADER = 44
"""Bytes before the samples of a WAV file."""
BOUNDARY = "X-boundary-X"


def wav(pcm: bytes) -> bytes:
    """Give a file that holds these samples: 16 bit, mono, at 16 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as made:
        made.setparams((1, 2, RATE, 0, "NONE", ""))
        made.writeframes(pcm)
    return buffer.getvalue()


def sound(seconds: float, seed: int = 1) -> bytes:
    """Give a WAV file that holds noise."""
    noise = np.random.default_rng(seed).integers(-8000, 8000, round(RATE * seconds), endpoint=True)
    return wav(noise.astype("<i2").tobytes())


def heard(audio: bytes, start_s: float = 0.0, end_s: float | None = None) -> str:
    """Give the text of one segment that holds this part of a WAV file."""
    pcm = np.frombuffer(audio[HEADER:], "<i2")
    part = pcm[round(RATE * start_s) : None if end_s is None else round(RATE * end_s)]
    return told(part.astype(np.float32) / np.float32(32768)).strip()


def part(name: str, value: bytes | str, *headers: str, disposition: str = "") -> bytes:
    """Give one part of a form, its end included."""
    lines = [f'Content-Disposition: form-data; name="{name}"{disposition}', *headers, "", ""]
    data = value if isinstance(value, bytes) else value.encode()
    return f"--{BOUNDARY}\r\n".encode() + "\r\n".join(lines).encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    """Give a whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def file(audio: bytes, disposition: str = '; filename="a.wav"') -> bytes:
    """Give the part that is the file."""
    return part("file", audio, "Content-Type: audio/wav", disposition=disposition)


HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@contextmanager
def sending(gateway: Gateway, *headers: str, path: str = PATH) -> Iterator[socket.socket]:
    """Open a connection and send the head of a request; the connection ends with the block."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S) as connection:
        connection.sendall("\r\n".join(lines).encode())
        yield connection


def chunk(data: bytes) -> bytes:
    """Give a piece of a body whose length is not announced."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer(connection: socket.socket) -> bytes:
    """Read to the end of the connection."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


def listening_models(**more: Mapping[str, Any]) -> tuple[Model, ...]:
    """Give a recogniser, and others by their configuration."""
    kinds: dict[str, Mapping[str, Any]] = {"ears": {"faults": True}, **more}
    return tuple(Model(id=name, backend="ears", required=True, parameters=dict(each)) for name, each in kinds.items())


@contextmanager
def ears_installed() -> Iterator[None]:
    """Have the listening backend of the tests installed, here and for every process that is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ADAPTERS))
        patch.setenv("PYTHONPATH", str(ADAPTERS))
        yield
