"""The worker's memory of voices: budget, order, pins, one preparation for many."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import numpy as np
import pytest

from voicegw.backend import Prepared, Voice, VoiceSample
from voicegw.engine.voicecache import VoiceCache


def voice(name: str) -> Voice:
    return Voice(name, (VoiceSample(np.zeros(4, np.float32), 24000),))


class Shop:
    """A cache, with counts of what it fetched and prepared; ``gate`` holds preparations up."""

    def __init__(self, budget: int = 100, nbytes: int = 10) -> None:
        self.cache = VoiceCache(self._prepare, budget)
        self.nbytes = nbytes
        self.fetched: list[str] = []
        self.prepared: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def _prepare(self, given: Voice) -> Prepared[str]:
        self.prepared.append(given.key)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Prepared(f"prepared {given.key}", self.nbytes)

    async def _fetch(self, key: str) -> Voice:
        self.fetched.append(key)
        await asyncio.sleep(0)
        return voice(key)

    async def use(self, key: str) -> str:
        async with self.cache.pinned(key, lambda: self._fetch(key)) as value:
            await asyncio.sleep(0)
            return str(value)

    def keys(self) -> list[str]:
        return list(self.cache._entries)


async def test_a_voice_is_fetched_and_prepared_once() -> None:
    shop = Shop()
    assert [await shop.use("a") for _ in range(3)] == ["prepared a"] * 3
    assert shop.fetched == shop.prepared == ["a"]
    assert "a" in shop.cache
    assert "b" not in shop.cache
    assert (len(shop.cache), shop.cache.nbytes) == (1, 10)


async def test_the_least_recently_used_goes_first() -> None:
    shop = Shop(budget=30)
    for key in ["a", "b", "c", "a", "d"]:
        await shop.use(key)
    assert shop.keys() == ["c", "a", "d"]
    await shop.use("b")
    assert shop.keys() == ["a", "d", "b"]
    assert shop.cache.nbytes == 30
    assert shop.fetched == ["a", "b", "c", "d", "b"]


async def test_what_is_in_use_stays_over_the_budget() -> None:
    shop = Shop(budget=15)
    async with AsyncExitStack() as stack:
        for key in "abc":
            await stack.enter_async_context(shop.cache.pinned(key, lambda key=key: shop._fetch(key)))  # type: ignore[misc]
        assert shop.keys() == ["a", "b", "c"]
        await shop.use("d")  # of all of them only this one is not in use any more
        assert shop.keys() == ["a", "b", "c"]
    assert shop.cache.nbytes == 10
    assert len(shop.cache) == 1


async def test_a_voice_larger_than_the_budget_serves_and_goes() -> None:
    shop = Shop(budget=5)
    async with shop.cache.pinned("a", lambda: shop._fetch("a")) as value:
        assert value == "prepared a"
        assert "a" in shop.cache
    assert (len(shop.cache), shop.cache.nbytes) == (0, 0)


async def test_49_that_race_share_one_preparation() -> None:
    shop = Shop()
    shop.gate.clear()
    racers = [asyncio.create_task(shop.use("a")) for _ in range(49)]
    await asyncio.sleep(0.01)
    shop.gate.set()
    assert await asyncio.gather(*racers) == ["prepared a"] * 49
    assert (shop.fetched, shop.prepared) == (["a"], ["a"])
    assert all(entry.pins == 0 for entry in shop.cache._entries.values())
    assert not shop.cache._flights


async def test_another_takes_over_when_the_first_is_cancelled() -> None:
    shop = Shop()
    shop.gate.clear()
    racers = [asyncio.create_task(shop.use("a")) for _ in range(5)]
    for gone in racers[:3]:
        await asyncio.sleep(0.01)
        gone.cancel()
    await asyncio.sleep(0.01)
    shop.gate.set()
    got = await asyncio.gather(*racers, return_exceptions=True)
    assert [type(g) for g in got[:3]] == [asyncio.CancelledError] * 3
    assert got[3:] == ["prepared a"] * 2
    assert shop.prepared == ["a"] * 4  # every leader that was cancelled had begun
    assert not shop.cache._flights


async def test_a_failure_goes_to_everybody_who_waits_and_is_not_remembered() -> None:
    shop = Shop()
    shop.gate.clear()
    shop.error = RuntimeError("no voice in it")
    racers = [asyncio.create_task(shop.use("a")) for _ in range(5)]
    await asyncio.sleep(0.01)
    racers[3].cancel()
    shop.gate.set()
    got = await asyncio.gather(*racers, return_exceptions=True)
    assert [type(g) for g in got] == [RuntimeError] * 3 + [asyncio.CancelledError, RuntimeError]
    assert shop.prepared == ["a"]
    assert not shop.cache._flights
    shop.error = None
    assert await shop.use("a") == "prepared a"


async def test_a_failure_that_nobody_else_waits_for_is_raised_once() -> None:
    shop = Shop()

    async def lost() -> Voice:
        raise LookupError("no such voice")

    with pytest.raises(LookupError):
        async with shop.cache.pinned("a", lost):
            pass
    assert len(shop.cache) == 0


async def test_what_is_forgotten_is_fetched_again_and_stays_with_who_uses_it() -> None:
    shop = Shop()
    async with shop.cache.pinned("a", lambda: shop._fetch("a")) as value:
        shop.cache.forget("a")
        shop.cache.forget("a")
        shop.cache.forget("never seen")
        assert value == "prepared a"
        assert (len(shop.cache), shop.cache.nbytes) == (0, 0)
    await shop.use("a")
    assert shop.fetched == ["a", "a"]
    assert shop.cache.nbytes == 10


async def test_a_voice_that_is_forgotten_on_its_way_is_not_kept() -> None:
    shop = Shop()
    shop.gate.clear()
    leader, follower = (asyncio.create_task(shop.use("a")) for _ in range(2))
    await asyncio.sleep(0.01)
    shop.cache.forget("a")
    late = asyncio.create_task(shop.use("a"))
    await asyncio.sleep(0.01)
    assert shop.fetched == ["a", "a"]
    shop.gate.set()
    assert {await leader, await follower, await late} == {"prepared a"}
    assert shop.keys() == ["a"]
    assert shop.cache.nbytes == 10
    assert not shop.cache._flights


async def test_what_fails_inside_the_block_unpins() -> None:
    shop = Shop(budget=0)
    with pytest.raises(ZeroDivisionError):
        async with shop.cache.pinned("a", lambda: shop._fetch("a")):
            raise ZeroDivisionError
    assert len(shop.cache) == 0
