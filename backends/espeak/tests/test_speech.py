"""Speaking: streamed, cancelled, slower and faster, one at a time, and nothing left behind."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import threading
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from backends.espeak.tests.speaking import loaded, resident_kib, speak, utterance
from voicegw.backend import BackendFailed, InvalidRequest, Voice
from voicegw_espeak import EspeakBackend, engine, library
from voicegw_espeak.engine import Feed

FOX = "The quick brown fox jumps over the lazy dog and runs away."
SEQUENCE = (FOX.rstrip("."), "Hello, world", "One. Two. Three")

WHOLE = """
import hashlib, sys
from voicegw_espeak import library
library.initialize(int(sys.argv[1]))
digest = hashlib.sha256()
for text in sys.argv[2:]:
    library.set_voice("gmw/en-US")
    for setting, value in zip(library.Setting, (175, 100, 50, 0)):
        library.set_parameter(setting, value)
    library.synthesize(text, lambda pcm, marks: (digest.update(pcm.tobytes()), True)[1])
print(digest.hexdigest())
"""
STREAMED = """
import asyncio, hashlib, sys
from backends.espeak.tests.speaking import loaded, speak
async def main():
    digest = hashlib.sha256()
    async with loaded() as backend:
        for text in sys.argv[1:]:
            digest.update((await speak(backend, text)).pcm.tobytes())
    print(digest.hexdigest())
