"""Checks of a model's life: loading, closing, and what stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voicegw.backend.conformance.cancelling import cancel_inside, cancel_playing
from voicegw.backend.conformance.check import Failure, applies, check, require
from voicegw.backend.conformance.stage import SHORT, Model, Stage
from voicegw.backend.conformance.watch import census, left_behind, pulse


@check
async def load_tells_its_progress(stage: Stage) -> None:
    """Loading calls progress with fractions from 0 to 1 that never fall, and with words."""
    await stage.close()
    told: list[tuple[float, str]] = []
    backend = stage.make()
    try:
        await backend.load(lambda fraction, what: told.append((fraction, what)))
    finally:
        await backend.close()
    fractions = [fraction for fraction, _ in told]
    require(bool(told), "load never called progress")
    require(all(0 <= fraction <= 1 for fraction in fractions), f"fractions outside 0 to 1: {fractions}")
    require(fractions == sorted(fractions), f"fractions fall: {fractions}")
    require(all(isinstance(what, str) for _, what in told), "what is being done is not told as a string")


@check
async def load_leaves_the_loop_free(stage: Stage) -> None:
    """Loading holds the event loop for no quarter of a second."""

    async def live() -> None:
        async with stage.life():
            pass

    await _leaves_the_loop_free(stage, live)


@check
async def speaking_leaves_the_loop_free(stage: Stage) -> None:
    """Speaking holds the event loop for no quarter of a second."""
    model = await stage.model()
    await _leaves_the_loop_free(stage, lambda: model.speak(model.long))


@check
async def close_may_be_called_twice(stage: Stage) -> None:
    """A second close does nothing, and neither does one without load."""
    await stage.close()
    await stage.make().close()
    backend = stage.make()
    await backend.load(lambda _fraction, _what: None)
    await backend.close()
    await backend.close()


@check
async def close_works_after_cancelling(stage: Stage) -> None:
    """A model whose streams were cancelled can be closed."""
    await stage.close()
    backend = stage.make()
    model = Model(backend, await backend.load(lambda _fraction, _what: None), stage.bounds)
    try:
        await asyncio.gather(*(cancel_playing(model) for _ in range(min(model.slots, 2))))
        await cancel_inside(model)
    finally:
        await _within(stage, backend.close())


@check
async def loads_again_after_closing(stage: Stage) -> None:
    """Once closed, the same model can be loaded and spoken with again in the same process."""
    for _ in range(2):
        async with stage.life() as model:
            require((await model.speak(SHORT)).samples > 0, "no audio")


@check
async def leaves_no_task(stage: Stage) -> None:
    """After close no asyncio task of the adapter lives."""
    await _leaves_none(stage, "task")


@check
async def leaves_no_thread(stage: Stage) -> None:
    """After close no thread of the adapter lives."""
    await _leaves_none(stage, "thread")


@check
async def leaves_no_process(stage: Stage) -> None:
    """After close no child process of the adapter lives."""
    await _leaves_none(stage, "process")


@check
async def leaves_no_descriptor(stage: Stage) -> None:
    """After close the process has as many open descriptors as before load."""
    await _leaves_none(stage, "descriptor")


async def _leaves_none(stage: Stage, kind: str) -> None:
    if stage.leaks is None:
        await _live(stage)  # what a library opens once in a process is no leak; what every life adds is one
        before = census()
        await _live(stage)
        stage.leaks = await left_behind(before, stage.bounds.settle_s)
    applies(kind in stage.leaks, f"every {kind} is hidden on this system")
    left = stage.leaks[kind]
    require(not left, f"left behind: {', '.join(left[:5])}")


async def _live(stage: Stage) -> None:
    async with stage.life() as model:
        await model.speak(SHORT)
        await cancel_playing(model)
        await cancel_inside(model)


async def _leaves_the_loop_free(stage: Stage, work: Callable[[], Awaitable[object]]) -> None:
    held = float("inf")
    for _ in range(stage.bounds.tries):
        async with pulse() as beats:
            await work()
        held = min(held, beats.longest_s)
        if held <= stage.bounds.hold_s:
            return
    raise Failure(f"the event loop was held for {held * 1000:.0f} ms")


async def _within(stage: Stage, closing: Awaitable[None]) -> None:
    try:
        await asyncio.wait_for(closing, stage.bounds.stall_s)
    except TimeoutError:
        raise Failure(f"close did not end within {stage.bounds.stall_s:g} s") from None
