"""Taking from a source before anybody asks, so that it need not wait: a decoder has others to serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def ahead(source: AsyncGenerator[T, None], most: int) -> AsyncGenerator[T, None]:
    """Give what a source gives, and take up to ``most`` of it before it is asked for.

    The source is closed at its end, or when this generator is closed; what it raises is raised in its turn.
    """
    waiting: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue(most)
    task = asyncio.create_task(_take(source, waiting))
    try:
        while (item := await waiting.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item[0]
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _take(source: AsyncGenerator[T, None], waiting: asyncio.Queue[tuple[T] | Exception | None]) -> None:
    try:
        async with aclosing(source):
            async for item in source:
                await waiting.put((item,))
    except Exception as error:  # noqa: BLE001 - it is raised again by who reads
        await waiting.put(error)
    else:
        await waiting.put(None)
