"""Reading a JSON body and its fields: liberal in what is harmless, a 400 that names the parameter for the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from voicegw.errors import Cancelled, InvalidRequest, UnsupportedMedia

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_VALUES = 500_000
"""Most commas, brackets and braces of a body: each may cost hundreds of bytes of memory once it is parsed."""

_NAMES, _NAME_CHARS = 20, 64
_YES = ("1", "true")


async def json_object(request: Request) -> dict[str, Any]:
    """Read the body as one JSON object, whatever its content type says; the last of equal keys wins.

    Raises:
        InvalidRequest: It is not UTF-8, not JSON, no object, or holds an absurd number of values.
        UnsupportedMedia: It is a form.
        Cancelled: The client went away while it sent.
    """
    try:
        data = await request.body()
    except ClientDisconnect:
        raise Cancelled("the client went away while it sent its request") from None
    kind = media_type(request)
    try:
        return parse_object(data)
    except InvalidRequest:
        if kind in _FORMS:
            raise UnsupportedMedia(f"This path takes a JSON body, not {kind}.") from None
        raise


def strict_by_header(request: Request) -> bool:
    """Tell whether a request's header asks for parameters without effect to be refused."""
    return request.headers.get("x-voicegw-strict", "").lower() in _YES


def media_type(request: Request) -> str:
    """Give the content type of the body without its parameters, in small letters; "" where none is told."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_object(data: bytes) -> dict[str, Any]:
    """Read a body as one JSON object; the last of equal keys wins.

    Raises:
        InvalidRequest: It is not UTF-8, not JSON, no object, or holds an absurd number of values.
    """
    try:
        value = _parse(data)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"We could not parse the JSON body of your request: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The JSON body of your request must be an object.")
    return value


def _parse(data: bytes) -> Any:
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > _VALUES:
        raise ValueError("it holds too many values")
    return json.loads(str(data, "utf-8-sig"), parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error)[:200]


def text(fields: Mapping[str, Any], name: str) -> str | None:
    """Give a field that is text, lone surrogates replaced by U+FFFD; None where it is absent or null.

    Raises:
        InvalidRequest: It is something else.
    """
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidRequest(f"{name!r} must be a string, not {_kind(value)}.", param=name, code="invalid_type")
    return well_formed(value)


def required_text(fields: Mapping[str, Any], name: str) -> str:
    """Give a field that is text and must be there; see :func:`text`."""
    value = text(fields, name)
    if value is None:
        raise InvalidRequest(f"You must provide {name!r}.", param=name, code="missing_required_parameter")
    return value


def well_formed(value: str) -> str:
    """Replace lone surrogates, which JSON can express and UTF-8 cannot, by U+FFFD."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def number(fields: Mapping[str, Any], name: str, *, default: float, low: float, high: float) -> float:
    """Give a field that is a number, or text that holds one; the default where it is absent or null.

    Raises:
        InvalidRequest: It is something else, or not within ``low`` to ``high``.
    """
    value = fields.get(name)
    if value is None:
        return default
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not low <= found <= high:
        raise InvalidRequest(f"{name!r} must be a number from {low:g} to {high:g}.", param=name)
    return found


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """Give a field that is true or false, or the text of it; false where it is absent or null.

    Raises:
        InvalidRequest: It is something else.
    """
    value = fields.get(name)
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"{name!r} must be true or false.", param=name, code="invalid_type")


def _kind(value: Any) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "an object"}
    kinds[bytes] = "bytes that are no UTF-8"  # of a form
    return kinds.get(type(value), "null")


def header_list(names: Iterable[str]) -> str:
    """Join names that a client made up for a header: ASCII letters, digits and ``._-`` of them, bounded in all ways."""
    listed = [*names]
    safe = ["".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in n[:_NAME_CHARS]) for n in listed]
    more = [f"and_{len(safe) - _NAMES}_more"] if len(safe) > _NAMES else []
    return ", ".join([*(name or "_" for name in safe[:_NAMES]), *more])
