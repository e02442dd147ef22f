"""The lock, the constraints exported from it and the metadata say the same, and name no host."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
POETRY = ROOT / ".venv" / "tools" / "bin" / "poetry"
TORCH_STACK = ("torch", "triton", "torchaudio", "torchvision")


def load(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text("utf-8"))


@pytest.fixture(scope="module")
def locked() -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = load("poetry.lock")["package"]
    return packages


@pytest.fixture(scope="module")
def constraints() -> dict[str, str]:
    lines = (ROOT / "config/constraints.txt").read_text("utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): str(each.specifier) for each in requirements}


def test_the_lock_is_that_of_the_metadata() -> None:
    checked = subprocess.run([POETRY, "check", "--lock"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_constraints_pin_exactly_what_the_lock_resolved(
    locked: list[dict[str, Any]], constraints: dict[str, str]
) -> None:
    from_index = {package["name"]: f"=={package['version']}" for package in locked if "source" not in package}
    assert constraints == from_index, "run `make lock`"


def test_the_lock_holds_no_source_but_our_own_folders(locked: list[dict[str, Any]]) -> None:
    sources = {package["name"]: package["source"] for package in locked if "source" in package}
    expected = {
        f"voicegw-{path.parent.name}": {"type": "directory", "url": f"backends/{path.parent.name}"}
        for path in ROOT.glob("backends/*/pyproject.toml")
    }
    assert sources == expected


@pytest.mark.parametrize("path", ["poetry.lock", "config/constraints.txt", "pyproject.toml", "Makefile"])
def test_no_host_and_no_machine_is_named(path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    for trace in ("https://", "file:", "/simple", str(ROOT.parent) + "/"):
        assert trace not in text.replace("http://127.0.0.1", ""), f"{trace} in {path}"


def test_the_clients_for_node_are_locked_exactly_and_name_no_host() -> None:
    lock = json.loads((ROOT / "tests/node/package-lock.json").read_text("utf-8"))["packages"]
    asked = json.loads((ROOT / "tests/node/package.json").read_text("utf-8"))["dependencies"]
    assert lock.pop("")["dependencies"] == asked
    assert {name: lock[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert all(package["integrity"] and "resolved" not in package for package in lock.values())
    assert (ROOT / "tests/node/.npmrc").read_text("utf-8") == "omit-lockfile-registry-resolved=true\n"


def test_torch_is_in_nobody_s_list(locked: list[dict[str, Any]]) -> None:
    names = {package["name"] for package in locked}
    assert not [name for name in names if name in TORCH_STACK or name.startswith("nvidia-")]


@pytest.mark.parametrize("path", sorted(ROOT.glob("backends/*/pyproject.toml")), ids=lambda path: path.parent.name)
def test_a_backend_is_a_distribution_that_the_root_knows(path: Path) -> None:
    name = path.parent.name
    project = tomllib.loads(path.read_text("utf-8"))["project"]
    root = load("pyproject.toml")
    assert project["name"] == f"voicegw-{name}"
    assert project["entry-points"]["voicegw.backends"].keys() >= {name}
    assert project["requires-python"] == root["project"]["requires-python"]
    assert "voicegw" in project["dependencies"]
    assert (path.parent / "tests").is_dir()
    known = root["tool"]["poetry"]["group"]["backends"]["dependencies"]
    assert known[f"voicegw-{name}"] == {"path": f"backends/{name}", "develop": True}
    assert f"voicegw_{name}" in root["tool"]["coverage"]["run"]["source_pkgs"]
    assert f"voicegw_{name}" in root["tool"]["importlinter"]["root_packages"]


def test_websockets_stay_within_what_the_official_client_takes(locked: list[dict[str, Any]]) -> None:
    (version,) = [package["version"] for package in locked if package["name"] == "websockets"]
    assert 13 <= int(version.split(".")[0]) < 16
