"""What a speech tells of itself while it is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from tests.support.pools import INFO, MemoryPool, sound
from voicegw.audio.format import PCM
from voicegw.audio.offloop import encoding_threads
from voicegw.backend import AudioChunk, SpeechDone, SpeechEvent, Utterance
from voicegw.errors import BackendFailed, InvalidRequest, NotFound
from voicegw.services.request import SpeechPolicy, SpeechRequest
from voicegw.services.speech import SpeechService
from voicegw.services.watching import UNWATCHED, SpeechWatch

THREADS = encoding_threads()
GUARD_S = 20.0


@dataclass
class Diary:
    """All that a watch was told, in order."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def asked(self, model: str, characters: int) -> None:
        self.told.append(("asked", model, characters))

    def admitted(self, waited_s: float) -> None:
        self.told.append(("admitted", waited_s))

    def heard(self) -> None:
        self.told.append(("heard",))

    def made(self, audio_s: float, took_s: float | None) -> None:
        self.told.append(("made", round(audio_s, 6), took_s))

    def ran_dry(self) -> None:
        self.told.append(("ran dry",))


async def told(pool: MemoryPool, text: str, **more: Any) -> Diary:
    """Speak all of a text and give what was told; what goes wrong on the way is raised."""
    diary = Diary()
    request = SpeechRequest("memory", text, format=PCM, watch=diary, **more)
    async with asyncio.timeout(GUARD_S):
        speech = await SpeechService(pool, SpeechPolicy(), THREADS).start(request)
        async with aclosing(speech), aclosing(speech.body()) as body:
            async for _ in body:
                pass
    return diary


async def test_from_the_request_to_the_last_utterance() -> None:
    pool = MemoryPool()
    diary = await told(pool, f"{'a' * 40}. {'b' * 20}.")
    assert diary.told == [("asked", "memory", 63), ("admitted", 1.0), ("made", 0.41, 2.0), ("made", 0.21, 2.0)]


async def test_pauses_are_not_what_the_model_made() -> None:
    diary = await told(MemoryPool(), "one. [pause 2s] two.")
    assert [each for each in diary.told if each[0] == "made"] == [("made", 0.04, 2.0), ("made", 0.04, 2.0)]


async def test_audio_counts_as_it_is_heard() -> None:
    diary = await told(MemoryPool(info=replace(INFO, speed=None)), "x" * 40, speed=2.0)
    assert diary.told[-1] == ("made", 0.2, 2.0)


async def test_nothing_is_told_of_a_request_that_no_model_gets() -> None:
    for text, model, error in (("", "memory", InvalidRequest), ("a", "other", NotFound)):
        diary = Diary()
        with pytest.raises(error):
            await SpeechService(MemoryPool(), SpeechPolicy(), THREADS).start(SpeechRequest(model, text, watch=diary))
        assert diary.told == []


async def broken(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    yield AudioChunk(sound(utterance.text))
    raise BackendFailed("broken")


async def test_what_was_made_before_a_failure_counts_without_a_time() -> None:
    diary = Diary()
    speech = await SpeechService(MemoryPool(broken), SpeechPolicy(), THREADS).start(
        SpeechRequest("memory", "x" * 40, format=PCM, watch=diary)
    )
    async with asyncio.timeout(GUARD_S), aclosing(speech), aclosing(speech.body()) as body:
        with pytest.raises(BackendFailed):
            [part async for part in body]
    assert diary.told[2:] == [("made", 0.4, None)]


async def test_what_was_made_for_a_listener_who_left_counts_without_a_time() -> None:
    going_on = asyncio.Event()

    async def half(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        yield AudioChunk(sound(utterance.text))
        await going_on.wait()
        yield SpeechDone()

    diary = Diary()
    speech = await SpeechService(MemoryPool(half), SpeechPolicy(), THREADS).start(
        SpeechRequest("memory", "x" * 40, format=PCM, watch=diary)
    )
    await speech.aclose()
    assert diary.told[2:] == [("made", 0.4, None)]


async def test_a_model_that_falls_behind_is_told() -> None:
    async def slow(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        for _ in range(3):
            yield AudioChunk(sound(utterance.text))
            await asyncio.sleep(0.15)
        yield SpeechDone()

    diary = await told(MemoryPool(slow), "x")
    assert diary.told.count(("ran dry",)) == 2


async def test_a_model_that_is_ahead_never_does() -> None:
    async def quick(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        for _ in range(3):
            yield AudioChunk(np.tile(sound(utterance.text), 2 * round(GUARD_S)))
            await asyncio.sleep(0)
        yield SpeechDone()

    diary = await told(MemoryPool(quick), "x" * 50)
    assert diary.told[2:] == [("made", 3 * GUARD_S, 2.0)]


def test_who_watches_does_not_change_what_is_asked_for() -> None:
    assert SpeechRequest("m", "a", watch=Diary()) == SpeechRequest("m", "a")
    assert SpeechRequest("m", "a").watch is UNWATCHED


async def test_a_speech_that_nobody_watches_is_spoken_the_same() -> None:
    watch: SpeechWatch = UNWATCHED
    assert (watch.heard(), watch.ran_dry()) == (None, None)  # type: ignore[func-returns-value]
    speech = await SpeechService(MemoryPool(), SpeechPolicy(), THREADS).start(SpeechRequest("memory", "a", format=PCM))
    async with aclosing(speech), aclosing(speech.body()) as body:
        assert b"".join([part async for part in body]) == sound("a").tobytes()
