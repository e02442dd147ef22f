"""Checks of what a request may choose: voice, language, speed, parameters, a cloned voice."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from voicegw.backend.conformance.check import Failure, applies, check, require
from voicegw.backend.conformance.stage import SHORT, Model, Stage, audible
from voicegw.backend.contract import Voice, VoiceSample
from voicegw.backend.manifest import Parameter
from voicegw.errors import InvalidRequest

T = TypeVar("T")

_SOME = 8
_SPEED_SHOWS = 1.2
_UNKNOWN_VOICES = ("no such voice", "../../etc/passwd", "a\x00b", "\ud800", "")
_UNKNOWN_LANGUAGES = ("tlh", "xx-Nowhere", "../../etc", "\ud800")


@check
async def every_voice_speaks(stage: Stage) -> None:
    """Each declared voice, of many a sample, is audible."""
    model = await stage.model()
    applies(bool(model.info.voices), "the model has no voices of its own")
    for voice in _some(model.info.voices):
        require(audible(await model.speak(SHORT, voice=voice.id)), f"voice {voice.id!r} is silent")


@check
async def every_language_speaks(stage: Stage) -> None:
    """Each declared language, of many a sample, is audible."""
    model = await stage.model()
    for language in _some(model.info.languages):
        require(audible(await model.speak(SHORT, language=language)), f"language {language!r} is silent")


@check
async def unknown_voice_is_refused_cleanly(stage: Stage) -> None:
    """A voice that the model does not have is refused by InvalidRequest, or another one speaks."""
    model = await stage.model()
    for name in _UNKNOWN_VOICES:
        await _clean(model, f"voice {name!a}", voice=name)


@check
async def unknown_language_is_spoken_or_refused(stage: Stage) -> None:
    """A language that the model does not have is spoken somehow, or refused by InvalidRequest."""
    model = await stage.model()
    for tag in _UNKNOWN_LANGUAGES:
        await _clean(model, f"language {tag!a}", language=tag)


@check
async def speed_is_obeyed(stage: Stage) -> None:
    """Faster is shorter, over the whole native range."""
    model = await stage.model()
    low, high = model.info.speed or (1.0, 1.0)
    applies(high >= _SPEED_SHOWS * low, "speed is not native, or its range too small to be heard")
    slow, fast = [(await model.speak(parameters={"speed": speed})).seconds for speed in (low, high)]
    require(0 < fast < slow, f"at {low:g} a sentence lasts {slow:.2f} s, at {high:g} {fast:.2f} s")


@check
async def parameters_work_in_their_ranges(stage: Stage) -> None:
    """Each parameter works at its least, its greatest and its default value."""
    model = await stage.model()
    tried = [(each, value) for each in model.info.parameters for value in _values(each)]
    applies(bool(tried), "the model has no parameters with values to try")
    for parameter, value in tried:
        name = f"{parameter.name}={value!r}"
        try:
            take = await model.speak(SHORT, parameters={parameter.name: value})
        except Failure:
            raise
        except Exception as error:
            raise Failure(f"{name}: {type(error).__name__}: {error}") from error
        require(take.done is not None, f"{name}: ended without SpeechDone")


@check
async def parameters_are_left_alone(stage: Stage) -> None:
    """What a request says is read, not written: its parameters are the same afterwards."""
    model = await stage.model()
    given = {each.name: each.default for each in model.info.parameters if each.default is not None}
    applies(bool(given), "the model has no parameters with defaults")
    utterance = model.utterance(SHORT, parameters=dict(given))
    await model.speak(SHORT, parameters=utterance.parameters)
    require(dict(utterance.parameters) == given, f"the parameters became {dict(utterance.parameters)}")


@check
async def cloned_voice_speaks(stage: Stage) -> None:
    """A voice that was prepared from a sample is audible."""
    model = await _cloning(stage)
    require(audible(await model.speak(prepared=await model.prepare())), "a cloned voice is silent")


@check
async def prepared_bytes_are_honest(stage: Stage) -> None:
    """A prepared voice tells its size in bytes, not less than the arrays that it holds."""
    model = await _cloning(stage)
    prepared = await model.backend.prepare(Voice.of(model.sample()))
    require(type(prepared.nbytes) is int and prepared.nbytes > 0, f"nbytes is {prepared.nbytes!r}")
    holds = weight(prepared.value)
    require(prepared.nbytes >= holds, f"nbytes is {prepared.nbytes}, the value holds {holds} bytes of data")


@check
async def preparing_again_gives_the_same(stage: Stage) -> None:
    """The same samples give the same voice, whatever was prepared in between."""
    model = await _cloning(stage)
    applies(model.info.determinism != "none", "the model does not repeat itself")
    first = await model.prepare(model.sample(120.0))
    await model.prepare(model.sample(210.0))
    again = await model.prepare(model.sample(120.0))
    same = (await model.speak(prepared=first)).sounds_like(await model.speak(prepared=again))
    require(same, "one voice, prepared twice, sounds different")


@check
async def bad_samples_are_refused_cleanly(stage: Stage) -> None:
    """Silent, overdriven and too short samples make a voice, or are refused by InvalidRequest."""
    model = await _cloning(stage)
    good = model.sample()
    bad = {
        "a silent sample": np.zeros_like(good.samples),
        "an overdriven sample": np.sign(good.samples).astype(np.float32),
        "a sample of ten values": good.samples[:10],
        "a sample without values": good.samples[:0],
    }
    for name, samples in bad.items():
        await _prepares_or_refuses(model, name, dataclasses.replace(good, samples=samples))


async def _prepares_or_refuses(model: Model, name: str, sample: VoiceSample) -> None:
    try:
        await model.prepare(sample)
    except InvalidRequest:
        return
    except Exception as error:
        raise Failure(f"{name} raised {type(error).__name__}: {error}") from error


async def _cloning(stage: Stage) -> Model:
    model = await stage.model()
    applies(model.info.clones, "the model does not clone")
    return model


async def _clean(model: Model, what: str, **fields: Any) -> None:
    try:
        await model.speaks_or_refuses(SHORT, **fields)
    except Failure as failure:
        raise Failure(f"{what}: {failure}") from failure


def _some(items: Sequence[T]) -> list[T]:
    """Pick a few items, the first and the last among them."""
    if len(items) <= _SOME:
        return list(items)
    return [items[round(step * (len(items) - 1) / (_SOME - 1))] for step in range(_SOME)]


def _values(parameter: Parameter) -> list[Any]:
    if parameter.kind == "bool":
        return [False, True]
    if parameter.kind == "enum":
        return _some(parameter.choices)
    bounds = [parameter.minimum, parameter.maximum] if parameter.kind in {"float", "int"} else []
    cast = int if parameter.kind == "int" else (lambda value: value)
    values = [*(cast(bound) for bound in bounds if bound is not None), parameter.default]
    return [value for value in values if value is not None]


def weight(value: Any, seen: set[int] | None = None) -> int:
    """Add up the bytes of all arrays and byte strings that a value holds, each object once.

    Anything with a whole number ``nbytes`` counts as an array; containers and fields of dataclasses are gone through.
    """
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, bytes | bytearray):
        return len(value)
    if isinstance(size := getattr(value, "nbytes", None), int):
        return size
    return sum(weight(part, seen) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return []
