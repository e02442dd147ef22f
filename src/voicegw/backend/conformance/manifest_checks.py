"""Checks of what an adapter says of itself: its manifest, before loading and after."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Sequence

from voicegw.backend.conformance.check import applies, check, require
from voicegw.backend.conformance.stage import Stage
from voicegw.backend.manifest import ModelInfo, Parameter

_RATES = (8000, 48000)
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*|x(-[A-Za-z0-9]{1,8})+")
_TYPES: dict[str, tuple[type, ...]] = {
    "float": (float, int),
    "int": (int,),
    "bool": (bool,),
    "str": (str,),
    "enum": (str,),
}
_NONSENSE = "no_such_key_of_any_model"


@check
async def describe_is_quick(stage: Stage) -> None:
    """The manifest is there within a second, before anything is loaded."""
    took = math.inf
    for _ in range(stage.bounds.tries):
        begun = time.perf_counter()
        stage.describe()
        took = min(took, time.perf_counter() - begun)
        if took <= stage.bounds.describe_s:
            return
    require(False, f"describe took {took:.2f} s, over {stage.bounds.describe_s:g} s")


@check
async def describe_is_stable(stage: Stage) -> None:
    """The same configuration always gives the same manifest."""
    first, second = stage.describe(), stage.describe()
    require(first == second, f"describe changed its mind about {_differing(first, second)}")


@check
async def describe_names_unknown_keys(stage: Stage) -> None:
    """A key that no configuration has is refused by a ValueError that names it."""
    try:
        stage.adapter.describe({**stage.config, _NONSENSE: 1})
    except ValueError as error:
        require(_NONSENSE in str(error), f"the ValueError does not name the unknown key: {error}")
    else:
        require(False, "describe took an unknown key")


@check
async def describe_is_honest(stage: Stage) -> None:
    """The loaded model is what the manifest promised, all but the number of slots."""
    promised, loaded = stage.describe(), (await stage.model()).info
    limits = dataclasses.replace(loaded.limits, slots=promised.limits.slots)
    differing = _differing(promised, dataclasses.replace(loaded, limits=limits))
    require(not differing, f"load gave another {differing} than describe")


@check
async def manifest_has_kind_and_rate(stage: Stage) -> None:
    """The kind is speech, and the sample rate a whole number from 8,000 to 48,000 Hz."""
    info = stage.describe()
    require(info.kind == "speech", f"kind is {info.kind!r}")
    rate = info.sample_rate
    require(type(rate) is int and _RATES[0] <= rate <= _RATES[1], f"sample_rate is {rate!r}")
    require(info.determinism in {"exact", "same_bucket", "none"}, f"determinism is {info.determinism!r}")


@check
async def manifest_has_a_licence(stage: Stage) -> None:
    """Users are told under which licence the model comes."""
    licence = stage.describe().licence
    require(bool(licence.strip()) and licence != "unknown", f"licence is {licence!r}")


@check
async def manifest_languages_are_tags(stage: Stage) -> None:
    """Languages, those of voices too, are BCP 47 tags, each once."""
    info = stage.describe()
    require(bool(info.languages), "no language is declared")
    for whose, tags in [("the model", info.languages), *((voice.id, voice.languages) for voice in info.voices)]:
        odd = [tag for tag in tags if not _TAG.fullmatch(tag)]
        require(not odd, f"{whose} has languages that are no tags: {odd[:3]}")
        require(len(set(tags)) == len(tags), f"{whose} names a language twice: {_twice(tags)}")


@check
async def manifest_voices_are_distinct(stage: Stage) -> None:
    """Voices have an id that no other has, a name, and languages that the model has."""
    info = stage.describe()
    ids = [voice.id for voice in info.voices]
    require(len(set(ids)) == len(ids), f"voice ids are used twice: {_twice(ids)}")
    for voice in info.voices:
        require(bool(voice.id) and bool(voice.name), f"voice {voice.id!r} lacks an id or a name")
        foreign = [tag for tag in voice.languages if tag not in info.languages]
        require(not foreign, f"voice {voice.id!r} speaks {foreign[:3]}, which the model does not declare")


@check
async def manifest_parameters_are_consistent(stage: Stage) -> None:
    """Parameters have distinct names, and defaults inside ranges that are ranges."""
    info = stage.describe()
    names = [parameter.name for parameter in info.parameters]
    require(len(set(names)) == len(names), f"parameters are declared twice: {_twice(names)}")
    for parameter in info.parameters:
        flaw = _flaw(parameter)
        require(not flaw, f"parameter {parameter.name!r}: {flaw}")


@check
async def manifest_speed_is_consistent(stage: Stage) -> None:
    """A native range of speed includes 1, and a parameter named speed has that very range."""
    info = stage.describe()
    declared = next((parameter for parameter in info.parameters if parameter.name == "speed"), None)
    applies(info.speed is not None or declared is not None, "speed is not native")
    require(info.speed is not None, "there is a parameter speed, but no native range of speed")
    low, high = info.speed or (1.0, 1.0)
    require(0 < low <= 1 <= high, f"the range of speed is {low:g} to {high:g}")
    if declared is not None:
        bounds = (declared.minimum, declared.maximum)
        require(bounds == (low, high), f"the parameter speed has the range {bounds}, the manifest {(low, high)}")


@check
async def manifest_limits_are_sane(stage: Stage) -> None:
    """Limits are positive, and a model that clones says how long a sample may be, and no other does."""
    info = stage.describe()
    limits = info.limits
    require(limits.slots >= 1, f"slots is {limits.slots}")
    require(limits.max_chars is None or limits.max_chars >= 1, f"max_chars is {limits.max_chars}")
    require(limits.continuation_bytes >= 0, f"continuation_bytes is {limits.continuation_bytes}")
    require((limits.sample_s is not None) == info.clones, f"clones is {info.clones}, sample_s is {limits.sample_s}")
    low, high = limits.sample_s or (1.0, 1.0)
    require(0 < low <= high, f"sample_s is {limits.sample_s}")


def _flaw(parameter: Parameter) -> str:
    low, high, default = parameter.minimum, parameter.maximum, parameter.default
    if parameter.kind not in _TYPES:
        return f"kind is {parameter.kind!r}"
    if low is not None and high is not None and low > high:
        return f"its range is {low:g} to {high:g}"
    if parameter.kind == "enum" and not parameter.choices:
        return "it has no choices"
    return "" if default is None else _flaw_of_default(parameter)


def _flaw_of_default(parameter: Parameter) -> str:
    default = parameter.default
    wrong_bool = isinstance(default, bool) and parameter.kind != "bool"
    if wrong_bool or not isinstance(default, _TYPES[parameter.kind]):
        return f"its default {default!r} is no {parameter.kind}"
    if parameter.kind == "enum" and default not in parameter.choices:
        return f"its default {default!r} is no choice"
    if parameter.kind in {"float", "int"} and not _within(parameter):
        return f"its default {default!r} is out of its range"
    return ""


def _within(parameter: Parameter) -> bool:
    low = -math.inf if parameter.minimum is None else parameter.minimum
    high = math.inf if parameter.maximum is None else parameter.maximum
    return bool(low <= parameter.default <= high)


def _differing(one: ModelInfo, other: ModelInfo) -> str:
    names = [field.name for field in dataclasses.fields(ModelInfo)]
    return ", ".join(name for name in names if getattr(one, name) != getattr(other, name))


def _twice(names: Sequence[str]) -> str:
    return ", ".join(sorted({name for name in names if names.count(name) > 1})[:3])
