"""Who gets which part of the next step: tickets, their states and their order. No thread, no model, no real clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic

from voicegw.backend.contract import AudioChunk, SpeechEvent, Utterance, V
from voicegw.backend.slots.plan import SlotEvent, SlotLimits, StepPlan


class Phase(Enum):
    """Where a ticket is in its life."""

    WAITING = auto()
    PREFILL = auto()
    RUNNING = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Ticket(Generic[V]):
    """One utterance on its way through a slot.

    Attributes:
        deadline: Clock time at which the listener will have heard all that was given, and what lay before this
            utterance (``Utterance.lead_s``).
        to_prefill: Positions not planned yet.
        pending: Steps planned and not rendered.
        given: Whether any audio came.
        held: Samples given and not known to be taken.
        paused: Whether its consumer lags so far that the slot waits.
    """

    number: int
    utterance: Utterance
    voice: V | None
    deadline: float
    slot: int = -1
    phase: Phase = Phase.WAITING
    to_prefill: int = 0
    pending: int = 0
    given: bool = False
    held: int = 0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes to one ticket's consumer: events in order, then the error if there is one."""

    ticket: int
    events: tuple[SpeechEvent, ...] = ()
    error: Exception | None = None


@dataclass(slots=True)
class Outcome:
    """What follows from a step: deliveries, and slots that the runner must close."""

    deliveries: list[Delivery] = field(default_factory=list)
    vacated: list[int] = field(default_factory=list)


