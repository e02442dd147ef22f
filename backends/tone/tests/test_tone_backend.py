"""The adapter: what is heard, alone and in company, and how it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voicegw.backend import (
    AudioChunk,
    InvalidRequest,
    RequestMeta,
    SpeechDone,
    SpeechEvent,
    TextTooLong,
    Utterance,
    Voice,
    VoiceSample,
    WordTiming,
)
from voicegw.errors import Unavailable
from voicegw_tone import ToneBackend
from voicegw_tone.synth import DEFAULT, Score, Timbre

RATE = 24_000
TEXTS = [
    "zero",
    "Hello, world!",
    "one two three four five six seven eight nine",
    "你好世界",
    "",
    "...",
    "it's me " * 30,
]


@asynccontextmanager
async def speaking(**config: Any) -> AsyncIterator[ToneBackend]:
    backend = ToneBackend(config)
    await backend.load(lambda _fraction, _what: None)
    try:
        yield backend
    finally:
        await backend.close()


def utterance(text: str, *, words: bool = False, voice: str | None = None, **parameters: Any) -> Utterance:
    return Utterance(RequestMeta("r"), text, words=words, voice=voice, parameters=parameters)


async def hear(backend: ToneBackend, spoken: Utterance, voice: Timbre | None = None) -> list[SpeechEvent]:
    return [event async for event in backend.synthesize(spoken, voice)]


def audio(events: list[SpeechEvent]) -> NDArray[np.int16]:
    parts = [event.pcm.astype(np.int16) for event in events if isinstance(event, AudioChunk)]
    return np.concatenate([np.zeros(0, np.int16), *parts])


def whole(text: str, speed: float = 1.0) -> NDArray[np.int16]:
    score = Score.of(text, DEFAULT, speed)
    return score.audio(0, score.samples)


def dominant(pcm: NDArray[np.int16]) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(pcm))) * RATE / len(pcm))


async def test_loading_tells_the_manifest_and_that_it_is_ready() -> None:
    backend, told = ToneBackend({"slots": 2}), list[tuple[float, str]]()
    info = await backend.load(lambda fraction, what: told.append((fraction, what)))
    assert (info, told) == (ToneBackend.describe({"slots": 2}), [(1.0, "ready")])
    await backend.close()


@pytest.mark.parametrize("step_ms", [5, 80, 1234.5])
async def test_streamed_equals_whole(step_ms: float) -> None:
    async with speaking(step_ms=step_ms) as backend:
        for text in TEXTS:
            events = await hear(backend, utterance(text))
            assert np.array_equal(audio(events), whole(text))
            assert [event for event in events if not isinstance(event, AudioChunk)] == [SpeechDone()]
            sizes = [len(event.pcm) for event in events if isinstance(event, AudioChunk)]
            assert set(sizes[:-1]) <= {round(step_ms * 24)}
        assert backend.steps_done >= len(TEXTS)


@pytest.mark.parametrize("slots", [1, 3, 64])
async def test_many_at_once_equal_each_alone(slots: int) -> None:
    async with speaking(slots=slots) as backend:
        together = await asyncio.gather(*(hear(backend, utterance(text, words=True)) for text in TEXTS * 10))
        alone = [await hear(backend, utterance(text, words=True)) for text in TEXTS]
    for text, one, crowd in zip(TEXTS * 10, alone * 10, together, strict=True):
        assert np.array_equal(audio(crowd), whole(text))
        assert [e for e in crowd if isinstance(e, WordTiming)] == [e for e in one if isinstance(e, WordTiming)]


async def test_joined_mid_flight_equals_alone() -> None:
    long = "one two three four " * 40
    async with speaking() as backend, aclosing(backend.synthesize(utterance(long), None)) as events:
        heard = [await anext(events) for _ in range(7)]
        assert np.array_equal(audio(await hear(backend, utterance("five six"))), whole("five six"))
        heard += [event async for event in events]
    assert np.array_equal(audio(heard), whole(long))


async def test_words_are_timed_to_the_sample_and_not_after_their_sound() -> None:
    text = " Hello, 你 two!"
    async with speaking() as backend:
        events = await hear(backend, utterance(text, words=True, speed=2.0))
    timings = [event for event in events if isinstance(event, WordTiming)]
    assert [(t.start, t.end, text[t.char_start : t.char_end]) for t in timings] == [
        (0, 6000, "Hello"),
        (6000, 12_000, "你"),
        (12_000, 18_000, "two"),
    ]
    heard = 0
    for event in events:
        if isinstance(event, WordTiming):
            assert event.start >= heard
        elif isinstance(event, AudioChunk):
            heard += len(event.pcm)


@pytest.mark.parametrize(("speed", "samples"), [(0.5, 24_000), (1, 12_000), (2.0, 6000)])
async def test_speed_changes_the_length_and_not_the_pitch(speed: float, samples: int) -> None:
    async with speaking() as backend:
        pcm = audio(await hear(backend, utterance("nine", speed=speed)))
    assert (len(pcm), dominant(pcm)) == (samples, 1440)


@pytest.mark.parametrize(("voice", "hz"), [("tone", 1440), ("low", 720), ("high", 2880), ("bright", 1440)])
async def test_each_voice_speaks_at_its_pitch(voice: str, hz: float) -> None:
    async with speaking() as backend:
        assert dominant(audio(await hear(backend, utterance("nine", voice=voice)))) == hz


async def test_a_clone_takes_the_pitch_of_its_sample() -> None:
    at = np.arange(2 * RATE) / RATE
    async with speaking() as backend:
        for hz in (160.0, 400.0):
            sample = VoiceSample((0.3 * np.sin(2 * np.pi * hz * at)).astype(np.float32), RATE)
            prepared = await backend.prepare(Voice.of(sample))
            assert prepared.nbytes > 0
            zero, five = [audio(await hear(backend, utterance(text), prepared.value)) for text in ("zero", "five")]
            assert dominant(zero) == hz
            assert dominant(five) == pytest.approx(hz * 880 / 320, abs=1)


@pytest.mark.parametrize("text", ["a" * 100_000, "a" * 2001, "one " * 501, "你" * 2001])
async def test_text_that_is_too_long_is_refused_before_any_audio(text: str) -> None:
    async with speaking() as backend:
        with pytest.raises(TextTooLong) as caught:
            await hear(backend, utterance(text))
        assert caught.value.fits_chars == 2000
        assert len(audio(await hear(backend, utterance(text[: caught.value.fits_chars])))) > 0
        assert backend.steps_done > 0


@pytest.mark.parametrize("speed", [0.49, 2.01, float("nan"), "1", True, None])
async def test_a_speed_outside_the_range_is_refused(speed: object) -> None:
    async with speaking() as backend:
        with pytest.raises(InvalidRequest) as caught:
            await hear(backend, utterance("one", speed=speed))
    assert caught.value.param == "speed"


async def test_an_unknown_voice_is_refused_by_name() -> None:
    async with speaking() as backend:
        with pytest.raises(InvalidRequest, match="tone, low, high, bright") as caught:
            await hear(backend, utterance("one", voice="alloy"))
    assert caught.value.param == "voice"


async def test_a_listener_who_leaves_frees_the_slot() -> None:
    async with speaking(slots=1) as backend:
        for _ in range(50):
            async with aclosing(backend.synthesize(utterance("one " * 400), None)) as events:
                await anext(events)
        assert np.array_equal(audio(await hear(backend, utterance("two"))), whole("two"))


async def test_closing_leaves_no_thread_and_loading_again_works() -> None:
    before = set(threading.enumerate())
    backend = ToneBackend({})
    for _ in range(2):
        await backend.load(lambda _fraction, _what: None)
        assert np.array_equal(audio(await hear(backend, utterance("one"))), whole("one"))
        await backend.close()
        assert set(threading.enumerate()) == before
    with pytest.raises(Unavailable):
        await hear(backend, utterance("one"))


@pytest.mark.parametrize(
    ("config", "at_least_s"),
    [({"first_audio_ms": 50}, 0.05), ({"rtf": 0.1}, 0.092), ({"first_audio_ms": 30, "rtf": 0.1}, 0.122)],
)
async def test_audio_is_paced_and_the_same(config: Mapping[str, float], at_least_s: float) -> None:
    async with speaking(**config) as backend:
        begun = time.monotonic()
        assert np.array_equal(audio(await hear(backend, utterance("one two"))), whole("one two"))
        assert time.monotonic() - begun >= at_least_s


async def test_paced_streams_speak_at_the_same_time() -> None:
    order: list[str] = []

    async def listen(backend: ToneBackend) -> None:
        async with aclosing(backend.synthesize(utterance("one two"), None)) as events:
            await anext(events)
            order.append("first")
            assert isinstance([event async for event in events][-1], SpeechDone)
            order.append("last")

    async with speaking(rtf=0.3) as backend:
        await asyncio.gather(*(listen(backend) for _ in range(8)))
    assert order == ["first"] * 8 + ["last"] * 8


async def test_a_paced_stream_can_be_left_while_it_waits() -> None:
    async with speaking(slots=1, first_audio_ms=600_000) as backend:
        task = asyncio.create_task(hear(backend, utterance("one")))
        while not backend.steps_done:  # noqa: ASYNC110 - the step is made in a thread that sets no event
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
