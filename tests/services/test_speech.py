"""From a request to bytes, against models in memory."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest

from tests.support.pools import INFO, MemoryPool, Script, sound, speak
from voicegw.audio.format import FORMATS, MP3, PCM, WAV, AudioFormat
from voicegw.audio.offloop import encoding_threads
from voicegw.backend import AudioChunk, SpeechDone, SpeechEvent, Utterance
from voicegw.errors import BackendFailed, DeadlineExceeded, InvalidRequest, NotFound, Unavailable
from voicegw.services.speech import Speech, SpeechPolicy, SpeechRequest, SpeechService

THREADS = encoding_threads(1)
WAIT_S = 20.0
LONG = " ".join(f"This is sentence number {number}." for number in range(40))


def service(pool: MemoryPool, policy: SpeechPolicy | None = None) -> SpeechService:
    return SpeechService(pool, policy or SpeechPolicy(), THREADS)


def asking(text: str = "hello", target: AudioFormat = PCM, **more: object) -> SpeechRequest:
    return replace(SpeechRequest("memory", text, format=target), **more)  # type: ignore[arg-type]  # names of fields


async def read(speech: Speech) -> bytes:
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.body()) as body:
        return b"".join([part async for part in body])


def paced(pause: asyncio.Event) -> Script:
    """Make a model that gives one chunk, and the rest when it is told to."""

    async def script(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        pcm = sound(utterance.text)
        yield AudioChunk(pcm[:240], at=2.5)
        await pause.wait()
        yield AudioChunk(pcm[240:])
        yield SpeechDone()

    return script


async def mute(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    assert utterance.text
    yield SpeechDone()


async def stuck(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    await asyncio.Event().wait()
    yield AudioChunk(sound(utterance.text))


async def test_pcm_is_what_the_model_said() -> None:
    speech = await service(MemoryPool()).start(asking())
    assert (speech.model, speech.voice, speech.format, speech.first_audio_at) == ("memory", "anna", PCM, 1.5)
    assert await read(speech) == sound("hello").tobytes()


async def test_long_text_is_split_by_the_models_limit_and_joined_without_a_seam() -> None:
    pool = MemoryPool()
    data = await read(await service(pool).start(asking(LONG)))
    assert len(pool.heard) > 10
    assert all(len(utterance.text) <= 50 for utterance in pool.heard)
    assert "".join(u.text for u in pool.heard).replace(" ", "") == LONG.replace(" ", "")
    assert data == b"".join(sound(u.text).tobytes() for u in pool.heard)


@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
async def test_bytes_do_not_depend_on_how_the_audio_comes(target: AudioFormat) -> None:
    pause = asyncio.Event()
    speech = await service(MemoryPool(paced(pause))).start(asking("hello you", target))
    pieces = []
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.body()) as body:
        pause.set()
        pieces = [piece async for piece in body]
    assert all(pieces)
    whole = await read(await service(MemoryPool(one_chunk)).start(asking("hello you", target)))
    if target is WAV:
        assert pieces[0][:44] != whole[:44]
        assert b"".join(pieces)[44:] == whole[44:]
    else:
        assert b"".join(pieces) == whole


async def one_chunk(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    yield AudioChunk(sound(utterance.text))
    yield SpeechDone()


@pytest.mark.parametrize("target", [PCM, WAV], ids=lambda target: str(target.name))
async def test_the_loop_is_not_held_up_by_a_long_chunk(target: AudioFormat) -> None:
    async def long(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        yield AudioChunk(sound(utterance.text * 1000))  # 50 s
        yield SpeechDone()

    speech = await service(MemoryPool(long)).start(asking(target=target))
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.body()) as body:
        sizes = [len(part) async for part in body]
    assert sum(sizes) == 50 * 48_000 + (44 if target is WAV else 0)
    assert max(sizes) <= 48_000 + 44


async def test_wav_says_its_size_when_everything_is_spoken_and_not_before() -> None:
    speech = await service(MemoryPool(one_chunk)).start(asking(target=WAV))
    data = await read(speech)
    assert speech.size == len(data) == 44 + 2400
    assert struct.unpack_from("<I", data, 40) == (2400,)
    pause = asyncio.Event()
    speech = await service(MemoryPool(paced(pause))).start(asking(target=WAV))
    pause.set()
    assert speech.size is None
    assert struct.unpack_from("<I", await read(speech), 40) == (0xFFFF_FFFF,)


async def test_only_plain_formats_are_made_whole_before_they_are_sent() -> None:
    assert (await service(MemoryPool(one_chunk)).start(asking())).size == 2400
    assert (await service(MemoryPool(one_chunk)).start(asking(target=MP3))).size is None


@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
async def test_text_without_audio_is_a_tenth_of_a_second_of_silence(target: AudioFormat) -> None:
    speech = await service(MemoryPool(mute)).start(asking("...", target))
    assert speech.warnings == ("the text gave no audio, 100 ms of silence instead",)
    assert speech.first_audio_at is None
    data = await read(speech)
    assert data
    if target is PCM:
        assert data == bytes(4800)


async def test_other_rates_become_24_khz() -> None:
    info = replace(INFO, sample_rate=16_000)
    pcm = np.frombuffer(await read(await service(MemoryPool(info=info)).start(asking("x" * 40))), np.int16)
    assert len(pcm) == 240 * 40 * 3 / 2


@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
async def test_no_piece_is_empty_however_small_the_chunks(target: AudioFormat) -> None:
    async def crumbs(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        for crumb in np.array_split(sound(utterance.text), 100):
            yield AudioChunk(crumb)
            for _ in range(3):
                await asyncio.sleep(0)
        yield SpeechDone()

    speech = await service(MemoryPool(crumbs, replace(INFO, sample_rate=22_050))).start(asking(target=target))
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.body()) as body:
        assert all([bool(piece) async for piece in body])


async def test_the_model_is_told_what_was_asked_for() -> None:
    pool = MemoryPool()
    request = asking(voice="bert", language="de", speed=1.5, request_id="abc", extras={"temperature": 1, "x": 2})
    speech = await service(pool).start(request)
    await read(speech)
    (said,) = pool.heard
    assert (said.text, said.voice, said.language) == ("hello", "bert", "de")
    assert said.parameters == {"temperature": 1.0, "speed": 1.5}
    assert said.meta.request_id.startswith("abc-")
    assert speech.ignored == ("x",)


async def test_two_requests_with_the_same_id_are_two() -> None:
    pool = MemoryPool()
    for _ in range(2):
        await read(await service(pool).start(asking(request_id="abc")))
    assert len({u.meta.request_id for u in pool.heard}) == 2


@pytest.mark.parametrize(
    ("request_", "param", "code"),
    [
        (asking(""), "input", "empty_input"),
        (asking(" \n\t\u2003"), "input", "empty_input"),
        (asking("x" * 101), "input", "string_above_max_length"),
        (asking(voice="nobody"), "voice", "voice_not_found"),
        (asking(extras={"temperature": 3}), "temperature", "invalid_value"),
    ],
)
async def test_a_bad_request_is_refused_before_the_model_hears_of_it(
    request_: SpeechRequest, param: str, code: str
) -> None:
    pool = MemoryPool()
    with pytest.raises(InvalidRequest) as caught:
        await service(pool, SpeechPolicy(input_chars=100)).start(request_)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert not pool.heard


async def test_other_models_and_other_kinds_are_refused() -> None:
    with pytest.raises(NotFound):
        await service(MemoryPool()).start(replace(asking(), model="other"))
    with pytest.raises(InvalidRequest, match="for transcription") as caught:
        await service(MemoryPool(info=replace(INFO, kind="transcription"))).start(asking())
    assert caught.value.param == "model"
    with pytest.raises(Unavailable):
        await service(MemoryPool(info=None)).start(asking())


async def test_no_audio_in_time_is_an_error_and_the_work_is_cancelled() -> None:
    pool = MemoryPool(stuck)
    with pytest.raises(DeadlineExceeded, match=r"no audio within 0\.05 s"):
        await service(pool, SpeechPolicy(first_audio_s=0.05)).start(asking())
    assert len(pool.heard) == 1
    assert pool.running == 0


async def test_cancelling_whoever_waits_cancels_the_work() -> None:
    pool = MemoryPool(stuck)
    task = asyncio.create_task(service(pool).start(asking()))
    for _ in range(5):
        await asyncio.sleep(0)
    assert pool.running == 1
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert pool.running == 0


async def test_an_error_before_any_audio_is_raised_by_start() -> None:
    async def broken(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        if utterance.text:
            raise BackendFailed("broken")
        yield SpeechDone()

    with pytest.raises(BackendFailed):
        await service(MemoryPool(broken)).start(asking())


async def test_an_error_mid_stream_is_raised_by_the_body() -> None:
    pause = asyncio.Event()

    async def breaks(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        yield AudioChunk(sound(utterance.text))
        await pause.wait()
        raise BackendFailed("broken")

    speech = await service(MemoryPool(breaks)).start(asking())
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.body()) as body:
        assert await anext(body) == sound("hello").tobytes()
        pause.set()
        with pytest.raises(BackendFailed):
            await anext(body)


async def test_closing_a_half_read_speech_ends_the_work() -> None:
    pool = MemoryPool(paced(asyncio.Event()))
    speech = await service(pool).start(asking())
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.body()) as body:
        await anext(body)
        assert pool.running == 1
    assert pool.running == 0


async def test_speaking_goes_on_while_nobody_reads_up_to_the_bound() -> None:
    pool = MemoryPool(speak)
    speech = await service(pool, SpeechPolicy(ahead_s=1.0)).start(asking(LONG))
    for _ in range(200):
        await asyncio.sleep(0)
    heard = len(pool.heard)
    assert 2 <= heard <= 4  # utterances of up to half a second, a second of them ahead
    await read(speech)
    assert len(pool.heard) > heard


@pytest.mark.parametrize("speed", [0.25, 0.7, 4.0])
async def test_a_model_without_a_speed_of_its_own_is_stretched(speed: float) -> None:
    pool = MemoryPool(hum, replace(INFO, speed=None))
    pcm = np.frombuffer(await read(await service(pool).start(asking("x" * 50, speed=speed))), np.int16)
    assert pool.heard[0].parameters == {}
    assert len(pcm) / 24_000 == pytest.approx(0.5 / speed, abs=0.06)
    crossings = np.count_nonzero(np.diff(np.signbit(pcm))) / 2
    assert crossings / (len(pcm) / 24_000) == pytest.approx(300, rel=0.1)


async def hum(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    at = np.arange(240 * len(utterance.text)) / 24_000
    yield AudioChunk((8000 * np.sin(2 * np.pi * 300 * at)).astype(np.int16))
    yield SpeechDone()


async def test_more_is_made_ahead_for_a_listener_who_hears_it_faster() -> None:
    made = []
    for speed in (0.25, 4.0):
        pool = MemoryPool(info=replace(INFO, speed=None))
        speech = await service(pool, SpeechPolicy(ahead_s=1.0)).start(asking(LONG, speed=speed))
        for _ in range(500):
            await asyncio.sleep(0)
        made.append(len(pool.heard))
        await speech.aclose()
    assert made[0] < 3 < made[1]


async def test_text_that_nobody_would_hear_never_reaches_the_model() -> None:
    pool = MemoryPool()
    assert await read(await service(pool).start(asking("... !?"))) == bytes(4800)
    assert not pool.heard


async def test_a_model_that_does_not_stream_begins_with_a_short_piece() -> None:
    text = "After a while, as it is with long sentences, there is a place to breathe, and then it goes on and on, " * 3
    firsts = []
    for streaming in (True, False):
        pool = MemoryPool(info=replace(INFO, streaming=streaming, limits=replace(INFO.limits, max_chars=None)))
        await read(await service(pool).start(asking(text)))
        firsts.append(len(pool.heard[0].text))
    assert firsts[1] <= 80 < firsts[0]
