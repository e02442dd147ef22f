"""For every check of cancellation, company and a model's life, an adapter that breaks its one rule and no other."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tests.backend.conformance_breakers import BREAKERS, LATE_S, breaks
from tests.backend.conformance_reference import SLOTS, Reference, Timbre
from voicegw.backend import InvalidRequest, ModelInfo, Progress, SpeechEvent, Utterance

ALL = BREAKERS
"""The breakers of both files, once this one is imported."""

CLEAN_UP: list[Callable[[], object]] = []
"""Ends what the leaking ones leave behind."""


class _Forgetful(Reference):
    """Keeps a slot for ever when a long text ends in one kind of exception."""

    ends_in: ClassVar[type[BaseException]]

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        try:
            async with aclosing(super().synthesize(utterance, voice)) as events:
                async for event in events:
                    yield event
        except self.ends_in:
            if utterance.text.startswith("Eight nine ten eleven"):
                self.slots._value = max(0, self.slots._value - 1)
            raise


@breaks("cancel_between_chunks")
class KeepsTheSlotAtGeneratorExit(_Forgetful):
    ends_in = GeneratorExit


@breaks("cancel_inside_anext")
class KeepsTheSlotAtCancelledError(_Forgetful):
    ends_in = asyncio.CancelledError


@breaks("cancel_costs_at_most_one_step")
class GoesOnAfterCancellation(Reference):
    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        try:
            async with aclosing(super().synthesize(utterance, voice)) as events:
                async for event in events:
                    yield event
        except GeneratorExit:
            self.rest = asyncio.create_task(self.go_on())
            raise

    async def go_on(self) -> None:
        for _ in range(9):
            await self.step()


@breaks("repeats_itself_as_claimed")
class DriftsInLongTexts(Reference):
    def noise(self, utterance: Utterance, length: int) -> NDArray[np.float64]:
        long = len(utterance.text) > 100
        return np.random.default_rng().standard_normal(length) if long else super().noise(utterance, length)


@breaks("company_changes_nothing")
class LouderInCompany(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        alone = self.slots._value == SLOTS - 1
        return super().tone(utterance, voice, word, number) * (1 if alone else 1.25)


@breaks("seeds_fix_the_noise")
class TakesSeedZeroForNone(Reference):
    def noise(self, utterance: Utterance, length: int) -> NDArray[np.float64]:
        return np.random.default_rng(utterance.seed or None).standard_normal(length)


@breaks("slots_run_at_the_same_time")
class OneAfterTheOther(Reference):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.one = asyncio.Lock()

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        queue: asyncio.Queue[SpeechEvent | None] = asyncio.Queue()
        self.check(utterance)
        making = asyncio.create_task(self.make(super().synthesize(utterance, voice), queue))
        try:
            while (event := await queue.get()) is not None:
                yield event
            if making.done():
                making.result()
        finally:
            making.cancel()
            await asyncio.wait({making})

    async def make(self, made: AsyncGenerator[SpeechEvent, None], queue: asyncio.Queue[SpeechEvent | None]) -> None:
        async with self.one, aclosing(made) as events:
            try:
                async for event in events:
                    queue.put_nowait(event)
            finally:
                queue.put_nowait(None)
            await asyncio.sleep(0.002)  # the listener is done before the next one has its turn


@breaks("slow_listener_delays_nobody")
class WaitsForEachListener(Reference):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.turn = asyncio.Lock()

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        async with aclosing(super().synthesize(utterance, voice)) as events:
            async for event in events:
                async with self.turn:
                    yield event


@breaks("error_stays_alone")
class AnErrorEndsAll(Reference):
    errors = 0

    def check(self, utterance: Utterance) -> None:
        try:
            super().check(utterance)
        except InvalidRequest:
            self.errors += 1
            raise

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        before = self.errors
        async with aclosing(super().synthesize(utterance, voice)) as events:
            async for event in events:
                if before < self.errors and utterance.text.startswith("Eight"):
                    raise RuntimeError("the model is in an undefined state")
                yield event


@breaks("load_tells_its_progress")
class StartsAgain(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        progress(0.5, "download")
        return await super().load(progress)


@breaks("load_leaves_the_loop_free")
class BlocksInLoad(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        time.sleep(LATE_S)  # noqa: ASYNC251 - this is the mistake
        return await super().load(progress)


@breaks("speaking_leaves_the_loop_free")
class BlocksInSpeech(Reference):
    def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> NDArray[Any]:
        if number == 20 and len(utterance.text) > 100:
            time.sleep(LATE_S)
        return super().tone(utterance, voice, word, number)


@breaks("close_may_be_called_twice")
class ClosesOnce(Reference):
    closed = False

    async def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@breaks("close_works_after_cancelling")
class WaitsForTheCancelled(Reference):
    cancelled = 0

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        try:
            async with aclosing(super().synthesize(utterance, voice)) as events:
                async for event in events:
                    yield event
        except GeneratorExit:
            self.cancelled += 1
            raise

    async def close(self) -> None:
        if self.cancelled > 1:
            await asyncio.get_running_loop().create_future()


@breaks("loads_again_after_closing")
class MuteInItsNextLife(Reference):
    spoken_before: ClassVar[list[str]] = []

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.spoken: list[str] = []

    def check(self, utterance: Utterance) -> None:
        super().check(utterance)
        self.spoken.append(utterance.text)

    def events(self, utterance: Utterance, pcm: NDArray[Any], at: int, span: tuple[int, int]) -> list[SpeechEvent]:
        mute = self.spoken_before == self.spoken == [utterance.text]
        return [] if mute else super().events(utterance, pcm, at, span)

    async def close(self) -> None:
        type(self).spoken_before = self.spoken


@breaks("leaves_no_task")
class LeavesATask(Reference):
    left: ClassVar[list[asyncio.Task[bool]]] = []

    async def close(self) -> None:
        self.left.append(asyncio.create_task(asyncio.Event().wait()))
        CLEAN_UP.append(self.left[-1].cancel)


@breaks("leaves_no_thread")
class LeavesAThread(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        end = threading.Event()
        threading.Thread(target=end.wait, name="left").start()
        CLEAN_UP.append(end.set)
        return await super().load(progress)


@breaks("leaves_no_process")
class LeavesAProcess(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        child = subprocess.Popen(["sleep", "60"])  # noqa: ASYNC220 - this is the mistake
        CLEAN_UP.extend([child.wait, child.kill])  # the last one is called first
        return await super().load(progress)


@breaks("leaves_no_descriptor")
class LeavesADescriptor(Reference):
    async def load(self, progress: Progress) -> ModelInfo:
        left = os.open(os.devnull, os.O_RDONLY)
        CLEAN_UP.append(lambda: os.close(left))
        return await super().load(progress)
