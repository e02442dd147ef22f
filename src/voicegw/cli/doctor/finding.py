"""What a check finds, and how a list of checks is gone through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

Verdict: TypeAlias = Literal["ok", "warning", "problem"]
"""Whether something works, may not work for all that is asked, or does not work."""

T = TypeVar("T")
Check: TypeAlias = tuple[str, Callable[[T], "Iterable[Finding]"]]
"""A name for what goes wrong in a check itself, and what looks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


def examined(checks: Iterable[Check[T]], given: T) -> Iterator[Finding]:
    """Go through checks in their order; one that fails itself is a problem like others."""
    for name, look in checks:
        try:
            yield from look(given)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person who asks is to see it, and the rest
            yield Finding(name, "problem", f"could not be looked at: {type(error).__name__}: {error}")


def size(nbytes: float) -> str:
    """Write a number of bytes as people do."""
    return f"{nbytes / 2**30:.1f} GiB" if nbytes >= 2**30 else f"{nbytes / 2**20:.0f} MiB"
