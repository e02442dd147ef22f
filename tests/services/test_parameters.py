"""What becomes of a request's extras."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.support.pools import INFO
from voicegw.backend.manifest import Parameter
from voicegw.errors import InvalidRequest
from voicegw.services.parameters import chosen, refuse_ignored

MODEL = replace(
    INFO,
    parameters=(
        Parameter("temperature", "float", 0.7, 0.0, 2.0),
        Parameter("top_k", "int", 50, 1, 100),
        Parameter("steps", "int"),
        Parameter("denoise", "bool"),
        Parameter("style", "enum", "calm", choices=("calm", "loud")),
        Parameter("note", "str"),
        Parameter("speed", "float", 1.0, 0.5, 2.0),
    ),
)


def test_declared_parameters_reach_the_model_and_others_are_named() -> None:
    extras = {"temperature": "0.5", "top_k": 7.0, "denoise": True, "style": "loud", "note": "x", "nix": 1, "nada": None}
    values, ignored = chosen(MODEL, extras)
    assert values == {"temperature": 0.5, "top_k": 7, "denoise": True, "style": "loud", "note": "x"}
    assert isinstance(values["top_k"], int)
    assert ignored == ("nix",)


@pytest.mark.parametrize(("given", "value"), [("true", True), ("False", False), (True, True), (False, False)])
def test_true_and_false_may_be_text(given: object, value: bool) -> None:
    assert chosen(MODEL, {"denoise": given}) == ({"denoise": value}, ())


def test_an_absent_value_is_not_sent() -> None:
    assert chosen(MODEL, {"temperature": None}) == ({}, ())


def test_speed_is_no_extra() -> None:
    assert chosen(MODEL, {"speed": 1.0}) == ({}, ("speed",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", math.nan),
        ("temperature", "warm"),
        ("temperature", True),
        ("temperature", [1]),
        ("temperature", 10**400),
        ("top_k", 0),
        ("top_k", 1.5),
        ("top_k", 101),
        ("steps", math.inf),
        ("steps", 0.5),
        ("denoise", 1),
        ("denoise", "yes"),
        ("style", "soft"),
        ("style", ["calm"]),
        ("note", 1),
        ("note", {}),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"'{name}' must be") as caught:
        chosen(MODEL, {name: value})
    assert caught.value.param == name


def test_of_a_strict_request_nothing_may_be_without_effect() -> None:
    refuse_ignored("m", ())
    with pytest.raises(InvalidRequest, match="model 'm': 'a', 'b'") as caught:
        refuse_ignored("m", ("a", "b"))
    assert (caught.value.param, caught.value.code) == ("a", "unknown_parameter")
    with pytest.raises(InvalidRequest, match="and 90 more") as caught:
        refuse_ignored("m", tuple(f"{number}{'x' * 1000}" for number in range(100)))
    assert len(caught.value.message) < 1000
    assert len(caught.value.param or "") == 64
