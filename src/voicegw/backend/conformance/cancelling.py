"""The two ways in which a listener goes away: between two chunks, and while it waits for the next."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, Literal

from voicegw.backend.conformance.check import Failure
from voicegw.backend.conformance.stage import Model, is_audio


async def cancel_playing(model: Model) -> None:
    """Cancel a listener while it is busy with the first chunk, so that the stream waits at its ``yield``.

    Raises:
        Failure: The stream did not end, or in another way than by being cancelled.
    """
    playing = asyncio.Event()

    async def listen() -> None:
        async with aclosing(await model.stream(model.utterance(model.long))) as events:
            async for event in events:
                if is_audio(event):
                    playing.set()
                    await asyncio.get_running_loop().create_future()

    await _cancelled(model, listen(), playing)


async def cancel_inside(model: Model, at: Literal["start", "later"] = "later") -> bool:
    """Cancel a listener while it waits in ``__anext__``: for the first event, or after the first chunk.

    Returns:
        False where the model never made it wait.

    Raises:
        Failure: The stream did not end, or in another way than by being cancelled.
    """
    waiting = asyncio.Event()

    async def listen() -> None:
        async with aclosing(await model.stream(model.utterance(model.long))) as events:
            if at == "start":
                waiting.set()
            async for event in events:
                if is_audio(event):
                    waiting.set()

    return await _cancelled(model, listen(), waiting)


async def _cancelled(model: Model, listening: object, moment: asyncio.Event) -> bool:
    assert asyncio.iscoroutine(listening)  # noqa: S101 - for the type checker
    task: asyncio.Task[None] = asyncio.create_task(listening)
    try:
        async with asyncio.timeout(model.bounds.stall_s):
            await done_or(task, moment)
    except TimeoutError:
        task.cancel()
        await asyncio.wait({task}, timeout=model.bounds.stall_s)
        raise Failure(f"no audio came within {model.bounds.stall_s:g} s") from None
    if task.done():
        task.result()
        return False
    task.cancel()
    await asyncio.wait({task}, timeout=model.bounds.stall_s)
    _judge(task, model.bounds.stall_s)
    return True


async def done_or(task: asyncio.Task[Any], moment: asyncio.Event) -> None:
    """Wait until a task is done or a moment has come."""
    reached = asyncio.create_task(moment.wait())
    try:
        await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        reached.cancel()


def _judge(task: asyncio.Task[None], stall_s: float) -> None:
    if not task.done():
        raise Failure(f"a cancelled stream had not ended after {stall_s:g} s")
    if task.cancelled():
        return
    error = task.exception()
    if error is None:
        raise Failure("a cancelled stream went on to its end: CancelledError was swallowed")
    raise Failure(f"a cancelled stream ended in {type(error).__name__}: {error}") from error
