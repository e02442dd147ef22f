"""Which backends are installed: the entry points of the group ``voicegw.backends``.

The gateway only ever reads names and versions here; :func:`load` runs inside a worker process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar

GROUP = "voicegw.backends"

_OWN = "voicegw"
"""The distribution whose entries are no models: what decodes uploads is one."""


@dataclass(frozen=True, slots=True)
class InstalledBackend:
    """A backend that is installed: its name, the distribution it comes from and that one's version and licence."""

    name: str
    distribution: str
    version: str
    licence: str
    summary: str


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def installed() -> tuple[InstalledBackend, ...]:
    """List the installed backends that a model can have, by name, without importing any of them."""
    found = []
    for name, entry in sorted(_entries().items()):
        if entry.dist is None or entry.dist.name == _OWN:
            continue
        meta = {key: str(value) for key, value in entry.dist.metadata.json.items()}
        licence = meta.get("license_expression") or meta.get("license") or "unknown"
        found.append(
            InstalledBackend(name, meta.get("name", ""), meta.get("version", ""), licence, meta.get("summary", ""))
        )
    return tuple(found)


class Entry(Protocol):
    """What of a model's entry decides where its backend is looked for."""

    @property
    def backend(self) -> str:
        """Entry-point name."""
        ...

    @property
    def python(self) -> object:
        """Interpreter of another environment, or None."""
        ...


E = TypeVar("E", bound=Entry)


def present(models: Iterable[E]) -> list[E]:
    """Keep the models whose backend is installed here, or that name another interpreter that is to have it."""
    here = {backend.name for backend in installed()}
    return [model for model in models if model.python or model.backend in here]


def load(name: str) -> Any:
    """Import the adapter class of a backend. Only a worker calls this.

    Raises:
        LookupError: No installed distribution offers a backend of this name.
    """
    entry = _entries().get(name)
    if entry is None:
        here = ", ".join(backend.name for backend in installed()) or "none"
        raise LookupError(f"backend {name!r} is not installed here; installed: {here}")
    return entry.load()
