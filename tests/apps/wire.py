"""Requests as an application puts them on the wire: these header lines, this body, nothing added but the host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

WAIT_S = 30.0
"""Guards against an answer that never comes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole; ``headers`` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without its parameters, as most applications compare it."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Give the body parsed."""
        return json.loads(self.body)


def ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """Make one request; IncompleteRead where the answer breaks off."""
    asked = urlsplit(url)
    connection = HTTPConnection(str(asked.hostname), asked.port, timeout=WAIT_S)
    try:
        target = asked.path + (f"?{asked.query}" if asked.query else "")
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        got = connection.getresponse()
        return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
    finally:
        connection.close()


def from_javascript(body: Mapping[str, object]) -> bytes:
    """Write JSON as ``JSON.stringify`` does."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def from_python(body: Mapping[str, object]) -> bytes:
    """Write JSON as aiohttp and requests do."""
    return json.dumps(body).encode()
