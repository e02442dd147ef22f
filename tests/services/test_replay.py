"""Speech that did not arrive, asked for again: the same bytes and words, and nothing from the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from starlette.types import Message

from tests.support.pools import INFO, MemoryPool, Script, sound, speak
from voicegw.api.openai.spoken import SpeechResponse
from voicegw.audio.format import FORMATS, MP3, OPUS, PCM, WAV, AudioFormat
from voicegw.audio.offloop import encoding_threads
from voicegw.backend import AudioChunk, SpeechDone, SpeechEvent, Utterance
from voicegw.errors import BackendFailed, Cancelled
from voicegw.services.results import Results
from voicegw.services.speech import Speech, SpeechPolicy, SpeechRequest, SpeechService
from voicegw.services.words import SpeechPart

THREADS = encoding_threads(1)
WAIT_S = 20.0
LONG = " ".join(f"This is sentence number {number}." for number in range(6))


def at_random() -> Script:
    """Make a model that never says the same twice."""
    source = np.random.default_rng(7)

    async def script(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        pcm = sound(utterance.text)
        yield AudioChunk((pcm * source.random()).astype(np.int16))
        yield SpeechDone()

    return script


def service(pool: MemoryPool, results: Results, *, ahead_s: float = 4.0) -> SpeechService:
    return SpeechService(pool, SpeechPolicy(ahead_s=ahead_s), THREADS, results=results)


def asking(text: str = LONG, target: AudioFormat = PCM, **more: Any) -> SpeechRequest:
    return replace(SpeechRequest("memory", text, format=target), **more)


async def read(speech: Speech) -> list[SpeechPart]:
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.parts()) as parts:
        return [part async for part in parts]


@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
@pytest.mark.parametrize("more", [{}, {"speed": 3.0}, {"words": True, "events": True}], ids=str)
async def test_it_is_what_the_first_one_was(target: AudioFormat, more: dict[str, Any]) -> None:
    pool = MemoryPool(at_random())
    speaks = service(pool, Results(10**7, 60), ahead_s=60)
    first = await speaks.start(asking(target=target, **more))
    told = await read(first)
    first.settle(delivered=False)
    asked = len(pool.heard)
    again = await speaks.start(asking(target=target, extras={"user": "x"}, **more))
    assert (first.repeated, again.repeated) == (False, True)
    same = ("model", "voice", "format", "sample_rate", "seconds", "size")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]
    assert (again.first_audio_at, again.ignored) == (None, ("user",))
    assert await read(again) == told
    assert len(pool.heard) == asked
    assert any(isinstance(part, tuple) for part in told) == bool(more.get("words"))
    anew = await read(await speaks.start(asking(target=target, **more)))
    assert anew != told


async def test_warnings_are_told_again() -> None:
    speaks = service(MemoryPool(), Results(10**7, 60))
    first = await speaks.start(asking(language="xx", tries=0))
    await read(first)
    first.settle(delivered=True)
    again = await speaks.start(asking(language="xx", tries=1))
    assert again.repeated
    assert again.warnings == first.warnings != ()


async def test_the_revision_of_the_model_counts() -> None:
    pool = MemoryPool()
    speaks = service(pool, Results(10**7, 60))
    await read(await speaks.start(asking(tries=0)))
    assert (await speaks.start(asking(tries=1))).repeated
    pool.info = replace(INFO, revision="2")
    speech = await speaks.start(asking(tries=1))
    assert not speech.repeated
    await speech.aclose()


async def at_once(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    yield AudioChunk(sound(utterance.text))
    yield SpeechDone()


async def mute(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    assert utterance.text
    yield SpeechDone()


async def fails(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    yield AudioChunk(sound(utterance.text))
    await asyncio.sleep(0)
    raise BackendFailed("broken")


async def test_silence_instead_of_audio_is_not_kept() -> None:
    results = Results(10**7, 60)
    speaks = service(MemoryPool(mute), results)
    for tries in range(2):
        speech = await speaks.start(asking("...", tries=tries))
        assert not speech.keepable
        await read(speech)
        speech.settle(delivered=False)
        assert not speech.repeated
    assert results.nbytes == 0


async def test_a_failure_is_not_kept() -> None:
    results = Results(10**7, 60)
    speaks = service(MemoryPool(fails), results)
    for tries in range(2):
        speech = await speaks.start(asking("a b c", tries=tries))
        with pytest.raises(BackendFailed):
            await read(speech)
        assert not speech.keepable
        assert not speech.repeated
    assert results.nbytes == 0


async def test_what_is_not_read_to_its_end_is_not_kept() -> None:
    results = Results(10**7, 60)
    speaks = service(MemoryPool(), results, ahead_s=60)
    speech = await speaks.start(asking(tries=0))
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.parts()) as parts:
        await anext(parts)
        assert results.nbytes > 0
    assert results.nbytes == 0
    again = await speaks.start(asking(tries=1))
    assert not again.repeated
    await again.aclose()


async def test_without_room_for_results_nothing_is_kept() -> None:
    speaks = SpeechService(MemoryPool(), SpeechPolicy(), THREADS)
    for tries in range(2):
        speech = await speaks.start(asking(tries=tries))
        assert not speech.keepable
        await read(speech)
        speech.settle(delivered=False)
        assert not speech.repeated


class Line:
    """A connection whose client leaves once it was sent so many messages; what is sent then is lost."""

    def __init__(self, messages: int = 1 << 30) -> None:
        self._left = asyncio.Event()
        self._most = messages
        self.got: list[Message] = []

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._left.is_set():
            return
        self.got.append(message)
        if len(self.got) >= self._most:
            self._left.set()
            await asyncio.sleep(0)  # as a server that waits for its buffers

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.got[0]["headers"])


async def answered(speaks: SpeechService, request: SpeechRequest, line: Line) -> Line:
    async with asyncio.timeout(WAIT_S):
        await SpeechResponse(speaks, request)({"type": "http"}, line.receive, line.send)
    return line


@pytest.mark.parametrize("events", [False, True], ids=["audio", "events"])
@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
async def test_wherever_the_client_leaves_the_rest_is_made_without_it_and_kept(
    target: AudioFormat, *, events: bool
) -> None:
    """The model is done when the first byte leaves; nothing is lost even where a slice is in an encoder's thread."""
    request = asking(target=target, events=events, words=events)
    whole = await answered(service(MemoryPool(at_once), Results(0, 1), ahead_s=60), request, Line())
    for messages in range(1, len(whole.got) + 1):
        pool, results = MemoryPool(at_once), Results(10**7, 60)
        speaks = service(pool, results, ahead_s=60)
        cut = await answered(speaks, request, Line(messages))
        assert whole.body.startswith(cut.body)
        asked = len(pool.heard)
        again = await answered(speaks, request, Line())
        assert again.headers.get(b"x-voicegw-cache") == b"hit", messages
        assert again.body == whole.body
        assert len(pool.heard) == asked
        assert again.headers.get(b"content-length") == whole.headers.get(b"content-length")
        assert results.nbytes == 0  # it has arrived, and its client does not count


