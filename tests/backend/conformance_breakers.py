"""For every check that looks at one request, an adapter that breaks the one rule behind it and no other."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tests.backend.conformance_reference import INFO, RATE, Reference, Timbre
from voicegw.backend import (
    InvalidRequest,
    ModelInfo,
    Parameter,
    Prepared,
    SpeechDone,
    SpeechEvent,
    TextTooLong,
    Utterance,
    Voice,
    VoiceInfo,
)

BREAKERS: dict[str, type[Reference]] = {}
"""By the name of the check that must fail."""

LATE_S = 0.1
"""How long the slow ones are slow."""


def breaks(name: str) -> Callable[[type[Reference]], type[Reference]]:
    """Note for which check an adapter was broken."""

    def note(cls: type[Reference]) -> type[Reference]:
        assert name not in BREAKERS
        BREAKERS[name] = cls
        return cls

    return note


def saying(name: str, **fields: Any) -> None:
    """Break the manifest: the reference, describing itself with other fields."""
    BREAKERS[name] = type(name, (Reference,), {"INFO": dataclasses.replace(INFO, **fields)})


saying("manifest_has_kind_and_rate", sample_rate=float(RATE))
saying("manifest_has_a_licence", licence=" ")
saying("manifest_languages_are_tags", languages=("en", "de-AT", "upper Austrian"))
saying("manifest_voices_are_distinct", voices=(VoiceInfo("low", "Low"), VoiceInfo("low", "Lower")))
saying("manifest_parameters_are_consistent", parameters=(Parameter("volume", "int", 300, 0, 200), INFO.parameters[0]))
saying("manifest_speed_is_consistent", parameters=(Parameter("speed", "float", 1.0, 0.6, 2.0), *INFO.parameters[1:]))
saying("manifest_limits_are_sane", limits=dataclasses.replace(INFO.limits, sample_s=(2.0, 0.5)))


@breaks("marked_words")
class SaysAsWritten(Reference):
    def sounds(self, utterance: Utterance, word: re.Match[str]) -> str:
        assert utterance
        return word.group()


@breaks("describe_is_quick")
class SlowToDescribe(Reference):
    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        info = super().describe(config)
        time.sleep(LATE_S / 2)
        return info


@breaks("describe_is_stable")
class ChangesItsMind(Reference):
    count: ClassVar[Any] = itertools.count(1)

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        limits = dataclasses.replace(super().describe(config).limits, slots=next(cls.count))
        return dataclasses.replace(INFO, limits=limits)


@breaks("describe_names_unknown_keys")
class TakesAnyKey(Reference):
    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        del config
        return INFO


@breaks("describe_is_honest")
class PromisesMore(Reference):
    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        return dataclasses.replace(super().describe(config), revision="2")


@breaks("first_chunk_comes_early")
class MakesAllFirst(Reference):
    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        async with aclosing(super().synthesize(utterance, voice)) as stream:
            events = [event async for event in stream]
        for number, event in enumerate(events):
            await asyncio.sleep(0.01 if number == 0 and len(events) > 20 else 0)
            yield event


@breaks("audio_has_one_form")
class TwoDimensional(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        return super().tone(utterance, voice, word, number)[:, np.newaxis]


@breaks("audio_is_in_range")
class TooLoud(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        pcm = super().tone(utterance, voice, word, number)
        pcm[0] = 2.0
        return pcm


@breaks("audio_is_heard")
class SilentSentences(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        pcm = super().tone(utterance, voice, word, number)
        plain = utterance.language is None and voice is None and len(utterance.text) > 10
        return pcm * 0 if plain else pcm


@breaks("audio_lasts_as_speech_does")
class OtherRateThanDeclared(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        return super().tone(utterance, voice, word, number)[::4]


@breaks("chunks_stay_what_they_were")
class OneBufferForAll(Reference):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.buffer = np.zeros(RATE, np.float32)

    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        pcm = super().tone(utterance, voice, word, number)
        self.buffer[: len(pcm)] = pcm
        return self.buffer[: len(pcm)]


@breaks("done_comes_once_and_last")
class DoneTwice(Reference):
    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        async with aclosing(super().synthesize(utterance, voice)) as events:
            async for event in events:
                yield event
        yield SpeechDone()


@breaks("finish_has_a_known_reason")
class FinishesForNoReason(Reference):
    def done(self, utterance: Utterance) -> SpeechDone:
        reason: Any = "eos"
        return dataclasses.replace(super().done(utterance), finish=reason)


@breaks("continuation_is_bounded")
class ContinuesAtLength(Reference):
    def done(self, utterance: Utterance) -> SpeechDone:
        return dataclasses.replace(super().done(utterance), continuation=b"\0" * 9)


@breaks("words_come_only_when_asked")
class AlwaysTimesWords(Reference):
    def events(self, utterance: Utterance, pcm: NDArray[Any], at: int, span: tuple[int, int]) -> list[SpeechEvent]:
        return super().events(dataclasses.replace(utterance, words=True), pcm, at, span)


@breaks("words_are_spans_of_the_text")
class SpansOfAnotherText(Reference):
    def events(self, utterance: Utterance, pcm: NDArray[Any], at: int, span: tuple[int, int]) -> list[SpeechEvent]:
        return super().events(utterance, pcm, at, (span[0] + 100, span[1] + 100))


@breaks("words_come_in_time")
class WordsAfterTheirChunk(Reference):
    def events(self, utterance: Utterance, pcm: NDArray[Any], at: int, span: tuple[int, int]) -> list[SpeechEvent]:
        return super().events(utterance, pcm, at, span)[::-1]


class _Checking(Reference):
    """Refuses a text in its own, wrong way."""

    def refuses(self, text: str) -> Exception | None:
        raise NotImplementedError

    def check(self, utterance: Utterance) -> None:
        super().check(utterance)
        error = self.refuses(utterance.text)
        if error is not None:
            raise error


@breaks("empty_text")
class EmptyIsAnError(_Checking):
    def refuses(self, text: str) -> Exception | None:
        return None if text else IndexError("no first word")


@breaks("blank_text")
class BlankIsAnError(_Checking):
    def refuses(self, text: str) -> Exception | None:
        return ZeroDivisionError("no words") if text.isspace() else None


@breaks("long_text")
class RefusesWithoutALength(Reference):
    def check(self, utterance: Utterance) -> None:
        if " " in utterance.text and len(utterance.text) > 500:
            raise TextTooLong("too long", fits_chars=len(utterance.text))
        super().check(utterance)


@breaks("unbroken_text")
class NeedsSpaces(_Checking):
    def refuses(self, text: str) -> Exception | None:
        return RecursionError("no place to break") if len(text) > 100 and " " not in text else None


@breaks("control_characters")
class EndsAtNul(_Checking):
    def refuses(self, text: str) -> Exception | None:
        return ValueError("embedded null byte") if "\0" in text else None


@breaks("lone_surrogates")
class EncodesStrictly(_Checking):
    def refuses(self, text: str) -> Exception | None:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return error
        return None


@breaks("emoji")
class OnlyTheBasicPlane(_Checking):
    def refuses(self, text: str) -> Exception | None:
        return KeyError("symbol") if any(ord(char) > 0xFFFF for char in text) else None


@breaks("right_to_left_text")
class OnlyLeftToRight(_Checking):
    def refuses(self, text: str) -> Exception | None:
        return KeyError("letter") if re.search("[\u0590-\u06ff\u202e]", text) else None


@breaks("markup_is_mere_text")
class ObeysMarkup(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        pcm = super().tone(utterance, voice, word, number)
        return np.zeros(60 * RATE, np.float32) if word == "break" else pcm


@breaks("commands_are_mere_text")
class RunsCommands(_Checking):
    def refuses(self, text: str) -> Exception | None:
        if found := re.search(r"touch ([^\s)`]+)", text):
            Path(found[1]).touch()
        return None


@breaks("every_voice_speaks")
class LacksAVoice(Reference):
    def check(self, utterance: Utterance) -> None:
        super().check(utterance)
        if utterance.voice == "high":
            raise InvalidRequest("no such voice", param="voice")


@breaks("every_language_speaks")
class SilentInALanguage(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        return super().tone(utterance, voice, word, number) * (0 if utterance.language == "de-AT" else 1)


@breaks("unknown_voice_is_refused_cleanly")
class LooksVoicesUp(Reference):
    def check(self, utterance: Utterance) -> None:
        if utterance.voice is not None:
            {"low": 1, "high": 2}[utterance.voice]
        super().check(utterance)


@breaks("unknown_language_is_spoken_or_refused")
class LooksLanguagesUp(Reference):
    def check(self, utterance: Utterance) -> None:
        super().check(utterance)
        if utterance.language is not None:
            {"en": 1, "de-AT": 2}[utterance.language]


@breaks("speed_is_obeyed")
class SpeedIsLength(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        given = dict(utterance.parameters)
        given["speed"] = 1 / given.get("speed", 1.0)
        return super().tone(dataclasses.replace(utterance, parameters=given), voice, word, number)


@breaks("parameters_work_in_their_ranges")
class FailsAtTheEdge(Reference):
    def check(self, utterance: Utterance) -> None:
        super().check(utterance)
        if utterance.parameters.get("volume") == 200:
            raise InvalidRequest("too loud", param="volume")


@breaks("parameters_are_left_alone")
class UsesParametersUp(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        given: Any = utterance.parameters
        given.pop("prompt", None)
        return super().tone(utterance, voice, word, number)


@breaks("cloned_voice_speaks")
class SilentClone(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        return super().tone(utterance, voice, word, number) * (1 if voice is None else 0)


@breaks("prepared_bytes_are_honest")
class ForgetsItsArrays(Reference):
    async def prepare(self, voice: Voice) -> Prepared[Timbre]:
        return dataclasses.replace(await super().prepare(voice), nbytes=64)


@breaks("preparing_again_gives_the_same")
class PreparesWithMemory(Reference):
    prepared = 0

    async def prepare(self, voice: Voice) -> Prepared[Timbre]:
        made = await super().prepare(voice)
        self.prepared += 1
        return dataclasses.replace(made, value=dataclasses.replace(made.value, ratio=1 + self.prepared / 10))


@breaks("bad_samples_are_refused_cleanly")
class DividesByLoudness(Reference):
    async def prepare(self, voice: Voice) -> Prepared[Timbre]:
        if not np.any(voice.samples[0].samples):
            raise ZeroDivisionError("float division by zero")
        return await super().prepare(voice)
