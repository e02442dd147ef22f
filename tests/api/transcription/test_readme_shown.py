"""What the README shows of transcription works as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import curl
from tests.support.environments import ROOT
from tests.support.gateway import Gateway
from tests.support.uploads import heard, sound
from voicegw.api.openai.submitted import FORMATS, OBEYED

SECTION = (ROOT / "README.md").read_text("utf-8").split("\n## Transcription\n", 1)[1].split("\n## ", 1)[0]
AUDIO = sound(1.0)


def block(kind: str, url: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)
    shown = str(found).replace("http://127.0.0.1:8000", url)
    assert shown != found
    return shown


@pytest.mark.parametrize("which", ["stand-in", *(["installed"] if shutil.which("curl") else [])])
def test_the_command(gateway: Gateway, tmp_path: Path, which: str) -> None:
    (tmp_path / "speech.mp3").write_bytes(AUDIO)
    if which == "stand-in":
        (tmp_path / "curl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "{curl.__file__}" "$@"\n')
        (tmp_path / "curl").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", "-e", "-c", block("sh", gateway.url)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f'"text":"{heard(AUDIO)}"' in done.stdout


def test_the_client(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "speech.mp3").write_bytes(AUDIO)
    command = [sys.executable, "-c", block("python", gateway.url)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, heard(AUDIO)), done.stderr


def test_the_tables_name_everything() -> None:
    fields = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE))))
    assert {*OBEYED, *FORMATS["transcribe"]} - {"strict_parameters"} == fields - {"response_format"} | {
        "response_format"
    }
