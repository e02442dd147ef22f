"""What an import brings along: no model in the gateway, and nothing but numpy and msgpack in a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import voicegw
from voicegw.backend import discovery

MODEL_LIBRARIES = {"torch", "transformers", "TTS", "faster_whisper", "espeakng_loader"}
GATEWAY = ["voicegw.app", "voicegw.cli", "voicegw.settings"]
WORKER = ["voicegw.backend", "voicegw.errors", "voicegw.engine.wire", "voicegw.engine.worker"]


def modules_after(code: str, python: Path, path: Path | None = None) -> set[str]:
    """Run code in a fresh interpreter and give the names in ``sys.modules`` afterwards."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"PYTHONPATH": str(path)} if path else {}
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([python, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(names)


def adapters() -> set[str]:
    """Name the top-level modules of all installed adapters but voicegw's own."""
    modules = {entry.value.partition(":")[0] for entry in entry_points(group=discovery.GROUP)}
    return {module.partition(".")[0] for module in modules} - {"voicegw"}


@pytest.mark.parametrize("module", GATEWAY)
def test_the_gateway_loads_no_model(module: str) -> None:
    assert adapters() >= {"voicegw_espeak", "voicegw_tone"}
    tops = {name.partition(".")[0] for name in modules_after(f"import {module}", Path(sys.executable))}
    assert not tops & (MODEL_LIBRARIES | adapters())


def test_nothing_that_decodes_uploads_is_in_the_gateway() -> None:
    assert not {name for name in modules_after("import voicegw.app", Path(sys.executable)) if "voicegw.decoder" in name}


def test_listing_backends_loads_none() -> None:
    code = "from voicegw.backend import discovery; assert discovery.installed()"
    tops = {name.partition(".")[0] for name in modules_after(code, Path(sys.executable))}
    assert not tops & adapters()


@pytest.mark.parametrize("module", WORKER)
def test_a_worker_needs_numpy_and_msgpack_alone(module: str, bare_python: Path, tmp_path: Path) -> None:
    (tmp_path / "voicegw").symlink_to(Path(voicegw.__file__).parent, target_is_directory=True)
    tops = {name.partition(".")[0] for name in modules_after(f"import {module}", bare_python, tmp_path)}
    foreign = {name for name in tops if not name.startswith("_")} - sys.stdlib_module_names
    assert foreign <= {"voicegw", "numpy", "msgpack", "cython_runtime"}  # the last one is made up by msgpack's build


def test_an_adapter_needs_numpy_alone(bare_python: Path, tmp_path: Path) -> None:
    (tmp_path / "voicegw").symlink_to(Path(voicegw.__file__).parent, target_is_directory=True)
    assert "msgpack" not in modules_after("import voicegw.backend", bare_python, tmp_path)


def test_the_bare_environment_is_bare(bare_python: Path) -> None:
    for name in ("pydantic", "structlog", "voicegw"):
        done = subprocess.run([bare_python, "-c", f"import {name}"], cwd="/", capture_output=True, check=False)
        assert b"ModuleNotFoundError" in done.stderr, name
