"""The wheels, installed in an empty environment outside the repository, serve speech."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.environments import ROOT, make_environment, pip
from tests.support.server import running_server

CONFIG = (ROOT / "config" / "voicegw.yaml").read_bytes()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of the gateway and of the embedded backends."""
    folder = tmp_path_factory.mktemp("wheels")
    pip("wheel", "--no-deps", "-w", folder, ROOT, ROOT / "backends" / "espeak", ROOT / "backends" / "tone")
    return sorted(folder.glob("*.whl"))


def test_the_gateway_s_wheel_holds_the_configuration_and_nothing_beside_the_package(wheels: list[Path]) -> None:
    gateway = next(wheel for wheel in wheels if wheel.name.startswith("voicegw-"))
    with zipfile.ZipFile(gateway) as archive:
        assert archive.read("voicegw/voicegw.yaml") == CONFIG
        tops = {name.partition("/")[0] for name in archive.namelist()}
        metadata = archive.read("voicegw-0.1.0.dist-info/METADATA").decode()
    assert tops == {"voicegw", "voicegw-0.1.0.dist-info"}
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "torch" not in metadata


@pytest.mark.parametrize(("name", "licence"), [("espeak", "GPL-3.0-or-later"), ("tone", "Apache-2.0")])
def test_a_backend_s_wheel_asks_for_the_gateway_by_name(wheels: list[Path], name: str, licence: str) -> None:
    wheel = next(wheel for wheel in wheels if wheel.name.startswith(f"voicegw_{name}-"))
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"voicegw_{name}-0.1.0.dist-info/METADATA").decode()
    assert "\nRequires-Dist: voicegw\n" in metadata
    assert f"\nLicense-Expression: {licence}\n" in metadata


def test_the_source_distribution_builds_the_same(tmp_path: Path) -> None:
    poetry = ROOT / ".venv" / "tools" / "bin" / "poetry"
    subprocess.run([poetry, "build", "--format", "sdist", "--output", tmp_path], cwd=ROOT, check=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (unpacked / "src" / "voicegw" / "voicegw.yaml").read_bytes() == CONFIG


@pytest.mark.timeout(300)  # a first time downloads some 60 MB
def test_the_wheels_serve_speech_from_an_empty_environment(wheels: list[Path], tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", *wheels)
    where = subprocess.run(
        [python, "-c", "import voicegw; print(voicegw.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(tmp_path / "venv"))
    with running_server(tmp_path, command=[python.with_name("voicegw")]) as server:
        body = {"model": "tone", "input": "one two", "voice": "alloy", "response_format": "wav"}
        for model in ("tone", "espeak"):
            answer = httpx.post(f"{server.url}/v1/audio/speech", json=body | {"model": model}, timeout=60)
            assert answer.status_code == httpx.codes.OK, answer.text
            assert answer.content[:4] == b"RIFF"
            assert len(answer.content) > 10_000
