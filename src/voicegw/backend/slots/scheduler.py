"""One thread that steps a model, and the streams through which a whole event loop listens to it."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from voicegw.backend.contract import AudioChunk, SpeechDone, SpeechEvent, Utterance, V
from voicegw.backend.slots.plan import SlotEvent, SlotLimits, SlotRunner, StepPlan
from voicegw.backend.slots.schedule import Delivery, Outcome, Schedule, Ticket
from voicegw.backend.slots.timing import StepTimes, new_times
from voicegw.errors import BackendFailed, Unavailable

R = TypeVar("R")

REPORT_SHARE = 0.25
"""Part of ``pending_s`` that a consumer takes before the step thread is told; under the half at which slots resume."""


@dataclass(frozen=True, slots=True)
class SlotStats:
    """What a scheduler does at this moment, and what it did since its start."""

    slots: int
    open: int
    waiting: int
    paused: int
    steps: int
    failed_steps: int


class _Stream:
    """The event loop's end of one ticket."""

    __slots__ = ("error", "events", "over", "untold", "waiter")

    def __init__(self) -> None:
        self.events: deque[SpeechEvent] = deque()
        self.error: Exception | None = None
        self.over = False
        self.untold = 0
        self.waiter: asyncio.Future[None] | None = None

    def put(self, events: Sequence[SpeechEvent], error: Exception | None) -> None:
        self.events.extend(events)
        if error is not None:
            self.error = error
        self.over = self.error is not None or (bool(events) and isinstance(events[-1], SpeechDone))
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def next(self) -> SpeechEvent:
        while not self.events:
            if self.error is not None:
                raise self.error
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        return self.events.popleft()


