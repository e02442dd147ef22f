"""What a check is: a name, what it demands, how it ends, and the bounds that all of them share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # a stage uses the bounds that are defined here
    from voicegw.backend.conformance.stage import Stage

Body: TypeAlias = "Callable[[Stage], Awaitable[str | None]]"


class Failure(AssertionError):
    """The adapter does not do what the contract asks; the message says what it did instead."""


class NotApplicable(Exception):
    """The check means nothing for this model; the message says why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long the kit waits before it calls something wrong. Generous, for slow models on busy machines.

    Attributes:
        describe_s: A manifest takes at most this long, as the contract says.
        hold_s: The event loop is never held longer than this.
        stall_s: A stream gives its next event within this time; guards against hanging.
        settle_s: What an adapter leaves behind may take this long to end.
        check_s: One check takes at most this long.
        tries: A timed check fails when it failed so often in a row.
    """

    describe_s: float = 1.0
    hold_s: float = 0.25
    stall_s: float = 60.0
    settle_s: float = 2.0
    check_s: float = 900.0
    tries: int = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what it demands in one sentence, and the function that finds out."""

    name: str
    demand: str
    body: Body


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How a check ended.

    Attributes:
        name: The check's.
        passed: Also True where it is not applicable.
        message: What went wrong, why it is not applicable, or a remark; often empty.
        seconds: How long it took.
        applicable: False where the check means nothing for this model.
    """

    name: str
    passed: bool
    message: str
    seconds: float
    applicable: bool = True


_REGISTRY: dict[str, Check] = {}


def check(body: Body) -> Body:
    """Make a coroutine function a check: its name is the check's, the first line of its docstring the demand."""
    function: Any = body
    name = str(function.__name__)
    _REGISTRY[name] = Check(name, str(function.__doc__).strip().splitlines()[0], body)
    return body


def registered() -> tuple[Check, ...]:
    """Give all checks of the modules imported so far, in the order of their definition."""
    return tuple(_REGISTRY.values())


def require(held: bool, otherwise: str) -> None:
    """Raise a :class:`Failure` with the message unless the condition held."""
    if not held:
        raise Failure(otherwise)


def applies(held: bool, otherwise: str) -> None:
    """Raise :class:`NotApplicable` with the message unless the condition held."""
    if not held:
        raise NotApplicable(otherwise)
