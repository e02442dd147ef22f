"""The room of kept answers: who finds what for how long, and who makes room for whom."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any

import pytest

from voicegw.audio.format import MP3, PCM
from voicegw.services.casting import Cast
from voicegw.services.request import SpeechRequest
from voicegw.services.results import Result, Results, result_key
from voicegw.services.watching import Unwatched
from voicegw.services.words import TimedWord

PART = 1000 - 100  # bytes of a part that takes 1000 in all
WAIT_S = 20.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def filled(results: Results, key: bytes, parts: int = 1, *, tenant: str = "", tries: int | None = 0) -> Result:
    """Keep an answer as one that was sent."""
    result = results.take(tenant, key, tries)
    for _ in range(parts):
        result.add(bytes(PART))
    result.finish(1.5, None, ())
    result.settle(delivered=True)
    return result


def lost(results: Results, key: bytes, parts: int = 1, *, tenant: str = "") -> Result:
    result = filled(results, key, parts, tenant=tenant)
    result.settle(delivered=False)
    return result


async def test_what_was_lost_is_found_by_whoever_asks_once() -> None:
    results = Results(10_000, 60)
    result = lost(results, b"a")
    assert results.take("", b"a", None) is result
    assert not results.take("", b"a", None).whole


async def test_what_was_sent_is_found_by_one_who_asks_again_and_forgotten_by_one_who_does_not() -> None:
    results = Results(10_000, 60)
    result = filled(results, b"a")
    for tries in (1, 2, 1):
        assert results.take("", b"a", tries) is result
    assert not results.take("", b"a", 0).whole
    assert not results.take("", b"a", 1).whole
    assert results.nbytes == 0


async def test_what_was_sent_to_one_who_does_not_count_is_dropped() -> None:
    results = Results(10_000, 60)
    result = filled(results, b"a", tries=None)
    assert (result.kept, result.parts, results.nbytes) == (False, [], 0)
    result.settle(delivered=False)
    assert not results.take("", b"a", 1).whole


async def test_an_answer_is_found_as_soon_as_it_is_whole_and_not_before() -> None:
    results = Results(10_000, 60)
    result = results.take("", b"a", 0)
    result.add(b"x")
    result.settle(delivered=False)
    assert not results.take("", b"a", 1).whole
    words = (TimedWord("x", 0, 1, "model"),)
    result.add(words)
    result.finish(0.5, 44, ("hm",))
    found = results.take("", b"a", 1)
    assert (found.parts, found.seconds, found.size, found.warnings) == ([b"x", words], 0.5, 44, ("hm",))


async def test_one_that_will_not_be_whole_gives_its_room_back() -> None:
    results = Results(10_000, 60)
    result = results.take("", b"a", 0)
    result.add(bytes(PART))
    assert results.nbytes == 1000
    result.discard()
    result.discard()
    result.add(bytes(PART))
    result.finish(1.0, None, ())
    assert results.nbytes == 0
    assert not results.take("", b"a", 1).whole
    whole = filled(results, b"b")
    whole.discard()
    assert results.take("", b"b", 1) is whole


async def test_the_later_of_two_answers_to_the_same_question_is_kept() -> None:
    results = Results(10_000, 60)
    one, other = results.take("", b"a", 0), results.take("", b"a", 0)
    for result in (one, other):
        result.add(bytes(PART))
        result.finish(1.0, None, ())
    one.settle(delivered=False)
    assert (one.kept, results.nbytes) == (False, 1000)
    assert not other.wanted
    assert results.take("", b"a", 1) is other


async def test_what_is_given_is_still_whole_when_it_has_to_make_room() -> None:
    results = Results(10_000, 60)
    lost(results, b"a")
    parts = results.take("", b"a", None).parts
    for number in range(20):
        filled(results, bytes([number]))
    assert not results.take("", b"a", 1).whole
    assert parts == [bytes(PART)]


async def test_time_runs_from_the_end_and_anew_where_it_is_lost() -> None:
    clock = Clock()
    results = Results(100_000, 60, clock)
    result = results.take("", b"a", 0)
    result.add(bytes(PART))
    clock.now += 1000
    result.finish(1.0, None, ())
    clock.now += 59
    assert results.take("", b"a", 1) is result
    result.settle(delivered=False)
    clock.now += 59
    assert results.take("", b"a", None) is result
    clock.now += 1
    assert not results.take("", b"a", 1).whole
    assert (result.kept, results.nbytes) == (False, 0)


async def test_what_is_too_old_goes_by_itself() -> None:
    results = Results(100_000, 0.01)
    for _ in range(2):
        for number in range(5):
            lost(results, bytes([number]))
        async with asyncio.timeout(WAIT_S):
            while results.nbytes:  # noqa: ASYNC110 - a timer takes it away, and tells nobody
                await asyncio.sleep(0.001)


async def test_the_oldest_makes_room_and_use_makes_young() -> None:
    results = Results(8000, 60)
    for number in range(8):
        filled(results, bytes([number]))
    assert results.nbytes == 8000
    assert results.take("", b"\0", 1).whole
    filled(results, b"new")
    assert results.nbytes == 8000
    kept = [number for number in range(8) if results.take("", bytes([number]), 1).whole]
    assert kept == [0, 2, 3, 4, 5, 6, 7]


async def test_what_is_being_made_counts_and_can_lose_its_room() -> None:
    results = Results(8000, 60)
    making = [results.take("", bytes([number]), 0) for number in range(20)]
    for result in making:
        result.add(bytes(PART))
    assert results.nbytes == 8000
    assert [result.kept for result in making] == [False] * 12 + [True] * 8
    for result in making:
        result.finish(1.0, None, ())
    assert sum(results.take("", bytes([number]), 1).whole for number in range(20)) == 8


async def test_an_answer_takes_an_eighth_of_the_room_at_most() -> None:
    results = Results(16_000, 60)
    filled(results, b"small")
    assert filled(results, b"fits", parts=2).kept
    assert not filled(results, b"large", parts=3).kept
    assert results.nbytes == 3000
    assert results.take("", b"small", 1).whole


async def test_words_take_room_too() -> None:
    results = Results(16_000, 60)
    result = results.take("", b"a", 0)
    result.add((TimedWord("x", 0, 1, "model"),) * 4)
    assert result.kept
    assert 1000 < results.nbytes <= 2000


async def test_who_takes_most_makes_room_first() -> None:
    """A tenant that fills the room over and over takes nothing from one that asks for little."""
    results = Results(8000, 60)
    mine = [lost(results, bytes([number]), tenant="quiet") for number in range(3)]
    for number in range(100):
        filled(results, f"loud {number}".encode(), tenant="loud")
        results.take("loud", f"loud {number}".encode(), 1)
    assert all(result.kept for result in mine)
    assert results.nbytes == 8000
    for number in range(20):
        filled(results, f"third {number}".encode(), tenant="third")
    assert all(result.kept for result in mine)


async def test_no_room_keeps_nothing() -> None:
    results = Results(0, 60)
    assert not lost(results, b"a").kept
    assert results.nbytes == 0


ASKED = SpeechRequest("m", "hello", format=PCM, tenant="anna")
CAST = Cast("anna", "en", None)
OTHER: dict[str, Any] = {
    "text": "Hello",
    "voice": "anna",
    "format": MP3,
    "speed": 1.5,
    "language": "en",
    "sample_rate": 8000,
    "clean": "none",
    "words": True,
    "tenant": "bert",
    "events": True,
}
SAME: dict[str, Any] = {
    "model": "alias",
    "request_id": "req_2",
    "extras": {"user": "x"},
    "strict": True,
    "tries": 2,
    "watch": Unwatched(),
}


def key(request: SpeechRequest = ASKED, casting: Cast = CAST, **more: Any) -> bytes:
    given = {"model": "m", "revision": "1", "parameters": {"temperature": 0.7}, "lexicon": 0, **more}
    return result_key(request, casting, **given)


def test_every_field_of_a_request_either_changes_its_answer_or_does_not() -> None:
    assert {*OTHER, *SAME} == {field.name for field in fields(SpeechRequest)}


@pytest.mark.parametrize("field", OTHER)
def test_what_changes_the_answer_is_in_the_key(field: str) -> None:
    assert key(replace(ASKED, **{field: OTHER[field]})) != key()


@pytest.mark.parametrize("field", SAME)
def test_what_does_not_is_not(field: str) -> None:
    assert key(replace(ASKED, **{field: SAME[field]})) == key()


@pytest.mark.parametrize(
    "other",
    [
        {"model": "n"},
        {"revision": "2"},
        {"parameters": {}},
        {"parameters": {"temperature": 0.8}},
        {"parameters": {"temperature": 0.7, "top_k": 5}},
        {"lexicon": 1},
        {"casting": Cast("bert", "en", None)},
        {"casting": Cast("anna", "de", None)},
        {"casting": Cast("anna", "en", 1.5)},
        {"casting": Cast("anna", "en", None, stretch=2)},
    ],
    ids=str,
)
def test_what_was_resolved_is_in_the_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_the_order_of_parameters_is_not() -> None:
    assert key(parameters={"a": 1, "b": 2}) == key(parameters={"b": 2, "a": 1})


def test_odd_text_has_a_key() -> None:
    assert key(replace(ASKED, text="\ud800 \0 \U0001f600")) != key()