class Schedule(Generic[V]):
    """Plans steps and keeps account of what they gave.

    Args:
        slots: Utterances at a time.
        sample_rate: Hz of the audio.
        step_s: Seconds of audio of one decode step.
        first_render: Steps before the first audio.
        limits: Budgets and bounds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        slots: int,
        sample_rate: int,
        step_s: float,
        first_render: int,
        limits: SlotLimits,
        clock: Callable[[], float],
    ) -> None:
        self.paused = 0
        self._rate = sample_rate
        self._step_s = step_s
        self._first_render = first_render
        self._later_render = max(first_render, limits.render_steps or first_render)
        self._limits = limits
        self._pause_at = limits.pending_s * sample_rate
        self._clock = clock
        self._free = list(range(slots))
        self._waiting: dict[int, Ticket[V]] = {}
        self._open: dict[int, Ticket[V]] = {}

    @property
    def open(self) -> int:
        """Number of tickets that have a slot."""
        return len(self._open)

    @property
    def waiting(self) -> int:
        """Number of tickets that have none yet."""
        return len(self._waiting)

    def submit(self, number: int, utterance: Utterance, voice: V | None) -> None:
        """Queue an utterance under a number that was never used before."""
        self._waiting[number] = Ticket(number, utterance, voice, self._clock() + utterance.lead_s)

    def seat(self) -> Ticket[V] | None:
        """Give the longest waiting ticket the lowest free slot, if there are both; :meth:`opened` must follow."""
        if not self._free or not self._waiting:
            return None
        ticket = self._waiting.pop(next(iter(self._waiting)))
        ticket.slot = heapq.heappop(self._free)
        ticket.phase = Phase.PREFILL
        self._open[ticket.number] = ticket
        return ticket

    def opened(self, ticket: Ticket[V], positions: int) -> None:
        """Note how many positions the runner wants to prefill."""
        ticket.to_prefill = positions
        if positions <= 0:
            ticket.phase = Phase.RUNNING

    def took(self, number: int, samples: int) -> None:
        """Note that the consumer of a ticket took audio."""
        ticket = self._open.get(number)
        if ticket is None:
            return
        ticket.held -= samples
        if ticket.paused and ticket.held <= self._pause_at / 2:
            ticket.paused = False
            self.paused -= 1

    def plan(self) -> StepPlan:
        """Plan the next step; false when nothing can advance."""
        now = self._clock()
        prefill: list[Ticket[V]] = []
        decode: list[int] = []
        render: list[Ticket[V]] = []
        for ticket in self._open.values():
            if ticket.phase is Phase.PREFILL:
                prefill.append(ticket)
            elif not ticket.paused:
                if ticket.phase is Phase.RUNNING:
                    decode.append(ticket.slot)
                    ticket.pending += 1
                if self._renders(ticket, now):
                    render.append(ticket)
        return StepPlan(self._plan_prefill(prefill, now), tuple(decode), self._plan_render(render, now))

    def apply(self, events: Iterable[SlotEvent]) -> Outcome:
        """Account for the results of a step; those of tickets that are gone are dropped."""
        outcome, now = Outcome(), self._clock()
        for event in events:
            ticket = self._open.get(event.ticket)
            if ticket is not None:
                self._apply(ticket, event, now, outcome)
        return outcome

    def drop(self, number: int) -> Outcome:
        """Forget a ticket whose consumer went away, wherever it is; one that is gone already is no error."""
        self._waiting.pop(number, None)
        outcome = Outcome()
        if (ticket := self._open.get(number)) is not None:
            self._vacate(ticket, outcome)
        return outcome

    def fail(self, ticket: Ticket[V], error: Exception) -> Outcome:
        """End one open ticket with an error."""
        outcome = Outcome([Delivery(ticket.number, (), error)])
        self._vacate(ticket, outcome)
        return outcome

    def fail_open(self, error: Callable[[], Exception]) -> Outcome:
        """End every open ticket with an error of its own; waiting ones are not touched."""
        outcome = Outcome()
        for ticket in list(self._open.values()):
            outcome.deliveries.append(Delivery(ticket.number, (), error()))
            self._vacate(ticket, outcome)
        return outcome

    def _urgency(self, ticket: Ticket[V], now: float) -> tuple[bool, float]:
        """Whoever waits in silence for an utterance to begin goes first, then the nearest playback deadline."""
        return ticket.given or ticket.deadline > now, ticket.deadline

    def _plan_prefill(self, tickets: list[Ticket[V]], now: float) -> tuple[tuple[int, int], ...]:
        if not tickets:
            return ()
        tickets.sort(key=lambda ticket: self._urgency(ticket, now))
        left, shares = self._limits.prefill_positions, []
        for ticket in tickets:
            share = min(left, ticket.to_prefill)
            if share:
                shares.append((ticket.slot, share))
                left -= share
                ticket.to_prefill -= share
            if not ticket.to_prefill:
                ticket.phase = Phase.RUNNING  # steps run in order, so it may decode in the next one
        return tuple(shares)

    def _renders(self, ticket: Ticket[V], now: float) -> bool:
        if ticket.phase is Phase.ENDED:
            return True
        if not ticket.given:
            return ticket.pending >= self._first_render
        missing = self._later_render - ticket.pending
        return missing <= 0 or (ticket.pending >= self._first_render and ticket.deadline - now < missing * self._step_s)

    def _plan_render(self, tickets: list[Ticket[V]], now: float) -> tuple[int, ...]:
        tickets.sort(key=lambda ticket: self._urgency(ticket, now))
        chosen = tickets[: self._limits.renders_per_step]
        for ticket in chosen:
            ticket.pending = 0
        return tuple(ticket.slot for ticket in chosen)

    def _apply(self, ticket: Ticket[V], event: SlotEvent, now: float, outcome: Outcome) -> None:
        if event.error is not None:
            outcome.deliveries.append(Delivery(ticket.number, (), event.error))
            self._vacate(ticket, outcome)
            return
        if event.ended:
            ticket.phase = Phase.ENDED
        elif event.prefilled and ticket.phase is Phase.PREFILL:
            ticket.phase = Phase.RUNNING
        events: list[SpeechEvent] = list(event.words) if ticket.utterance.words else []
        if event.pcm is not None and len(event.pcm):
            self._give(ticket, len(event.pcm), now)
            events.append(AudioChunk(event.pcm))
        if event.done is not None:
            events.append(event.done)
            self._vacate(ticket, outcome)
        if events:
            outcome.deliveries.append(Delivery(ticket.number, tuple(events)))

    def _give(self, ticket: Ticket[V], samples: int, now: float) -> None:
        ticket.given = True
        ticket.deadline = max(ticket.deadline, now) + samples / self._rate
        ticket.held += samples
        if not ticket.paused and ticket.held >= self._pause_at:
            ticket.paused = True
            self.paused += 1

    def _vacate(self, ticket: Ticket[V], outcome: Outcome) -> None:
        del self._open[ticket.number]
        self.paused -= ticket.paused
        heapq.heappush(self._free, ticket.slot)
        outcome.vacated.append(ticket.slot)
