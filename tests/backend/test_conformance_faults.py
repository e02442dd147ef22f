"""What else the checks must see: every other way in which an adapter was thought to break a rule, and what is said."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from tests.backend.conformance_reference import INFO, SLOTS, Reference, Timbre
from voicegw.backend import (
    AudioChunk,
    BackendFailed,
    InvalidRequest,
    ModelInfo,
    Parameter,
    Prepared,
    Progress,
    SpeechDone,
    SpeechEvent,
    TextTooLong,
    Utterance,
    Voice,
    VoiceInfo,
    WordTiming,
)
from voicegw.backend.conformance import Bounds, CheckResult, run_checks

QUICK = Bounds(stall_s=0.1, settle_s=0.05, check_s=2.0)
Fault = tuple[str, type[Reference], str]


async def check(name: str, adapter: type[Reference], bounds: Bounds = QUICK) -> CheckResult:
    (result,) = await run_checks(adapter, only=(name,), bounds=bounds)
    return result


def saying(**fields: Any) -> type[Reference]:
    """Make an adapter that describes itself with other fields."""
    return type("Saying", (Reference,), {"INFO": dataclasses.replace(INFO, **fields)})


def parameter(*args: Any, **fields: Any) -> type[Reference]:
    return saying(speed=None, parameters=(Parameter(*args, **fields),))


def limits(**fields: Any) -> type[Reference]:
    return saying(limits=dataclasses.replace(INFO.limits, **fields))


@pytest.mark.parametrize(
    ("name", "adapter", "says"),
    [
        ("manifest_has_kind_and_rate", saying(kind="decode"), "kind is 'decode'"),
        ("manifest_has_kind_and_rate", saying(sample_rate=96000), "sample_rate is 96000"),
        ("manifest_has_kind_and_rate", saying(determinism="mostly"), "determinism is 'mostly'"),
        ("manifest_has_a_licence", saying(licence="unknown"), "licence is 'unknown'"),
        ("manifest_languages_are_tags", saying(languages=()), "no language"),
        ("manifest_languages_are_tags", saying(languages=("en", "en")), "names a language twice: en"),
        ("manifest_languages_are_tags", saying(voices=(VoiceInfo("a", "A", ("en_US",)),)), "a has languages that are"),
        ("manifest_voices_are_distinct", saying(voices=(VoiceInfo("a", ""),)), "voice 'a' lacks"),
        ("manifest_voices_are_distinct", saying(voices=(VoiceInfo("a", "A", ("fr",)),)), "speaks ['fr']"),
        ("manifest_parameters_are_consistent", saying(parameters=INFO.parameters * 2), "declared twice: breath"),
        ("manifest_parameters_are_consistent", parameter("a", "complex"), "kind is 'complex'"),
        ("manifest_parameters_are_consistent", parameter("a", "int", 1, 2, 1), "its range is 2 to 1"),
        ("manifest_parameters_are_consistent", parameter("a", "enum"), "it has no choices"),
        ("manifest_parameters_are_consistent", parameter("a", "int", 1.5), "its default 1.5 is no int"),
        ("manifest_parameters_are_consistent", parameter("a", "int", default=True), "its default True is no int"),
        ("manifest_parameters_are_consistent", parameter("a", "enum", "b", choices=("c",)), "'b' is no choice"),
        ("manifest_speed_is_consistent", parameter("speed", "float"), "but no native range"),
        ("manifest_speed_is_consistent", saying(speed=(1.5, 2.0)), "is 1.5 to 2"),
        ("manifest_limits_are_sane", limits(slots=0), "slots is 0"),
        ("manifest_limits_are_sane", limits(max_chars=0), "max_chars is 0"),
        ("manifest_limits_are_sane", limits(continuation_bytes=-1), "continuation_bytes is -1"),
        ("manifest_limits_are_sane", saying(clones=False), "clones is False, sample_s is (0.5, 2.0)"),
        ("words_come_only_when_asked", saying(words=False), "words is False, and 7 word times came"),
    ],
)
async def test_what_a_manifest_says(name: str, adapter: type[Reference], says: str) -> None:
    result = await check(name, adapter)
    assert not result.passed
    assert says in result.message


class Namelessly(Reference):
    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        if config:
            raise ValueError("bad configuration")
        return INFO


class Unreachable(Reference):
    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        raise TimeoutError(f"no hub for {len(config)} keys")


class QuietLoad(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        del progress
        return INFO


class PercentLoad(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        progress(100, "ready")
        return INFO


class WordlessLoad(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        progress(1.0, None)  # type: ignore[arg-type] # this is the mistake
        return INFO


class CannotLoad(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        progress(0.0, "weights")
        raise OSError("no weights")


def giving(change: Callable[[Any], Any]) -> type[Reference]:
    """Make an adapter whose audio goes through a function."""

    class Giving(Reference):
        def events(self, utterance: Utterance, pcm: Any, at: int, span: tuple[int, int]) -> list[SpeechEvent]:
            del utterance, at, span
            return [AudioChunk(change(pcm))]

    return Giving


def timing(change: Callable[[WordTiming], WordTiming]) -> type[Reference]:
    """Make an adapter whose word times go through a function."""

    class Timing(Reference):
        def events(self, utterance: Utterance, pcm: Any, at: int, span: tuple[int, int]) -> list[SpeechEvent]:
            events = super().events(utterance, pcm, at, span)
            return [change(event) if isinstance(event, WordTiming) else event for event in events]

    return Timing


def ending(*done: Any) -> type[Reference]:
    """Make an adapter whose streams end in these events."""

    class Ending(Reference):
        async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
            async with aclosing(super().synthesize(utterance, voice)) as events:
                async for event in events:
                    if not isinstance(event, SpeechDone):
                        yield event
            for event in done:
                yield event

    return Ending


def checking(change: Callable[[Utterance], Any]) -> type[Reference]:
    """Make an adapter with another check of what is asked."""

    class Checking(Reference):
        def check(self, utterance: Utterance) -> None:
            error = change(utterance)
            if error:
                raise error
            super().check(utterance)

    return Checking


def preparing(change: Callable[[Prepared[Timbre]], Prepared[Timbre]]) -> type[Reference]:
    """Make an adapter whose prepared voices go through a function."""

    class Preparing(Reference):
        async def prepare(self, voice: Voice) -> Prepared[Timbre]:
            return change(await super().prepare(voice))

    return Preparing


class OneChunk(Reference):
    def check(self, utterance: Utterance) -> None:
        super().check(utterance)

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        async with aclosing(super().synthesize(utterance, voice)) as events:
            chunks: list[Any] = [event.pcm async for event in events if isinstance(event, AudioChunk)]
        yield AudioChunk(np.concatenate(chunks))
        yield SpeechDone()


class Hanging(Reference):
    async def step(self) -> None:
        await asyncio.get_running_loop().create_future()


class Swallowing(Reference):
    async def step(self) -> None:
        try:
            await super().step()
        except asyncio.CancelledError:
            self.swallowed = True


class Translating(Reference):
    async def step(self) -> None:
        try:
            await super().step()
        except asyncio.CancelledError:
            raise BackendFailed("cancelled") from None


class Stubborn(Reference):
    async def step(self) -> None:
        try:
            await super().step()
        except asyncio.CancelledError:
            await asyncio.sleep(0.3)
            raise


class LateRefusal(Reference):
    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        if utterance.words is False and len(utterance.text) > 500:
            yield WordTiming(0, 1, 0, 1)
        async with aclosing(super().synthesize(utterance, voice)) as events:
            async for event in events:
                yield event


class OneLess(Reference):
    def check(self, utterance: Utterance) -> None:
        raise TextTooLong("too long", fits_chars=len(utterance.text) - 1)


class NothingAtAll(Reference):
    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        del utterance, voice
        nothing: list[SpeechEvent] = []
        for event in nothing:
            yield event


class Ticking(Reference):
    """Never repeats itself; each request is twice as long as the one before."""

    INFO = dataclasses.replace(INFO, determinism="none")
    factor = 1

    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> Any:
        self.factor *= 3 if number == 0 else 1
        return np.tile(super().tone(utterance, voice, word, number), self.factor)


def moved(**fields: int) -> type[Reference]:
    return timing(lambda word: dataclasses.replace(word, **fields))


def backwards(word: WordTiming) -> WordTiming:
    start = 1000 - 10 * word.char_start
    return dataclasses.replace(word, start=start, end=start + 1)


FAULTS: list[Fault] = [
    ("describe_names_unknown_keys", Namelessly, "does not name the unknown key"),
    ("load_tells_its_progress", QuietLoad, "never called progress"),
    ("load_tells_its_progress", PercentLoad, "fractions outside 0 to 1: [100]"),
    ("load_tells_its_progress", WordlessLoad, "as a string"),
    ("describe_is_honest", CannotLoad, "OSError: no weights"),
    ("first_chunk_comes_early", OneChunk, "came in 1 chunk"),
    ("audio_has_one_form", giving(list), "a chunk is a list"),
    ("audio_has_one_form", giving(lambda pcm: pcm.astype(np.float64)), "the type float64"),
    ("audio_has_one_form", giving(lambda pcm: pcm.astype(np.int16 if len(pcm) % 2 else np.int32)), "the type int32"),
    ("audio_is_in_range", giving(lambda pcm: pcm * np.nan), "not finite"),
    ("audio_is_in_range", giving(lambda pcm: pcm * 10000), "the peak is"),
    ("audio_is_heard", giving(lambda pcm: pcm[:0]), "seven words are silent"),
    ("audio_lasts_as_speech_does", giving(lambda pcm: np.tile(pcm, 200)), "seven words last 70.00 s"),
    ("done_comes_once_and_last", ending(), "SpeechDone came 0 times"),
    ("done_comes_once_and_last", ending(SpeechDone(), AudioChunk(np.zeros(1, np.int16))), "1 events came after"),
    ("done_comes_once_and_last", ending("stop", SpeechDone()), "unknown kinds: str"),
    ("continuation_is_bounded", ending(SpeechDone(continuation="0")), "a continuation is a str"),  # type: ignore[arg-type] # the mistake
    ("words_are_spans_of_the_text", moved(char_end=0), "is no span of the text"),
    ("words_are_spans_of_the_text", moved(char_start=3, char_end=4), "names ' '"),
    ("words_are_spans_of_the_text", moved(end=0), "ends before it starts"),
    ("words_are_spans_of_the_text", moved(end=10**6), "lies beyond"),
    ("words_are_spans_of_the_text", timing(backwards), "comes after a later word"),
    ("empty_text", ending(AudioChunk(np.ones(80000, np.int16)), SpeechDone()), "'' made 10.0 s of audio"),
    ("empty_text", ending(), "'': ended without SpeechDone"),
    ("long_text", LateRefusal, "TextTooLong came after the first event"),
    ("long_text", OneLess, "cut 16 times"),
    ("long_text", NothingAtAll, "gave no event"),
    ("parameters_work_in_their_ranges", ending(), "speed=0.5: ended without SpeechDone"),
    ("prepared_bytes_are_honest", preparing(lambda made: dataclasses.replace(made, nbytes=0)), "nbytes is 0"),
    ("empty_text", checking(lambda _it: TimeoutError("no licence server")), "TimeoutError: no licence server"),
    ("manifest_has_a_licence", Unreachable, "TimeoutError: no hub"),
    ("every_voice_speaks", saying(voices=[VoiceInfo(f"{n}", "N") for n in range(20)]), "InvalidRequest: no such voice"),
    ("marked_words", checking(lambda it: it.marks and InvalidRequest("?")), "the sounds of the IPA are refused"),
    ("marked_words", checking(lambda it: it.marks and OSError("?")), "raised OSError: ?"),
    ("unknown_voice_is_refused_cleanly", checking(lambda it: it.voice and BackendFailed("?")), "BackendFailed: ?"),
    ("parameters_work_in_their_ranges", Hanging, "a stream gave nothing for 0.1 s"),
    ("unknown_language_is_spoken_or_refused", Hanging, "a stream gave nothing for 0.1 s"),
    ("error_stays_alone", Hanging, "a stream gave nothing for 0.1 s"),
    ("cancel_between_chunks", Hanging, "no audio came within 0.1 s"),
    ("cancel_inside_anext", Swallowing, "CancelledError was swallowed"),
    ("cancel_inside_anext", Translating, "ended in BackendFailed: cancelled"),
    ("cancel_inside_anext", Stubborn, "had not ended after 0.1 s"),
    ("cancel_between_chunks", NothingAtAll, "after cancelled streams there is no audio"),
    ("slots_run_at_the_same_time", CannotLoad, "OSError: no weights"),
    ("repeats_itself_as_claimed", Ticking, "one text lasts"),
    ("company_changes_nothing", checking(lambda it: it.text == "Eight nine ten." and OSError("?")), "OSError: ?"),
]


@pytest.mark.parametrize(("name", "adapter", "says"), FAULTS, ids=[f"{name}-{says}" for name, _, says in FAULTS])
async def test_the_message_tells_what_went_wrong(name: str, adapter: type[Reference], says: str) -> None:
    result = await check(name, adapter)
    assert not result.passed
    assert result.applicable
    assert says in result.message


async def test_an_error_in_company_is_told_by_its_own_name() -> None:
    class FailsInCompany(Reference):
        async def step(self) -> None:
            await super().step()
            if self.slots._value < SLOTS - 1:
                raise OSError("too many")

    assert "OSError: too many" in (await check("slots_run_at_the_same_time", FailsInCompany)).message
    assert "another one raised OSError" in (await check("error_stays_alone", FailsInCompany)).message


async def test_a_check_that_takes_too_long_fails() -> None:
    class LoadsForEver(Reference):
        async def load(self, progress: Progress) -> ModelInfo:
            await super().load(progress)
            await asyncio.get_running_loop().create_future()
            return INFO

    result = await check("describe_is_honest", LoadsForEver, Bounds(check_s=0.05))
    assert (result.passed, result.message) == (False, "not done within 0.05 s")


async def test_a_close_that_fails_spoils_no_other_check() -> None:
    class CannotClose(Reference):
        async def close(self) -> None:
            raise OSError("busy")

    results = await run_checks(CannotClose, only=("empty_text", "close_may_be_called_twice", "emoji"), bounds=QUICK)
    assert {result.name: result.message for result in results if not result.passed} == {
        "close_may_be_called_twice": "OSError: busy"
    }
