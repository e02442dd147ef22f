"""The installer of the make targets: which parts it chooses, when it leaves them alone, what it says when it cannot."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import venv
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / ".ci" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


install = _load()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout with a backend that needs torch and one that does not; nothing in it needs the network."""
    for name, extra in {"quiet": "", "heavy": "[tool.voicegw]\ntorch = true\n"}.items():
        (tmp_path / "backends" / name).mkdir(parents=True)
        (tmp_path / "backends" / name / "pyproject.toml").write_text(f'[project]\nname = "voicegw-{name}"\n{extra}')
    (tmp_path / "pyproject.toml").write_text('[dependency-groups]\ndev = ["one>=1", "two[extra]<3"]\n')
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "constraints.txt").write_text("one==1.2\n")
    (tmp_path / install.NODE).mkdir(parents=True)
    (tmp_path / install.NODE / "package-lock.json").write_text("{}")
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the installer would run, in order; nothing is run, for pip would fetch torch."""
    seen: list[list[str]] = []
    monkeypatch.setattr(install, "run", lambda command, _cwd: seen.append([Path(str(command[0])).name, *command[1:]]))
    monkeypatch.setattr(install, "has_torch", lambda _python: False)
    return seen


def pips(commands: list[list[str]]) -> list[list[str]]:
    return [command[5:] for command in commands if command[1:3] == ["-m", "pip"]]


def test_an_unknown_backend_is_an_error_that_lists_the_known(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main(["quiet", "nope"], tree) == 1
    assert capsys.readouterr().err == "install: no backend is called nope; there are: heavy quiet\n"
    assert not (tree / ".venv").exists()


def test_named_backends_are_installed_with_the_gateway(tree: Path, commands: list[list[str]]) -> None:
    (tree / ".venv").mkdir()
    assert install.main(["quiet"], tree) == 0
    assert pips(commands) == [["-c", "config/constraints.txt", "-e", ".", "-e", "backends/quiet"]]


def test_torch_comes_first_where_a_backend_needs_it(tree: Path, commands: list[list[str]]) -> None:
    (tree / ".venv").mkdir()
    assert install.main(["--all", "--dev"], tree) == 0
    torch, ours, tools = pips(commands)
    assert torch == ["torch==2.13.0"]
    assert ours[-6:] == ["-e", "backends/heavy", "-e", "backends/quiet", "one>=1", "two[extra]<3"]
    assert tools == list(install.TOOLS)


def test_a_torch_that_is_there_stays(tree: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / ".venv").mkdir()
    monkeypatch.setattr(install, "has_torch", lambda _python: True)
    assert install.main(["heavy"], tree) == 0
    assert [command for command in pips(commands) if "torch==2.13.0" in command] == []


def test_torch_is_looked_for_in_the_environment_itself(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    assert not install.has_torch(python)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site / "torch").mkdir()
    (site / "torch" / "__init__.py").touch()
    assert install.has_torch(python)


def test_an_environment_that_was_left_half_made_is_completed(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = install.make_venv(tmp_path / "venv", tmp_path)
    told = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    assert told.stdout.startswith("pip "), told.stderr


def test_a_second_call_does_nothing_until_something_changes(tree: Path, commands: list[list[str]]) -> None:
    (tree / ".venv").mkdir()
    assert install.main(["quiet", "heavy"], tree) == 0
    done = len(commands)
    assert install.main(["quiet"], tree) == 0
    assert install.main([], tree) == 0
    assert len(commands) == done
    (tree / "config" / "constraints.txt").write_text("one==1.3\n")
    assert install.main(["quiet"], tree) == 0
    assert len(commands) > done
    parts = json.loads((tree / ".venv" / "installed.json").read_text())
    assert parts["quiet"] != parts["heavy"], "what was not installed again keeps its old fingerprint"


def test_the_clients_for_node_come_from_their_lock_by_the_npm_of_the_environment(
    tree: Path, commands: list[list[str]]
) -> None:
    (tree / ".venv").mkdir()
    assert install.main(["quiet"], tree) == 0
    assert not [command for command in commands if install.NPM in command]
    assert install.main(["quiet", "--dev"], tree) == 0
    assert commands[-1][:4] == ["python", "-c", install.NPM, "ci"]
    assert "--ignore-scripts" in commands[-1]


def test_clients_for_node_that_were_removed_are_installed_again(tree: Path, commands: list[list[str]]) -> None:
    (tree / ".venv").mkdir()
    assert install.main(["--dev"], tree) == 0
    (tree / install.NODE / "node_modules").mkdir()
    done = len(commands)
    assert install.main(["--dev"], tree) == 0
    assert len(commands) == done
    (tree / install.NODE / "node_modules").rmdir()
    assert install.main(["--dev"], tree) == 0
    assert len(commands) > done


def test_a_newer_lock_of_the_clients_for_node_is_installed(tree: Path, commands: list[list[str]]) -> None:
    (tree / ".venv").mkdir()
    (tree / install.NODE / "node_modules").mkdir()
    assert install.main(["--dev"], tree) == 0
    done = len(commands)
    (tree / install.NODE / "package-lock.json").write_text('{"lockfileVersion": 3}')
    assert install.main(["--dev"], tree) == 0
    assert len(commands) > done


def test_what_fails_says_all_that_pip_said(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(install.SetupError, match=r"\Aone line\n[^\n]*\n.*exit status 3\Z"):
        install.run([sys.executable, "-c", "print('one line'); raise SystemExit(3)"], tree)
    install.run([sys.executable, "-c", "print('noise'); print('  Downloading a.whl (1 MB)')"], tree)
    assert capfd.readouterr().out == "  Downloading a.whl (1 MB)\n"


def test_make_passes_the_names_on() -> None:
    made = subprocess.run(
        ["make", "install", "BACKENDS=tone nope"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode != 0
    assert "no backend is called nope; there are: espeak tone" in made.stderr


def test_make_names_the_python_it_needs(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        old = tmp_path / "bin" / name
        old.write_text("#!/bin/sh\nexit 1\n")
        old.chmod(0o755)
    made = subprocess.run(
        ["make", "-f", ROOT / "Makefile", "install"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert "voicegw needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3" in made.stderr
