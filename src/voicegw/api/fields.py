"""The fields of a form as a JSON body would have them, and those that are lists or objects in either of the two."""

from __future__ import annotations

import json
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from voicegw.api.body import well_formed
from voicegw.api.multipart import Pair
from voicegw.errors import InvalidRequest

_BASE64_CHARS: Final = 512 * 1024
"""Decoded at a time: a multiple of 4, and less than a millisecond."""


def assemble(pairs: Sequence[Pair], *, lists: Collection[str], objects: Collection[str]) -> dict[str, Any]:
    """Make of a form's fields what a JSON body would hold. An empty field counts as absent, the last of equals wins.

    Args:
        pairs: The fields in their order.
        lists: Names whose values are collected, however they are written: ``name``, ``name[]``, ``name[0]``.
        objects: Names whose parts may come as ``name[part]``.
    """
    fields: dict[str, Any] = {}
    for name, value in pairs:
        base, bracket, part = name.partition("[")
        if not value:
            continue
        if base in lists:
            fields.setdefault(base, []).append(value)
        elif base in objects and bracket:
            whole = fields.get(base)
            fields[base] = {**(whole if isinstance(whole, dict) else {}), part.rstrip("]"): value}
        else:
            fields[base or name] = value
    return fields


def strings(fields: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    """Give a field that is a list of strings, also where it is one string, or text that holds a JSON list.

    A name with brackets behind it is taken as well. Empty strings are left out; absent or null is ().

    Raises:
        InvalidRequest: It is something else, or has more than ``most`` entries.
    """
    given = [each for key in (name, f"{name}[]") for each in _entries(fields.get(key))]
    found = [well_formed(each) for each in given if isinstance(each, str)]
    if len(found) != len(given):
        raise InvalidRequest(f"{name!r} must be a list of strings.", param=name, code="invalid_type")
    if len(found) > most:
        raise InvalidRequest(f"{name!r} has {len(found)} entries, at most {most} are taken.", param=name)
    return tuple(filter(None, found))


def _entries(value: Any) -> Iterator[Any]:
    if value is None:
        return
    if isinstance(value, list):
        for each in value:
            yield from _entries(each) if isinstance(each, str) else (each,)
    elif isinstance(value, str) and isinstance(told := _json(value), list):
        yield from told
    else:
        yield value


def structure(fields: Mapping[str, Any], name: str) -> Any:
    """Give a field that is an object, or text that holds a JSON object; as it is where it is neither."""
    value = fields.get(name)
    told = _json(value) if isinstance(value, str) else value
    return told if isinstance(told, dict) else value


def _json(text: str) -> Any:
    """Give the list or object that a text is in JSON; None where it is none."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def base64_pieces(text: str, param: str) -> Iterator[bytes]:
    """Decode base64, with a ``data:`` URL around it or not, piece by piece.

    Raises:
        InvalidRequest: It is none; ``param`` is named.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    text = "".join(text.split())
    try:
        for at in range(0, len(text), _BASE64_CHARS):
            yield a2b_base64(text[at : at + _BASE64_CHARS], strict_mode=True)
    except (NotBase64, ValueError):
        raise InvalidRequest(f"{param!r} must be base64.", param=param) from None
