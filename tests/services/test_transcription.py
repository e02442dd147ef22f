"""From an upload to what is heard in it, against models in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.ears import (
    INFO,
    RATE,
    ByTurns,
    MemoryDecoder,
    MemoryEars,
    NotZero,
    Pcm,
    asking,
    counting,
    pieces,
    segment,
)
from voicegw.backend import Language, TranscriptDone, TranscriptEvent, TranscriptionOptions
from voicegw.errors import BackendFailed, InvalidRequest, NotFound, Unavailable
from voicegw.services.activity import Chunking
from voicegw.services.speakers import KnownSpeaker
from voicegw.services.transcribing import Event, Heard, Transcription
from voicegw.services.transcription import TranscriptionPolicy, TranscriptionRequest, TranscriptionService

WAIT_S = 20.0


def service(ears: MemoryEars, decoder: MemoryDecoder | None = None, **more: Any) -> TranscriptionService:
    return TranscriptionService(ears, decoder or MemoryDecoder(), more.pop("policy", TranscriptionPolicy()), **more)


async def events_of(transcription: Transcription) -> list[Event]:
    async with asyncio.timeout(WAIT_S), aclosing(transcription.events()) as events:
        return [event async for event in events]


async def heard(
    ears: MemoryEars, request: TranscriptionRequest, data: bytes, decoder: MemoryDecoder | None = None, **more: Any
) -> list[Event]:
    return await events_of(await service(ears, decoder, **more).start(request, pieces(data)))


def texts(events: list[Event]) -> list[str]:
    return [event.segment.text for event in events if isinstance(event, Heard)]


@pytest.mark.parametrize("chunk", [1, 100, 1000, 1001, 5000])
async def test_what_is_decoded_is_heard_to_the_sample(chunk: int) -> None:
    ears, decoder = MemoryEars(), MemoryDecoder(chunk)
    events = await heard(ears, asking(), counting(2.5), decoder)
    assert texts(events) == [" s1", " s1001", " s2001"]
    assert [event.number for event in events if isinstance(event, Heard)] == [0, 1, 2]
    assert events[-1] == TranscriptDone(2.5, 7, 3)
    (asked,) = decoder.asked
    assert (asked.sample_rate, asked.max_s, asked.raw_format) == (RATE, 4 * 3600.0, None)
    assert (ears.running, decoder.running) == (0, 0)


async def test_an_upload_without_audio_is_heard_as_silence() -> None:
    assert await heard(MemoryEars(), asking(), b"") == [TranscriptDone(0.0, 7, 3)]


async def test_segments_come_while_more_is_decoded() -> None:
    more = asyncio.Event()

    async def upload() -> AsyncGenerator[bytes, None]:
        yield counting(1.0)
        await more.wait()

    class Streaming(MemoryDecoder):
        async def decode(self, data: Any, options: Any) -> AsyncGenerator[Any, None]:
            async for piece in data:
                async for event in super().decode(pieces(piece), options):
                    yield event

    transcription = await service(MemoryEars(), Streaming()).start(asking(), upload())
    async with asyncio.timeout(WAIT_S), aclosing(transcription.events()) as events:
        first = await anext(events)
        assert isinstance(first, Heard)
        assert transcription.begun
        more.set()
        assert isinstance([event async for event in events][-1], TranscriptDone)


async def test_a_decoder_is_free_before_a_slow_model_has_heard_all() -> None:
    go_on = asyncio.Event()

    async def slow(audio: AsyncIterator[Pcm], _asked: TranscriptionOptions) -> AsyncGenerator[TranscriptEvent, None]:
        async for pcm in audio:
            yield segment(0, 0, 1, f"s{pcm[0]}")
            await go_on.wait()
        yield TranscriptDone(1.0, None, None)

    decoder = MemoryDecoder()
    transcription = await service(MemoryEars(slow), decoder).start(asking(), pieces(counting(30.0)))
    async with asyncio.timeout(WAIT_S), aclosing(transcription.events()) as events:
        await anext(events)
        while decoder.running:  # noqa: ASYNC110 - it is a count
            await asyncio.sleep(0)
        assert decoder.given == 30 * RATE
        go_on.set()
        assert len([event async for event in events]) == 30


async def test_nothing_is_decoded_before_there_is_a_slot() -> None:
    slot = asyncio.Event()

    async def queued(audio: AsyncIterator[Pcm], _asked: TranscriptionOptions) -> AsyncGenerator[TranscriptEvent, None]:
        await slot.wait()
        async for _ in audio:
            pass
        yield TranscriptDone(1.0, None, None)

    decoder = MemoryDecoder()
    transcription = await service(MemoryEars(queued), decoder).start(asking(), pieces(counting(1.0)))
    task = asyncio.create_task(events_of(transcription))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not decoder.asked
    assert not transcription.begun
    slot.set()
    assert await task == [TranscriptDone(1.0, None, None)]
    assert transcription.begun


@pytest.mark.parametrize(("data", "said"), [(b"bad", "no audio"), (b"cut" + counting(1.0), "cut off")])
async def test_what_the_decoder_refuses_is_refused(data: bytes, said: str) -> None:
    ears, decoder = MemoryEars(), MemoryDecoder()
    with pytest.raises(InvalidRequest, match=said) as refused:
        await heard(ears, asking(), data, decoder)
    assert refused.value.param == "file"
    assert (ears.running, decoder.running) == (0, 0)


async def test_a_model_that_fails_stops_the_decoder() -> None:
    async def failing(audio: AsyncIterator[Pcm], _asked: TranscriptionOptions) -> AsyncGenerator[TranscriptEvent, None]:
        async for pcm in audio:
            yield segment(0, 0, 1, f"s{pcm[0]}")
            raise BackendFailed("no more")

    ears, decoder = MemoryEars(failing), MemoryDecoder()
    with pytest.raises(BackendFailed, match="no more"):
        await heard(ears, asking(), counting(700.0), decoder)
    assert (ears.running, decoder.running) == (0, 0)


@pytest.mark.parametrize("after", [0, 1, 50])
async def test_cancelling_who_listens_stops_everything(after: int) -> None:
    async def endless(audio: AsyncIterator[Pcm], _asked: TranscriptionOptions) -> AsyncGenerator[TranscriptEvent, None]:
        async for _ in audio:
            await asyncio.sleep(0)
        await asyncio.Event().wait()
        yield Language("en", 1.0)

    ears, decoder, diarizer = MemoryEars(endless), MemoryDecoder(), ByTurns()
    working = service(ears, decoder, diarizer=diarizer)
    transcription = await working.start(asking(speakers=()), pieces(counting(30.0)))
    task = asyncio.create_task(events_of(transcription))
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert (ears.running, decoder.running, diarizer.listening) == (0, 0, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_the_model_is_asked_for() -> None:
    ears = MemoryEars()
    request = asking(
        task="translate",
        language="de-AT",
        languages=("en", "de"),
        prompt="p",
        keywords=("k",),
        temperature=0.4,
        words=True,
        logprobs=True,
        request_id="mine",
        tenant="anna",
    )
    transcription = await service(ears, policy=TranscriptionPolicy(slot_s=5.0)).start(request, pieces(b""))
    await events_of(transcription)
    (asked,) = ears.asked
    assert asked.meta.request_id.startswith("mine-")
    assert asked.meta.tenant == "anna"
    assert 0 < asked.meta.start_within_s <= 5.0
    assert replace(asked, meta=replace(asked.meta, request_id="", start_within_s=0.0)) == TranscriptionOptions(
        replace(asked.meta, request_id="", start_within_s=0.0),
        "translate",
        ("de", "en"),
        "p",
        ("k",),
        (0.4,),
        words=True,
        logprobs=True,
    )
    assert transcription.ignored == ()


async def test_what_a_model_does_not_honour_is_not_sent_and_named() -> None:
    ears = MemoryEars(info=replace(INFO, options=(), words=False))
    request = asking(
        prompt="p",
        keywords=("k",),
        temperature=0.4,
        words=True,
        logprobs=True,
        chunking=Chunking(),
        extras={"nix": 1},
        ignored=("include",),
    )
    transcription = await service(ears).start(request, pieces(b""))
    await events_of(transcription)
    assert transcription.ignored == (
        "include",
        "prompt",
        "keywords",
        "temperature",
        "timestamp_granularities",
        "include",
        "chunking_strategy",
        "nix",
    )
    (asked,) = ears.asked
    assert asked == TranscriptionOptions(asked.meta)
    with pytest.raises(InvalidRequest, match="no effect on model 'ears'") as refused:
        await service(ears).start(replace(request, strict=True), pieces(b""))
    assert refused.value.param == "include"


@pytest.mark.parametrize(
    ("info", "request_", "param", "said"),
    [
        (replace(INFO, kind="speech"), asking(), "model", "does not transcribe, it is for speech"),
        (replace(INFO, options=()), asking(task="translate"), "model", "does not translate"),
        (INFO, asking(language="fr"), "language", "it hears: en, de"),
        (INFO, asking(languages=("en", "fr")), "languages", "it hears: en, de"),
        (INFO, asking(speakers=()), "response_format", "No diarizer"),
        (INFO, asking(prompt="x" * 11), "prompt", "11 characters, at most 10"),
        (INFO, asking(keywords=("x" * 6, "y" * 5)), "keywords", "11 characters, at most 10"),
    ],
)
async def test_what_cannot_be_done_is_refused_at_once(
    info: Any, request_: TranscriptionRequest, param: str, said: str
) -> None:
    decoder = MemoryDecoder()
    with pytest.raises(InvalidRequest, match=said) as refused:
        await service(MemoryEars(info=info), decoder, policy=TranscriptionPolicy(prompt_chars=10)).start(
            request_, pieces(b"")
        )
    assert refused.value.param == param
    assert not decoder.asked


async def test_a_model_of_any_language_is_not_asked_which() -> None:
    ears = MemoryEars(info=replace(INFO, languages=()))
    await heard(ears, asking(language="tlh"), b"")
    assert ears.asked[0].languages == ("tlh",)


@pytest.mark.parametrize(
    ("languages", "asked", "known"), [(("en", "de"), None, None), (("en", "de"), "de", "de"), (("en",), None, "en")]
)
async def test_the_language_is_known_before_it_is_heard_where_there_is_one(
    languages: tuple[str, ...], asked: str | None, known: str | None
) -> None:
    ears = MemoryEars(info=replace(INFO, languages=languages))
    transcription = await service(ears).start(asking(language=asked), pieces(b""))
    assert transcription.language == known
    await events_of(transcription)
    assert transcription.language == (known or "en")


async def test_what_does_not_exist() -> None:
    with pytest.raises(NotFound):
        await service(MemoryEars()).start(replace(asking(), model="nix"), pieces(b""))
    with pytest.raises(Unavailable, match="not described"):
        await service(MemoryEars(info=None)).start(asking(), pieces(b""))


def with_pauses() -> bytes:
    """Give a second of silence, one and a half of speech, two of silence, half a second of speech."""
    pcm = np.arange(1, 5001, dtype="<i2")
    pcm[:1000] = pcm[2500:4500] = 0
    return pcm.tobytes()


async def test_with_voice_activity_only_speech_is_heard_at_its_own_time() -> None:
    activity, chunking = NotZero(), Chunking(0.7, 10, 20)
    events = await heard(MemoryEars(), asking(chunking=chunking), with_pauses(), activity=activity)
    assert activity.asked == [(RATE, chunking)]
    assert texts(events) == [" s1001", " s2001"]
    first, second = (event.segment for event in events if isinstance(event, Heard))
    assert (first.seek, first.start_s, first.end_s) == (100, 1.0, 2.0)
    assert (second.seek, second.start_s, second.end_s) == (200, 2.0, 5.0)
    assert (second.words[0].start_s, second.words[0].end_s) == (2.0, 5.0)
    assert events[-1] == TranscriptDone(5.0, 7, 3)


async def test_silence_alone_gives_nothing() -> None:
    events = await heard(MemoryEars(), asking(chunking=Chunking()), bytes(6000), activity=NotZero())
    assert events == [TranscriptDone(3.0, 7, 3)]


async def test_voice_activity_is_used_only_where_it_is_asked_for() -> None:
    activity = NotZero()
    assert texts(await heard(MemoryEars(), asking(), bytes(2000), activity=activity)) == [" s0"]
    assert not activity.asked


async def test_speakers_are_named_by_who_heard_all_audio() -> None:
    diarizer = ByTurns()
    events = await heard(MemoryEars(), asking(speakers=()), counting(2.5), diarizer=diarizer)
    assert [event.speaker for event in events if isinstance(event, Heard)] == ["A", "B", "A"]
    assert diarizer.asked == [(0, 1), (1, 2), (2, 2.5)]
    assert (diarizer.heard, diarizer.listening) == (2500, 0)
    known = (KnownSpeaker("anna", b"1"), KnownSpeaker("bert", b"2"))
    events = await heard(MemoryEars(), asking(speakers=known), counting(2.0), diarizer=ByTurns())
    assert [event.speaker for event in events if isinstance(event, Heard)] == ["anna", "bert"]


async def test_a_diarizer_that_is_not_wanted_hears_nothing() -> None:
    diarizer = ByTurns()
    events = await heard(MemoryEars(), asking(), counting(1.0), diarizer=diarizer)
    assert [event.speaker for event in events if isinstance(event, Heard)] == [None]
    assert diarizer.heard == 0