asyncio.run(main())
"""


def fresh(script: str, *args: str) -> str:
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_streamed_equals_whole_in_fresh_processes() -> None:
    streamed = fresh(STREAMED, *SEQUENCE)
    assert len(streamed) == len(hashlib.sha256().hexdigest())
    assert streamed == fresh(STREAMED, *SEQUENCE)
    assert streamed == fresh(WHOLE, str(engine.BUFFER_MS), *SEQUENCE)
    assert streamed != fresh(WHOLE, str(engine.BUFFER_MS), *SEQUENCE[::-1])


async def test_audio_comes_in_small_chunks(espeak: EspeakBackend) -> None:
    take = await speak(espeak, FOX)
    assert len(take.chunks) > 20
    assert 0 < max(map(len, take.chunks)) <= 22050 * engine.BUFFER_MS // 1000 + 1
    assert {chunk.dtype for chunk in take.chunks} == {np.dtype(np.int16)}


@pytest.mark.parametrize("text", ["Hello world.", "Ah", "Is it? No!", FOX])
async def test_audio_begins_and_ends_near_zero(espeak: EspeakBackend, text: str) -> None:
    for voice in ("en-us", "es", "f3", "klatt"):
        take = await speak(espeak, text, voice=voice)
        assert abs(int(take.pcm[0])) < 1000  # 3 % of full scale: the first sample of a vowel
        assert abs(int(take.pcm[-1])) < 500


async def test_cancelling_stops_within_a_buffer(espeak: EspeakBackend) -> None:
    async with aclosing(espeak.synthesize(utterance("word " * 900))) as stream:
        await anext(stream)
    made = espeak.steps_done
    whole = len((await speak(espeak, "after")).chunks)
    assert espeak.steps_done - made - whole <= 2  # the buffer being made, and the last one, which is empty


async def test_cancelling_a_task_that_waits_frees_the_voice(espeak: EspeakBackend) -> None:
    first = espeak.synthesize(utterance("word " * 900))
    await anext(first)  # holds the thread: its reader reads no more
    waiting = asyncio.create_task(speak(espeak, "never heard"))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await first.aclose()
    assert len((await speak(espeak, "after")).pcm) > 0


async def test_a_slow_reader_holds_the_synthesis_back(espeak: EspeakBackend) -> None:
    before = espeak.steps_done
    async with aclosing(espeak.synthesize(utterance("word " * 900))) as stream:
        await anext(stream)
        await asyncio.sleep(0.2)
        held = espeak.steps_done - before
        assert held <= engine._AHEAD + 2
        async for _ in stream:
            pass
    assert espeak.steps_done - before > 10 * held


async def test_cancelling_while_the_synthesis_waits_for_room_frees_the_voice(espeak: EspeakBackend) -> None:
    async with aclosing(espeak.synthesize(utterance("word " * 900, words=True))) as stream:
        await anext(stream)
        made = -1
        while made != espeak.steps_done:  # until the thread waits, holding the audio of a word back
            made = espeak.steps_done
            await asyncio.sleep(0.05)
    assert len((await asyncio.wait_for(speak(espeak, "after"), 20)).pcm) > 0


async def test_utterances_at_once_are_spoken_one_after_the_other(espeak: EspeakBackend) -> None:
    alone = [len((await speak(espeak, text, language=tag)).pcm) for text, tag in ((FOX, "en"), (FOX, "de"))]
    first, second = await asyncio.gather(
        speak(espeak, FOX, language="en", words=True), speak(espeak, FOX, language="de", words=True)
    )
    assert abs(len(first.pcm) - alone[0]) < 500
    assert abs(len(second.pcm) - alone[1]) < 500
    assert first.words == second.words == FOX[:-1].split()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("es", "El perro come rápido en la montaña."),
        ("es-419", "El perro come rápido."),
        ("pt-BR", "Bom dia, tudo bem com você?"),
        ("de", "Guten Morgen, wie geht es dir?"),
        ("fr", "Bonjour tout le monde."),
        ("zh", "你好世界"),
        ("ja", "こんにちは"),
        ("ar", "مرحبا بالعالم"),
        ("hi", "नमस्ते दुनिया"),
        ("ru", "Привет, мир."),
    ],
)
async def test_languages_sound(espeak: EspeakBackend, language: str, text: str) -> None:
    take = await speak(espeak, text, language=language)
    assert len(take.pcm) > 22050 // 2
    assert take.level > 300
    assert not np.array_equal(take.pcm, (await speak(espeak, text, language="it")).pcm)


async def test_every_voice_sounds(espeak: EspeakBackend) -> None:
    for voice in espeak.describe({}).voices:
        take = await speak(espeak, "a 1", voice=voice.id)
        assert take.level > 50, voice.id


async def test_speed_is_a_multiple_of_the_normal_rate(espeak: EspeakBackend) -> None:
    lengths = {
        speed: len((await speak(espeak, FOX, speed=speed)).pcm) for speed in (80 / 175, 0.7, 1.0, 2.0, 450 / 175)
    }
    for speed, length in lengths.items():
        assert abs(length * speed / lengths[1.0] - 1) < 0.15, speed


async def test_pitch_volume_and_word_gap_are_heard(espeak: EspeakBackend) -> None:
    low, high = [await speak(espeak, "aaaaah", pitch=pitch) for pitch in (10, 90)]
    assert high.pitch > 1.3 * low.pitch
    quiet, loud = [await speak(espeak, FOX, volume=volume) for volume in (25, 100)]
    assert loud.level > 3 * quiet.level
    assert not (await speak(espeak, FOX, volume=0)).pcm.any()
    plain, wide = [await speak(espeak, "one two three four", word_gap=gap) for gap in (0, 100)]
    assert len(wide.pcm) - len(plain.pcm) > 3 * 22050


@pytest.mark.parametrize("odd", [{"speed": 2.5}, {"pitch": 99}, {"volume": 10}, {"word_gap": 50}, {"voice": "klatt"}])
async def test_nothing_leaks_into_the_next_utterance(espeak: EspeakBackend, odd: dict[str, Any]) -> None:
    before = await speak(espeak, FOX)
    before_pitch = (await speak(espeak, "aaaaah")).pitch
    await speak(espeak, FOX, **odd)
    async with aclosing(espeak.synthesize(utterance(FOX, **odd))) as stream:
        await anext(stream)  # and cancelled on the way
    after = await speak(espeak, FOX)
    assert abs(len(after.pcm) / len(before.pcm) - 1) < 0.01
    assert abs(after.level / before.level - 1) < 0.05
    assert abs((await speak(espeak, "aaaaah")).pitch / before_pitch - 1) < 0.1


async def test_memory_and_threads_do_not_grow(espeak: EspeakBackend) -> None:
    voices = ("en-us", "es", "f3", "de")
    for voice in voices:
        await speak(espeak, FOX, voice=voice, words=True)
    before, threads = resident_kib(), threading.active_count()
    for turn in range(300):
        await speak(espeak, "The fox runs.", voice=voices[turn % 4], words=True)
    assert resident_kib() - before < 4096
    assert threading.active_count() == threads


async def test_it_loads_again_and_leaves_no_thread() -> None:
    def running() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("espeak")]

    for _ in range(3):
        async with loaded() as backend:
            info = await backend.load(lambda _fraction, _what: None)  # again: nothing happens
            assert info == backend.describe({})
            assert len((await speak(backend, "again")).pcm) > 0
            assert len(running()) == 1
        assert running() == []
        await backend.close()
        assert running() == []


async def test_backends_of_one_process_share_the_library() -> None:
    async with loaded() as first:
        async with loaded(voice="es") as second:
            takes = await asyncio.gather(*(speak(each, FOX) for each in (first, second) * 3))
        assert all(len(take.pcm) > 22050 for take in takes)
        assert len((await speak(first, "still here")).pcm) > 0


async def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    backend = EspeakBackend({})
    await backend.load(lambda fraction, _what: seen.append(fraction))
    await backend.close()
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


async def test_what_it_refuses(espeak: EspeakBackend) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await speak(espeak, "hi", voice="alloy")
    assert refused.value.param == "voice"
    with pytest.raises(InvalidRequest) as refused:
        await espeak.prepare(Voice("key", ()))
    assert refused.value.param == "voice"


async def test_not_loaded_is_an_error() -> None:
    backend = EspeakBackend({})
    assert backend.steps_done == 0
    with pytest.raises(BackendFailed, match="not loaded"):
        await speak(backend, "hi")


async def test_a_failure_is_the_requests_own(espeak: EspeakBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(library, "CHARS_UTF8", "no number")
        with pytest.raises(BackendFailed, match="espeak-ng failed"):
            await speak(espeak, "hi")
    assert len((await speak(espeak, "hi")).pcm) > 0


async def test_a_reader_whose_loop_is_gone_wants_no_more() -> None:
    loop = asyncio.new_event_loop()
    feed = Feed(loop)
    loop.close()
    assert not feed.put(["anything"])  # type: ignore[list-item] # never looked at
    assert feed.cancelled
    feed.end(None)


@pytest.mark.parametrize(("text", "speed", "rest_s"), [(FOX, 1.0, 0.3), ("Go on!", 2.0, 0.15), ("stop.go", 1.0, 0.0)])
async def test_a_sentence_that_ends_a_text_is_followed_by_the_rest_between_sentences(
    text: str, speed: float, rest_s: float
) -> None:
    async with loaded() as backend:
        take = await speak(backend, text, speed=speed)
    last = int(np.flatnonzero(take.pcm)[-1])
    assert round(rest_s * 22050) <= len(take.pcm) - 1 - last < round((rest_s + 0.03) * 22050)


async def test_sentences_spoken_one_by_one_last_as_long_as_in_one_go() -> None:
    async with loaded() as backend:
        whole = await speak(backend, "One two three. Four five six.")
        parts = [await speak(backend, text) for text in ("One two three.", "Four five six.")]
    assert abs(len(whole.pcm) - sum(len(part.pcm) for part in parts)) < 0.03 * 22050
