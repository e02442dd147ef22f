"""Virtual environments for tests, filled from the package index with the pinned versions."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def pip(*words: str | Path, into: Path | None = None) -> None:
    """Run this environment's pip, pinned by the constraints; on another environment where one is named."""
    target = ["--python", str(into)] if into else []
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *target, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def make_environment(folder: Path, *packages: str | Path) -> Path:
    """Make an environment with some packages and what they need; give its interpreter."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip("install", "-c", ROOT / "config" / "constraints.txt", *packages, into=python)
    return python
