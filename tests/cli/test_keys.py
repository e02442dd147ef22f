"""``voicegw keys``: what it prints lets a client in, and a key that is typed is never shown."""

from __future__ import annotations

import hashlib
import io
import os
import pty
import subprocess
import sys

import pytest
import yaml

from tests.cli.conftest import Run
from tests.support.server import program
from voicegw.settings import ApiKey


def test_a_new_key_and_its_entry(run: Run) -> None:
    status, out, _ = run("keys", "new", "--name", "anna")
    key, entry = out.splitlines()
    assert status == 0
    assert key.startswith("sk-voicegw-")
    assert len(key) > 50
    made = ApiKey.model_validate(yaml.safe_load(entry))
    assert (made.sha256, made.name) == (hashlib.sha256(key.encode()).hexdigest(), "anna")
    assert run("keys", "new")[1].splitlines()[0] != key


@pytest.mark.parametrize("typed", ["sk-something\n", "  sk-something  ", "sk-something\r\n"])
def test_the_hash_of_a_key(run: Run, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert run("keys", "hash") == (0, f"{hashlib.sha256(b'sk-something').hexdigest()}\n", "")


@pytest.mark.parametrize("typed", ["", "short", "two words here", "schlüssel-lang"])
def test_what_is_no_key(run: Run, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert run("keys", "hash") == (2, "", "voicegw: a key is 8 to 512 printable ASCII characters without spaces\n")


def test_a_key_that_is_typed_is_not_shown() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([program(), "keys", "hash"], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = os.read(ours, 4096)
        while b"Key: " not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"sk-something\n")
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert out.decode().strip() == hashlib.sha256(b"sk-something").hexdigest()
    assert b"something" not in shown