async def test_who_leaves_before_the_model_is_done_cancels_it() -> None:
    gate = asyncio.Event()

    async def waits(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        async for event in speak(utterance):
            if isinstance(event, SpeechDone):
                await gate.wait()
            yield event

    pool, results = MemoryPool(waits), Results(10**7, 60)
    speaks = service(pool, results)
    with pytest.raises(Cancelled):
        await answered(speaks, asking("one two"), Line(2))
    assert (pool.running, results.nbytes) == (0, 0)
    gate.set()
    assert b"x-voicegw-cache" not in (await answered(speaks, asking("one two"), Line())).headers


async def test_who_leaves_with_more_than_can_be_kept_cancels_it() -> None:
    pool, results = MemoryPool(at_once), Results(8 * 3000, 60)
    with pytest.raises(Cancelled):
        await answered(service(pool, results, ahead_s=60), asking(target=MP3), Line(9))
    assert results.nbytes == 0


@pytest.mark.parametrize("target", [PCM, WAV, OPUS], ids=lambda target: str(target.name))
async def test_a_repeat_that_is_lost_as_well_can_be_had_again(target: AudioFormat) -> None:
    pool, results = MemoryPool(at_once), Results(10**7, 60)
    speaks = service(pool, results, ahead_s=60)
    for messages in (2, 2, 3):
        await answered(speaks, asking(target=target), Line(messages))
    asked = len(pool.heard)
    line = await answered(speaks, asking(target=target), Line())
    assert line.headers[b"x-voicegw-cache"] == b"hit"
    assert len(pool.heard) == asked
    assert "".join(utterance.text for utterance in pool.heard).replace(" ", "") == LONG.replace(" ", "")
