"""Checks of cancellation: a listener goes away, and what it used is free for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voicegw.backend.conformance.cancelling import cancel_inside, cancel_playing
from voicegw.backend.conformance.check import NotApplicable, applies, check, require
from voicegw.backend.conformance.stage import Model, Stage

_AT_ONCE = 8


@check
async def cancel_between_chunks(stage: Stage) -> None:
    """Listeners that go away while they play a chunk, more of them than there are slots, free what they used."""
    model = await stage.model()
    await _waves(model, lambda: cancel_playing(model))
    require((await model.speak()).samples > 0, "after cancelled streams there is no audio")


@check
async def cancel_inside_anext(stage: Stage) -> None:
    """Listeners that go away while they wait for an event, more of them than there are slots, free what they used."""
    model = await stage.model()
    waited = await _waves(model, lambda: cancel_inside(model, "later"))
    waited |= await _waves(model, lambda: cancel_inside(model, "start"))
    require((await model.speak()).samples > 0, "after cancelled streams there is no audio")
    if not waited:
        raise NotApplicable("nobody ever waits inside __anext__")


@check
async def cancel_costs_at_most_one_step(stage: Stage) -> None:
    """After cancellation at most one more step is made, counted by the adapter's own steps_done."""
    model = await stage.model()
    applies(isinstance(getattr(model.backend, "steps_done", None), int), "the adapter has no counter steps_done")
    begun = asyncio.get_running_loop().time()
    await cancel_playing(model)
    spent = _steps_done(model)
    await asyncio.sleep(min(1.0, max(0.02, 3 * (asyncio.get_running_loop().time() - begun))))
    more = _steps_done(model) - spent
    require(more <= 1, f"{more} steps were made after cancellation")


def _steps_done(model: Model) -> int:
    return int(getattr(model.backend, "steps_done", 0))


async def _waves(model: Model, cancel: Callable[[], Awaitable[bool | None]]) -> bool:
    """Cancel more streams than there are slots, some at a time; tell whether any was still going."""
    left, found = model.slots + 1, False
    while left > 0:
        many = min(left, model.slots, _AT_ONCE)
        outcomes = await asyncio.gather(*(cancel() for _ in range(many)))
        found |= any(outcomes)
        left -= many
    return found
