"""Several utterances as one stream, to the sample."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.pools import MemoryPool, refuse_over, sound, speak
from voicegw.backend import AudioChunk, Mark, RequestMeta, SpeechDone, SpeechEvent, TextTooLong, Utterance
from voicegw.errors import BackendFailed
from voicegw.services.script import Pause
from voicegw.services.stream import Ahead, SpokenStream
from voicegw.text.segment import Segment

WAIT_S = 20.0


def spoken(pool: MemoryPool, *texts: str | Pause, ahead_s: float = 4.0, first_within_s: float = 30.0) -> SpokenStream:
    return SpokenStream(
        pool,
        24_000,
        Utterance(RequestMeta("r"), ""),
        [text if isinstance(text, Pause) else Segment(text, 0, len(text)) for text in texts],
        first_by=time.monotonic() + first_within_s,
        within_s=30.0,
        ahead_s=ahead_s,
    )


async def heard(stream: SpokenStream, most: int = 1 << 30) -> NDArray[np.int16]:
    parts = []
    async with asyncio.timeout(WAIT_S), aclosing(stream):
        while (part := await stream.ahead.take(most)) is not None:
            parts.append(part.pcm)
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


async def until(true: asyncio.Event) -> None:
    async with asyncio.timeout(WAIT_S):
        await true.wait()


async def idle(rounds: int = 50) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


@pytest.mark.parametrize("most", [1, 2400, 5000, 1 << 30])
async def test_utterances_follow_each_other_without_a_sample_lost(most: int) -> None:
    texts = ("one", "two two", "three")
    pool = MemoryPool()
    assert np.array_equal(await heard(spoken(pool, *texts), most), np.concatenate([sound(t) for t in texts]))
    assert [u.text for u in pool.heard] == [*texts]
    assert pool.running == 0


async def test_all_utterances_share_the_id_and_hand_their_continuation_on() -> None:
    pool = MemoryPool()
    await heard(spoken(pool, "a", "b", "c"))
    assert {u.meta.request_id for u in pool.heard} == {"r"}
    assert [u.continuation for u in pool.heard] == [None, b"+", b"++"]


async def test_the_first_utterance_has_what_is_left_of_the_deadline_and_the_others_all_of_theirs() -> None:
    pool = MemoryPool()
    await heard(spoken(pool, "a", "b", first_within_s=5.0))
    assert 0 < pool.heard[0].meta.start_within_s <= 5.0
    assert pool.heard[1].meta.start_within_s == 30.0
    assert [utterance.meta.begun for utterance in pool.heard] == [False, True]


async def test_the_lead_is_what_the_listener_has_not_heard_yet() -> None:
    pool = MemoryPool()
    await heard(spoken(pool, "x" * 100, "b", "c", ahead_s=60))
    assert pool.heard[0].lead_s == 0
    assert 0 < pool.heard[1].lead_s <= 1.0
    assert pool.heard[1].lead_s < pool.heard[2].lead_s <= 1.01


async def test_the_next_utterance_waits_until_less_than_the_bound_is_ahead() -> None:
    pool = MemoryPool()
    stream = spoken(pool, "x" * 100, "y", ahead_s=0.5)
    async with aclosing(stream):
        await idle()
        assert len(pool.heard) == 1
        assert stream.ahead.samples == 12_000
        async with asyncio.timeout(WAIT_S):
            while len(pool.heard) < 2:
                assert stream.ahead.samples <= 12_000
                await stream.ahead.take(2400)
                await idle(5)
        assert stream.ahead.samples < 12_000


async def test_a_text_that_is_too_long_is_split_again_and_spoken_whole() -> None:
    pool = MemoryPool(refuse_over(4))
    pcm = await heard(spoken(pool, "abc", "abcdefghij", "xyz"))
    assert [u.text for u in pool.heard] == ["abc", "abcdefghij", "abcd", "efgh", "ij", "xyz"]
    assert len(pcm) == 240 * 16


async def test_marks_go_with_the_words_that_they_are_about() -> None:
    pool = MemoryPool(refuse_over(8))
    text, marks = "one two three", (Mark(4, 7, "ipa", "2"), Mark(8, 13, "ipa", "3"))
    parts = [Segment(text, 0, 13)]
    meta = Utterance(RequestMeta("r"), "")
    stream = SpokenStream(
        pool, 24_000, meta, parts, first_by=time.monotonic() + 30, within_s=30, ahead_s=4, marks=marks
    )
    await heard(stream)
    told = [(u.text, [(u.text[mark.start : mark.end], mark.value) for mark in u.marks]) for u in pool.heard]
    assert told == [(text, [("two", "2"), ("three", "3")]), ("one two", [("two", "2")]), ("three", [("three", "3")])]


async def test_a_wrong_hint_of_what_fits_still_ends() -> None:
    async def liar(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        if len(utterance.text) > 3:
            raise TextTooLong("no", fits_chars=1000)
        async for event in speak(utterance):
            yield event

    pool = MemoryPool(liar)
    await heard(spoken(pool, "abcdefgh"))
    assert [u.text for u in pool.heard] == ["abcdefgh", "abcd", "ab", "cd", "efgh", "ef", "gh"]


async def test_a_single_character_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(TextTooLong):
        await heard(spoken(MemoryPool(refuse_over(0)), "ab"))


async def test_too_long_after_audio_is_an_error_for_it_would_be_said_twice() -> None:
    async def late(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        yield AudioChunk(sound(utterance.text))
        raise TextTooLong("no", fits_chars=1)

    with pytest.raises(TextTooLong):
        await heard(spoken(MemoryPool(late), "ab"))


async def test_pauses_are_silence_and_those_before_any_audio_wait_for_it() -> None:
    gate = asyncio.Event()

    async def waits(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        await gate.wait()
        async for event in speak(utterance):
            yield event

    pool = MemoryPool(waits)
    stream = spoken(pool, Pause(0.5), Pause(0.25), "one", Pause(0.1), "two", Pause(1.0))
    await idle()
    assert (stream.made, stream.ahead.samples) == (0, 0)
    gate.set()
    rests = [np.zeros(samples, np.int16) for samples in (18_000, 2_400, 24_000)]
    expected = [rests[0], sound("one"), rests[1], sound("two"), rests[2]]
    assert np.array_equal(await heard(stream), np.concatenate(expected))


async def test_a_long_silence_is_made_as_it_is_heard() -> None:
    stream = spoken(MemoryPool(), *[Pause(10.0)] * 60, "one", Pause(10.0), ahead_s=4.0)
    made = 0
    async with asyncio.timeout(WAIT_S), aclosing(stream):
        while (piece := await stream.ahead.take(24_000)) is not None:
            made += len(piece.pcm)
            assert len(piece.pcm) <= 24_000
            assert stream.ahead.samples <= 5 * 24_000  # not ten minutes at once
    assert made == 610 * 24_000 + 240 * len("one")


async def test_pauses_alone_are_nothing() -> None:
    stream = spoken(MemoryPool(), Pause(1.0), Pause(2.0))
    assert not len(await heard(stream))
    assert stream.silent


async def fails(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
    yield AudioChunk(sound(utterance.text))
    raise BackendFailed("broken")


async def test_an_error_comes_after_the_audio_before_it() -> None:
    stream = spoken(MemoryPool(fails), "ab")
    async with aclosing(stream):
        await idle()
        part = await stream.ahead.take(1 << 30)
        assert part is not None
        assert np.array_equal(part.pcm, sound("ab"))
        with pytest.raises(BackendFailed, match="broken"):
            await stream.ahead.take(1 << 30)


async def test_an_error_that_is_known_before_anything_is_read_is_raised_first() -> None:
    stream = spoken(MemoryPool(fails), "ab")
    async with aclosing(stream):
        await idle()
        with pytest.raises(BackendFailed):
            await stream.ahead.wait()


async def test_no_audio_at_all_is_silent_and_complete() -> None:
    async def mute(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        assert utterance.text
        yield AudioChunk(np.zeros(0, np.int16), at=1.0)
        yield SpeechDone()

    stream = spoken(MemoryPool(mute), "a", "b")
    async with aclosing(stream), asyncio.timeout(WAIT_S):
        await stream.ahead.wait()
        assert stream.silent
        assert stream.complete
        assert stream.first_audio_at is None
        assert await stream.ahead.take(100) is None


@pytest.mark.parametrize("reading", [False, True])
async def test_closing_ends_the_utterance_between_chunks_and_inside_one(*, reading: bool) -> None:
    waits, ended = asyncio.Event(), asyncio.Event()

    async def endless(utterance: Utterance) -> AsyncGenerator[SpeechEvent, None]:
        try:
            yield AudioChunk(sound(utterance.text))
            waits.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    pool = MemoryPool(endless)
    stream = spoken(pool, "abc", ahead_s=4.0 if reading else 0.001)
    async with asyncio.timeout(WAIT_S):
        await stream.ahead.wait()
    if reading:
        await until(waits)
    await stream.aclose()
    await stream.aclose()
    assert pool.running == 0
    assert waits.is_set() == reading
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("speech")]
    if reading:
        await until(ended)


async def test_samples_of_the_reader_are_whole_chunks_up_to_what_it_asks_for() -> None:
    ahead = Ahead(10_000)
    for size in (3, 4, 5, 100):
        await ahead.put(np.arange(size, dtype=np.int16))
    ahead.end()
    sizes = []
    while (part := await ahead.take(8)) is not None:
        sizes.append(len(part.pcm))
    assert sizes == [7, 5, 100]
    assert ahead.samples == 0


async def test_a_piece_never_reaches_over_a_seam() -> None:
    stream = spoken(MemoryPool(), "x" * 30, "y" * 30)
    seams = []
    async with asyncio.timeout(WAIT_S), aclosing(stream):
        while (piece := await stream.ahead.take(1 << 30)) is not None:
            seams.append((piece.seam, len(piece.pcm)))
            await idle()
    assert sum(size for _, size in seams) == 2 * 7200
    starts = [sum(size for _, size in seams[:n]) for n, (seam, _) in enumerate(seams) if seam]
    assert starts == [0, 7200]
