"""What the README tells people to set in each application; the tests send requests with these very values."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final

import yaml

SPEAKING: Final = "## Point your app at it"
LISTENING: Final = "## Transcription"
ADDRESS: Final = "http://127.0.0.1:8000"
_TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def rows(section: str = SPEAKING) -> dict[str, str]:
    """Map each application of a section's table to the cell that holds its settings."""
    found = _TEXT.split(f"{section}\n", 1)[1].split("\n## ", 1)[0].split("| app |", 1)[1]
    cells = [line.strip("| ").split(" | ") for line in found.splitlines() if line.startswith("| ")]
    return {re.sub(r"\[([^]]+)]\([^)]+\)", r"\1", name): settings for name, _, settings in cells}


def _of(app: str, url: str, section: str) -> str:
    return rows(section)[app].replace(ADDRESS, url).replace(ADDRESS.partition("//")[2], url.partition("//")[2])


def variables(app: str, url: str, section: str = SPEAKING) -> dict[str, str]:
    """Give the environment variables of an application, for a server at ``url``."""
    return dict(re.findall(r"`([A-Z_]+)=([^`]*)`", _of(app, url, section)))


def fields(app: str, url: str, section: str = SPEAKING) -> dict[str, str]:
    """Give the fields of an application's form, by label."""
    return dict(re.findall(r"([A-Z][A-Za-z ]+) `([^`]*)`", _of(app, url, section)))


def document(app: str, url: str, section: str = SPEAKING) -> Any:
    """Give the YAML of an application."""
    return yaml.safe_load(re.findall(r"`([^`]*)`", _of(app, url, section))[0])


def arguments(app: str, url: str, section: str = SPEAKING) -> dict[str, Any]:
    """Give the keyword arguments of the call that is shown, those of a call within it beside its own."""
    call = ast.parse(re.findall(r"`([^`]*)`", _of(app, url, section))[0], mode="eval").body
    calls = [node for node in ast.walk(call) if isinstance(node, ast.Call)]
    words = [word for each in calls for word in each.keywords if not isinstance(word.value, ast.Call)]
    return {str(word.arg): ast.literal_eval(word.value) for word in words}
