"""Fields of forms and of JSON, as one."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from voicegw.api.fields import assemble, base64_pieces, strings, structure
from voicegw.api.multipart import Pair
from voicegw.errors import InvalidRequest

LISTS, OBJECTS = ("names",), ("shape",)


@pytest.mark.parametrize(
    ("pairs", "fields"),
    [
        ([], {}),
        ([("a", "1"), ("a", "2"), ("b", "")], {"a": "2"}),
        ([("a", "1"), ("a", "")], {"a": "1"}),
        ([("names", "x"), ("names[]", "y"), ("names[7]", "z"), ("names[]", "")], {"names": ["x", "y", "z"]}),
        ([("shape[type]", "t"), ("shape[size]", "1")], {"shape": {"type": "t", "size": "1"}}),
        ([("shape", "auto")], {"shape": "auto"}),
        ([("shape", "auto"), ("shape[type]", "t")], {"shape": {"type": "t"}}),
        ([("shape[]", "t")], {"shape": {"": "t"}}),
        ([("more[a][]", "1"), ("more[b]", "2")], {"more": "2"}),
        ([("[]", "1"), ("[", "2"), ("", "3")], {"[]": "1", "[": "2", "": "3"}),
        ([("a", b"\xff")], {"a": b"\xff"}),
    ],
)
def test_a_form_as_json_would_have_it(pairs: list[Pair], fields: dict[str, Any]) -> None:
    assert assemble(pairs, lists=LISTS, objects=OBJECTS) == fields


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, ()),
        ([], ()),
        ("", ()),
        ("x", ("x",)),
        ("x,y", ("x,y",)),
        (["x", "", "y"], ("x", "y")),
        ('["x", "y"]', ("x", "y")),
        (['["x", "y"]', "z"], ("x", "y", "z")),
        ("[x", ("[x",)),
        ("[" * 100_000, ("[" * 100_000,)),
        ('{"a": 1}', ('{"a": 1}',)),
        ("\ud800", ("\ufffd",)),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_lists(value: Any, found: tuple[str, ...]) -> None:
    assert strings({"a": value}, "a", 10) == found
    assert strings({"a[]": value}, "a", 10) == found


def test_both_spellings_of_a_list_are_one() -> None:
    assert strings({"a": "x", "a[]": ["y"]}, "a", 10) == ("x", "y")


@pytest.mark.parametrize("value", [1, True, {"a": 1}, [1], [None], ["x", ["y"]], "[1]", b"\xff", [b"\xff"]])
def test_what_is_no_list_of_strings(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="must be a list of strings") as refused:
        strings({"a": value}, "a", 10)
    assert refused.value.param == "a"


def test_lists_are_bounded() -> None:
    assert len(strings({"a": ["x"] * 3}, "a", 3)) == 3
    with pytest.raises(InvalidRequest, match="4 entries, at most 3"):
        strings({"a": ["x"] * 4}, "a", 3)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        ("auto", "auto"),
        ({"a": 1}, {"a": 1}),
        (' {"a": 1}', {"a": 1}),
        ("[1]", "[1]"),
        ("{", "{"),
        ('{"a":' * 100_000, '{"a":' * 100_000),
        (1, 1),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_objects(value: Any, found: Any) -> None:
    assert structure({"a": value}, "a") == found


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 393_216, 393_217, 1_000_000])
def test_base64_piece_by_piece(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    pieces = list(base64_pieces(b64encode(data).decode(), "a"))
    assert b"".join(pieces) == data
    assert all(len(piece) <= 393_216 for piece in pieces)


@pytest.mark.parametrize("text", ["A", "AA", "AAA", "AA=A", "ÄÄÄÄ", "AAA-", "?" * 8, "data:x;base64,A"])
def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(InvalidRequest, match="'a' must be base64") as refused:
        list(base64_pieces(text, "a"))
    assert refused.value.param == "a"
