"""The program called in this process: fast, and seen from the inside."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from tests.support.server import program
from voicegw.cli import main

Run = Callable[..., tuple[int, str, str]]
"""Takes the program's arguments; gives its exit status, standard output and standard error."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without variables of ours."""
    for name in [name for name in os.environ if name.upper().startswith("VOICEGW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    handlers, level, filters = root.handlers[:], root.level, uvicorn.filters[:]
    yield
    root.handlers[:], uvicorn.filters[:] = handlers, filters
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``voicegw`` with arguments, to its exit."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


@pytest.fixture
def tone_only(folder: Path) -> Path:
    """Settings with the tone model alone, found because of their name."""
    file = folder / "voicegw.yaml"
    file.write_text("models: [{id: tone, backend: tone}]\n", "utf-8")
    return file


def on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Run the program with a terminal for its output; give exit status and what was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([program(), *arguments], stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:
            pass  # Linux says so when the other end is closed
        finally:
            os.close(ours)
    return process.returncode, shown.decode()
