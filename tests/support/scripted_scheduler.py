"""A running scheduler around a scripted model, and an ear for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.scripted_runner import ScriptedRunner
from voicegw.backend import AudioChunk, SpeechDone, SpeechEvent, Utterance
from voicegw.backend.slots import SlotScheduler


@asynccontextmanager
async def running(runner: ScriptedRunner, **options: Any) -> AsyncIterator[SlotScheduler[Any]]:
    """Start a scheduler, and close it in the end."""
    scheduler: SlotScheduler[Any] = SlotScheduler(runner, **options)
    await scheduler.start()
    try:
        yield scheduler
    finally:
        runner.gate.set()
        await scheduler.close()


async def hear(scheduler: SlotScheduler[Any], spoken: Utterance) -> NDArray[np.int16]:
    """Listen to the end; the last event, and no other, must be the end."""
    events = [event async for event in scheduler.synthesize(spoken)]
    assert [isinstance(event, SpeechDone) for event in events] == [False] * (len(events) - 1) + [True]
    return np.concatenate([event.pcm for event in events if isinstance(event, AudioChunk)])


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has happened."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in a thread that sets no event
            await asyncio.sleep(0.001)


async def exhaust(events: AsyncGenerator[SpeechEvent, None]) -> None:
    """Listen to what is left and forget it."""
    async for _ in events:
        pass


async def held(runner: ScriptedRunner) -> None:
    """Close the gate, unless it is closed, and wait until the model stands at it, inside a step."""
    runner.gate.clear()
    await until(runner.standing.is_set)
