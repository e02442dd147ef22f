"""When words are heard: their spans, the order of their times, and the clock on which they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.support.pools import INFO, MemoryPool, Script, refuse_over, sound, speak
from voicegw.audio.format import FORMATS, PCM, AudioFormat
from voicegw.audio.offloop import encoding_threads
from voicegw.audio.pipeline import AudioPipeline
from voicegw.backend import AudioChunk, ModelInfo, SpeechDone, SpeechEvent, Utterance, WordTiming
from voicegw.services.speech import SpeechPolicy, SpeechRequest, SpeechService
from voicegw.services.words import SpeechPart, TimedWord, WordTrack, words_of
from voicegw.text.segment import Segment

THREADS = encoding_threads(1)
WAIT_S = 20.0
TIMING = replace(INFO, words=True)
LONG = " ".join(f"This is sentence number {number}, one of some." for number in range(12))


async def timed(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    """Speak 10 ms per character, every word from its first to its last, told before the chunk that it starts in."""
    assert utterance.words
    pcm = sound(utterance.text)
    spans = list(words_of(utterance.text))
    for at in range(0, len(pcm), 2400):
        for start, end in spans:
            if at <= 240 * start < at + 2400:
                yield WordTiming(240 * start, 240 * end, start, end)
        yield AudioChunk(pcm[at : at + 2400], at=1.0)
        await asyncio.sleep(0)
    yield SpeechDone()


async def spoken(
    script: Script = timed,
    info: ModelInfo = TIMING,
    text: str = "one two",
    target: AudioFormat = PCM,
    *,
    words: bool = True,
    **more: object,
) -> tuple[list[SpeechPart], list[Utterance]]:
    pool = MemoryPool(script, info)
    request = replace(SpeechRequest("memory", text, format=target, words=words), **more)  # type: ignore[arg-type]  # fields
    speech = await SpeechService(pool, SpeechPolicy(), THREADS).start(request)
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.parts()) as parts:
        return [part async for part in parts], pool.heard


def told(parts: list[SpeechPart]) -> list[TimedWord]:
    return [word for part in parts if not isinstance(part, bytes) for word in part]


def seconds(parts: list[SpeechPart]) -> float:
    """Give the length of what was sent as PCM."""
    return sum(len(part) for part in parts if isinstance(part, bytes)) / 48_000


def check_order(words: list[TimedWord]) -> None:
    assert words
    assert all(word.start <= word.end for word in words)
    assert all(before.end <= after.start for before, after in pairwise(words))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One, two!", ["One", "two"]),
        ("it's state-of-the-art -- 3.14 \u20ac5", ["it's", "state-of-the-art", "3.14", "5"]),
        ("well\u2014then", ["well", "then"]),
        ("\u4f60\u597d\uff0cabc", ["\u4f60", "\u597d", "abc"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940\u0964", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),
        ("cafe\u0301!", ["cafe\u0301"]),
        ("... !? \U0001f600 \ud800", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in words_of(text)] == found


async def test_the_models_times_are_told_to_the_sample() -> None:
    parts, heard = await spoken(text="one two")
    assert [utterance.words for utterance in heard] == [True]
    assert told(parts) == [TimedWord("one", 0.0, 0.03, "model"), TimedWord("two", 0.04, 0.07, "model")]


async def test_times_go_on_over_utterances() -> None:
    parts, heard = await spoken(text=LONG)
    assert len(heard) > 5
    words = told(parts)
    check_order(words)
    assert [word.word for word in words] == [LONG[start:end] for start, end in words_of(LONG)]
    assert words[-1].end == pytest.approx(seconds(parts) - 0.01)  # a full stop follows
    begun = 0
    for utterance in heard:  # the first word of each starts where its audio does
        assert begun / 100 in [word.start for word in words]
        begun += len(utterance.text)


@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
@pytest.mark.parametrize("more", [{}, {"sample_rate": 16_000}, {"speed": 3.0}, {"speed": 0.4}], ids=str)
async def test_a_word_is_told_before_the_bytes_that_hold_its_end(target: AudioFormat, more: dict[str, Any]) -> None:
    info = replace(TIMING, speed=None, sample_rate=24_000)
    parts, _ = await spoken(info=info, text=LONG, target=target, **more)
    check_order(told(parts))
    if target is not PCM:
        return
    rate, sent, last = 2 * more.get("sample_rate", 24_000), 0, 0.0
    slack = 0.06 if "speed" in more else 0.0005
    pending = [word.end for word in told(parts)]
    for part in parts:
        if isinstance(part, bytes):
            sent += len(part)
            assert not pending or pending[0] >= sent / rate - slack
        else:
            last = part[-1].end
            del pending[: len(part)]
    assert last <= sent / rate


@pytest.mark.parametrize("speed", [0.4, 2.0])
async def test_times_are_those_of_the_stretched_audio(speed: float) -> None:
    info = replace(TIMING, speed=None)
    plain, _ = await spoken(info=info, text=LONG)
    parts, _ = await spoken(info=info, text=LONG, speed=speed)
    for before, after in zip(told(plain), told(parts), strict=True):
        assert after.start == pytest.approx(before.start / speed, abs=0.08)
        assert after.end == pytest.approx(before.end / speed, abs=0.08)


async def test_what_the_model_does_not_tell_is_estimated_by_characters() -> None:
    parts, heard = await spoken(speak, INFO, text="one, three")
    assert [utterance.words for utterance in heard] == [False]
    assert told(parts) == [TimedWord("one", 0.0, 0.03, "estimate"), TimedWord("three", 0.05, 0.1, "estimate")]


async def test_estimates_span_each_measured_utterance() -> None:
    parts, heard = await spoken(speak, INFO, text=LONG)
    words = told(parts)
    check_order(words)
    assert len(heard) > 5
    assert [word.word for word in words] == [LONG[start:end] for start, end in words_of(LONG)]
    assert {word.source for word in words} == {"estimate"}
    first, *_ = [index for index, part in enumerate(parts) if not isinstance(part, bytes)]
    assert first < len(parts) - 2  # with its utterance, not at the end


async def test_a_model_that_tells_nothing_of_an_utterance_is_helped_out() -> None:
    async def shy(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        async for event in speak(utterance):
            yield event

    parts, _ = await spoken(shy, text="one two")
    assert [(word.word, word.source) for word in told(parts)] == [("one", "estimate"), ("two", "estimate")]


async def test_what_is_split_again_keeps_its_places() -> None:
    parts, heard = await spoken(refuse_over(10), replace(INFO, limits=replace(INFO.limits, max_chars=40)), text=LONG)
    assert max(len(utterance.text) for utterance in heard) > 10
    words = told(parts)
    check_order(words)
    assert [word.word for word in words] == [LONG[start:end] for start, end in words_of(LONG)]


async def test_words_of_an_utterance_that_was_refused_are_forgotten() -> None:
    async def rash(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        yield WordTiming(0, 10, 0, 1)
        async for event in refuse_over(10)(utterance):
            yield event

    parts, heard = await spoken(rash, text="abc defghij klm")
    assert len(heard) > 2
    assert [word.word for word in told(parts)] == [
        utterance.text[0] for utterance in heard if len(utterance.text) <= 10
    ]


async def test_times_out_of_order_or_beyond_the_end_are_put_right() -> None:
    async def odd(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        yield WordTiming(1000, 1600, 0, 3)
        yield WordTiming(200, 1400, 4, 7)
        yield WordTiming(10**9, 10**9 + 5, 4, 7)
        yield AudioChunk(sound(utterance.text))
        yield SpeechDone()

    parts, _ = await spoken(odd, text="one two")
    words = told(parts)
    check_order(words)
    assert len(words) == 3
    assert words[-1].end <= seconds(parts)


async def test_audio_is_the_same_with_words_and_without() -> None:
    for script, info in ((timed, TIMING), (speak, INFO)):
        parts, _ = await spoken(script, info, text=LONG)
        plain, _ = await spoken(speak, info, text=LONG, words=False)
        assert b"".join(p for p in parts if isinstance(p, bytes)) == b"".join(p for p in plain if isinstance(p, bytes))
        assert not told(plain)


async def test_words_nobody_asked_for_are_not_told() -> None:
    async def eager(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        yield WordTiming(0, 10, 0, 1)
        async for event in speak(utterance):
            yield event

    parts, heard = await spoken(eager, words=False)
    assert not told(parts)
    assert not heard[0].words


async def test_silence_in_place_of_words_has_none() -> None:
    parts, _ = await spoken(text="...")
    assert not told(parts)


def test_what_the_caller_did_not_write_is_not_told() -> None:
    track = WordTrack(lambda start, _: "" if start else "a")
    pipeline = AudioPipeline(24_000, PCM)
    track.begin(Segment("ab cd", 0, 5), 0)
    pipeline.push(np.zeros(100, np.int16))
    track.end(100)
    assert [word.word for word in track.due(pipeline)] == ["a"]
    assert track.rest(pipeline) == ()


def joined(*known: tuple[int, int, int, int], at: int = 1300) -> tuple[list[TimedWord], list[TimedWord]]:
    """Tell words of a text in which "engine x" stands together: those due when ``at`` is sent, and the rest."""
    text, pipeline = "an engine x a", AudioPipeline(24_000, PCM)
    track = WordTrack(lambda start, end: text[start:end], lambda place: 11 if 3 <= place < 11 else place + 1)
    track.begin(Segment(text, 0, len(text)), 0)
    for timing in known:
        track.add(WordTiming(*timing))
        track.heard()
    pipeline.push(np.zeros(at, np.int16))
    return list(track.due(pipeline)), list(track.rest(pipeline))


def test_words_that_stand_together_are_told_as_one() -> None:
    due, rest = joined((0, 200, 0, 2), (200, 600, 3, 9), (700, 1000, 10, 11), (1000, 1200, 12, 13))
    assert [(word.word, word.start, word.end) for word in due] == [
        ("an", 0.0, 0.0083),
        ("engine x", 0.0083, 0.0417),
        ("a", 0.0417, 0.05),
    ]
    assert not rest


def test_one_more_of_them_is_waited_for_and_nothing_else() -> None:
    due, rest = joined((0, 200, 0, 2), (200, 600, 3, 9))
    assert ([word.word for word in due], [word.word for word in rest]) == (["an"], ["engine"])
    due, rest = joined((0, 200, 0, 2), (200, 600, 3, 9), (1000, 1200, 12, 13))
    assert [word.word for word in due] == ["an", "engine", "a"]


def test_words_that_stand_together_are_told_when_the_last_of_them_has_left() -> None:
    due, rest = joined((0, 200, 0, 2), (200, 600, 3, 9), (700, 1000, 10, 11), at=900)
    assert ([word.word for word in due], [word.word for word in rest]) == (["an"], ["engine x"])


def test_those_that_are_left_at_the_end_are_joined_too() -> None:
    _, rest = joined((200, 600, 3, 9), (700, 1000, 10, 11), at=0)
    assert [word.word for word in rest] == ["engine x"]
