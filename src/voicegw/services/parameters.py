"""A model's own parameters: which of a request's extras it declares, and whether their values are ones it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from voicegw.backend.manifest import ModelInfo, Parameter
from voicegw.errors import InvalidRequest

_ELSEWHERE = frozenset({"speed"})
"""Has a meaning of its own in every request."""

_TRUTH: Final = {"true": True, "false": False}

_SHOWN, _SHOWN_CHARS = 10, 64


def chosen(info: ModelInfo, extras: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Divide a request's extras: the values for the model, and the names of those that nobody obeys.

    An extra that is None counts as absent. A number, and true and false, may be given as text.

    Raises:
        InvalidRequest: A declared parameter has a value of the wrong type or out of range; ``param`` names it.
    """
    declared = {each.name: each for each in info.parameters if each.name not in _ELSEWHERE}
    given = {name: value for name, value in extras.items() if value is not None}
    values = {name: _checked(declared[name], value) for name, value in given.items() if name in declared}
    return values, tuple(name for name in given if name not in declared)


def refuse_ignored(model_id: str, ignored: Sequence[str]) -> None:
    """Refuse what would have no effect.

    Raises:
        InvalidRequest: There is something; ``param`` names the first, the message some more.
    """
    if ignored:
        shown = [repr(name[:_SHOWN_CHARS]) for name in ignored[:_SHOWN]]
        more = f" and {len(ignored) - _SHOWN} more" if len(ignored) > _SHOWN else ""
        raise InvalidRequest(
            f"Parameters that have no effect on model {model_id!r}: {', '.join(shown)}{more}.",
            param=ignored[0][:_SHOWN_CHARS],
            code="unknown_parameter",
        )


def _checked(parameter: Parameter, value: Any) -> Any:
    if parameter.kind in ("int", "float"):
        return _number(parameter, value)
    if parameter.kind == "bool":
        value = _TRUTH.get(value.lower(), value) if isinstance(value, str) else value
        fits, wanted = isinstance(value, bool), "true or false"
    elif parameter.kind == "enum":
        fits, wanted = value in parameter.choices, f"one of: {', '.join(parameter.choices)}"
    else:
        fits, wanted = isinstance(value, str), "a string"
    if not fits:
        raise InvalidRequest(f"{parameter.name!r} must be {wanted}.", param=parameter.name)
    return value


def _number(parameter: Parameter, value: Any) -> float | int:
    low = -math.inf if parameter.minimum is None else parameter.minimum
    high = math.inf if parameter.maximum is None else parameter.maximum
    found, whole = _float(value), parameter.kind == "int"
    if not (math.isfinite(found) and low <= found <= high) or (whole and not found.is_integer()):
        kind = "a whole number" if whole else "a number"
        raise InvalidRequest(f"{parameter.name!r} must be {kind} from {low:g} to {high:g}.", param=parameter.name)
    return int(found) if whole else found


def _float(value: Any) -> float:
    """Read a number, or text that holds one; NaN for everything else."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