class SlotScheduler(Generic[V]):
    """Runs a :class:`SlotRunner` on a thread of its own and speaks through it as the contract asks.

    Results reach the event loop in one callback per step. With nothing to do the thread sleeps until it is told
    something. It is bound to the event loop in which it was started.

    Args:
        runner: The model; all its methods are called from the thread, and nowhere else.
        slots: How many of its slots to use; None for all.
        limits: Budgets and bounds.
        name: Of the thread.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        runner: SlotRunner[V],
        *,
        slots: int | None = None,
        limits: SlotLimits | None = None,
        name: str = "slots",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = limits or SlotLimits()
        self._slots = runner.slots if slots is None else min(slots, runner.slots)
        if self._slots < 1:
            raise ValueError("a scheduler needs at least one slot")
        self._runner = runner
        self._schedule: Schedule[V] = Schedule(
            slots=self._slots,
            sample_rate=runner.sample_rate,
            step_s=runner.step_s,
            first_render=runner.first_render,
            limits=limits,
            clock=clock,
        )
        self._tell_at = max(1, int(limits.pending_s * runner.sample_rate * REPORT_SHARE))
        self._name = name
        self._numbers = itertools.count(1)
        self._streams: dict[int, _Stream] = {}
        self._calls: set[Future[Any]] = set()
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended: asyncio.Event | None = None
        self._stopping = False
        self._owed = False
        self._steps = self._failed_steps = 0
        self._times = StepTimes()

    async def start(self) -> None:
        """Start the thread. A scheduler starts once."""
        if self._thread is not None:
            raise RuntimeError("a scheduler starts once")
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._times = new_times()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Empty all slots and end the thread; whoever still listens gets :class:`Unavailable`."""
        if self._thread is None or self._ended is None:
            return
        self._inbox.put(self._stop)
        await self._ended.wait()
        self._thread.join()

    def stats(self) -> SlotStats:
        """Give the figures of this moment; any thread may ask."""
        schedule = self._schedule
        return SlotStats(self._slots, schedule.open, schedule.waiting, schedule.paused, self._steps, self._failed_steps)

    async def call(self, function: Callable[[], R]) -> R:
        """Run a function on the model's thread, between two steps: for work on the same device, such as voices.

        Raises:
            Unavailable: The scheduler does not run, or ends before the function's turn.
        """
        self._check_running()
        future: Future[R] = Future()
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        self._inbox.put(partial(_answer, future, function))
        return await asyncio.wrap_future(future)

    async def synthesize(self, utterance: Utterance, voice: V | None = None) -> AsyncGenerator[SpeechEvent, None]:
        """Speak an utterance as soon as a slot is free; first come, first served.

        Ending the iteration in any way empties the slot before the next step.

        Raises:
            Unavailable: The scheduler does not run, or was closed meanwhile.
            BackendFailed: A step failed. Errors of this utterance alone come as the runner raised them.
        """
        self._check_running()
        number, stream = next(self._numbers), _Stream()
        self._streams[number] = stream
        self._inbox.put(partial(self._schedule.submit, number, utterance, voice))
        try:
            event: SpeechEvent | None = None
            while not isinstance(event, SpeechDone):
                event = await stream.next()
                if isinstance(event, AudioChunk):
                    self._take(number, stream, len(event.pcm))
                yield event
        finally:
            del self._streams[number]
            if not stream.over:
                self._inbox.put(partial(self._drop, number))

    def _check_running(self) -> None:
        if self._thread is None or self._ended is None or self._ended.is_set():
            raise Unavailable("the model is not loaded")

    def _take(self, number: int, stream: _Stream, samples: int) -> None:
        stream.untold += samples
        if stream.untold >= self._tell_at and not stream.over:
            self._inbox.put(partial(self._schedule.took, number, stream.untold))
            stream.untold = 0

    def _deliver(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            stream = self._streams.get(delivery.ticket)
            if stream is not None:
                stream.put(delivery.events, delivery.error)

    def _over(self) -> None:
        """Tell whoever still listens or waits, in the event loop, that the thread has ended."""
        for stream in self._streams.values():
            if not stream.over:
                stream.put((), _closed())
        for future in list(self._calls):
            with suppress(Exception):  # it may have been cancelled in this very moment
                future.set_exception(_closed())
        if self._ended is not None:
            self._ended.set()

    # from here on: the thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._finish(self._schedule.fail_open(_closed))
            self._post(self._over)

    def _turn(self) -> None:
        while not self._stopping and not self._inbox.empty():
            self._inbox.get()()
        while not self._stopping and (ticket := self._schedule.seat()) is not None:
            self._open(ticket)
        if self._stopping:
            return
        plan = self._schedule.plan()
        if plan:
            self._steps += 1
            self._owed = True
            self._advance(partial(self._step, plan))
        elif self._owed:
            self._owed = False
            self._advance(self._runner.settle)
        else:
            self._inbox.get()()

    def _open(self, ticket: Ticket[V]) -> None:
        try:
            positions = self._runner.open(ticket.slot, ticket.number, ticket.utterance, ticket.voice)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this utterance's
            self._finish(self._schedule.fail(ticket, error))
        else:
            self._schedule.opened(ticket, positions)

    def _step(self, plan: StepPlan) -> Sequence[SlotEvent]:
        began = time.perf_counter()
        try:
            return self._runner.step(plan)
        finally:
            self._times.note(time.perf_counter() - began)

    def _advance(self, work: Callable[[], Sequence[SlotEvent]]) -> None:
        try:
            outcome = self._schedule.apply(work())
        except Exception as error:  # noqa: BLE001 - a failed step ends those it carried, not the scheduler
            self._failed_steps += 1
            outcome = self._schedule.fail_open(partial(_step_failed, error))
        self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        if outcome.deliveries:
            self._post(partial(self._deliver, outcome.deliveries))
        for slot in outcome.vacated:
            with suppress(Exception):  # a slot that cannot be emptied shows at the next opening, as that one's error
                self._runner.close(slot)

    def _drop(self, number: int) -> None:
        self._finish(self._schedule.drop(number))

    def _stop(self) -> None:
        self._stopping = True

    def _post(self, callback: Callable[[], None]) -> None:
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(callback)
            except RuntimeError:  # the loop was closed under us: nobody listens any more
                self._stopping = True


def _closed() -> Unavailable:
    return Unavailable("the model was closed")


def _step_failed(cause: Exception) -> BackendFailed:
    error = BackendFailed(f"the model failed in a step ({type(cause).__name__})")
    error.__cause__ = cause
    return error


def _answer(future: Future[R], function: Callable[[], R]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:  # noqa: BLE001 - it belongs to the caller
        future.set_exception(error)
