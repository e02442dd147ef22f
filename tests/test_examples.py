"""The examples run as they stand, against a real server."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.support.server import RunningServer

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(server: RunningServer, name: str, *arguments: str, folder: Path) -> str:
    """Run an example in a folder and give what it printed."""
    env = {**os.environ, "OPENAI_BASE_URL": f"{server.url}/v1"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def seconds(audio: bytes) -> float:
    """Decode audio and give how long it lasts."""
    with av.open(io.BytesIO(audio), "r") as container:
        return float(sum(frame.samples / frame.sample_rate for frame in container.decode(container.streams.audio[0])))


@pytest.mark.parametrize("suffix", ["mp3", "opus", "wav"])
def test_stream_to_file(server: RunningServer, tmp_path: Path, suffix: str) -> None:
    said = run(server, "stream_to_file.py", "One sentence. And another one.", f"a.{suffix}", folder=tmp_path)
    assert said.startswith(f"a.{suffix}: first audio after ")
    assert seconds((tmp_path / f"a.{suffix}").read_bytes()) > 1


def test_every_voice(server: RunningServer, tmp_path: Path) -> None:
    said = run(server, "every_voice.py", "voices", "tone", folder=tmp_path)
    files = sorted(path.stem for path in (tmp_path / "voices").iterdir())
    assert files == sorted(said.split())
    assert len(files) == 13
    assert all(seconds((tmp_path / "voices" / f"{name}.mp3").read_bytes()) > 1 for name in files)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_without_arguments_an_example_says_how_it_is_used(name: str) -> None:
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"python examples/{name}" in done.stderr
