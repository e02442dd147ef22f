"""Taking ahead: the order, the bound, the end, and what is raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from voicegw.services.readahead import ahead

WAIT_S = 20.0


class Source:
    """Gives numbers and counts them; ``closed`` once nobody takes any more."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        self.given = 0
        self.closed = False
        self._most = most
        self._error = error

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self._most):
                self.given += 1
                yield number
            if self._error:
                raise self._error
        finally:
            self.closed = True


@pytest.mark.parametrize("most", [1, 3, 100])
async def test_all_of_it_in_order(most: int) -> None:
    source = Source(20)
    async with asyncio.timeout(WAIT_S):
        assert [number async for number in ahead(source.numbers(), most)] == list(range(20))
    assert source.closed


async def test_no_further_than_the_bound() -> None:
    source = Source(20)
    async with asyncio.timeout(WAIT_S), aclosing(ahead(source.numbers(), 3)) as numbers:
        assert await anext(numbers) == 0
        for _ in range(20):
            await asyncio.sleep(0)
        assert source.given == 1 + 3 + 1  # what was taken, what waits, what waits to wait
    assert source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_the_source_raises_comes_after_what_it_gave() -> None:
    source = Source(3, ValueError("no more"))
    async with aclosing(ahead(source.numbers(), 10)) as numbers:
        assert [await anext(numbers) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="no more"):
            await anext(numbers)
    assert source.closed


async def test_who_is_cancelled_while_waiting_closes_the_source() -> None:
    closed = asyncio.Event()

    async def never() -> AsyncGenerator[int, None]:
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            closed.set()

    async def read() -> list[int]:
        async with aclosing(ahead(never(), 1)) as numbers:
            return [number async for number in numbers]

    task = asyncio.create_task(read())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert closed.is_set()
