"""A batching model that does what each utterance's parameters say: the stage on which the scheduler is tested."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import RequestMeta, SpeechDone, Utterance, WordTiming
from voicegw.backend.slots import SlotEvent, StepPlan

RATE, STEP = 1000, 10


def utterance(text: str = "a", *, words: bool = False, lead_s: float = 0.0, **script: Any) -> Utterance:
    """Make an utterance with a script.

    ``steps``: decode steps it lasts (3). ``prefill``: positions (0). ``fail_open``, ``fail_event``: the error to raise
    or to report, the latter at step ``fail_at`` (1). ``fail_step``: step of this utterance at which the whole batch
    breaks.
    """
    return Utterance(RequestMeta("r"), text, parameters=script, words=words, lead_s=lead_s)


def whole(spoken: Utterance) -> NDArray[np.int16]:
    """Give all the audio of an utterance, computed at once: depends on its text and on nothing else."""
    return _audio(spoken, 0, int(spoken.parameters.get("steps", 3)))


def _audio(spoken: Utterance, first: int, last: int) -> NDArray[np.int16]:
    at = np.arange(first * STEP, last * STEP)
    return ((at * 7 + sum(spoken.text.encode())) % 30_000).astype(np.int16)


@dataclass(slots=True)
class Seat:
    """What the model remembers of one slot."""

    ticket: int
    utterance: Utterance
    prefilled: int = 0
    decoded: int = 0
    rendered: int = 0


@dataclass
class ScriptedRunner:
    """Attributes of a runner, a log of its calls, and a gate that can hold it inside a step.

    ``late``: every result comes with the step after, or with ``settle``. ``tail``: the end is told first, and the last
    audio comes when it is rendered.
    """

    slots: int = 4
    first_render: int = 1
    late: bool = False
    tail: bool = False
    sample_rate: int = RATE
    step_s: float = STEP / RATE
    plans: list[StepPlan] = field(default_factory=list)
    opened: list[tuple[int, int, str]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    settled: int = 0
    fail_settle: Exception | None = None
    fail_close: Exception | None = None
    seats: dict[int, Seat] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    standing: threading.Event = field(default_factory=threading.Event)
    _owed: list[SlotEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def open(self, slot: int, ticket: int, utterance: Utterance, voice: object | None) -> int:
        """Seat an utterance; a slot must have been closed before it is opened again."""
        del voice
        self.threads.add(threading.get_ident())
        assert slot not in self.seats, "the slot is taken"
        self.opened.append((slot, ticket, utterance.text))
        if "fail_open" in utterance.parameters:
            raise utterance.parameters["fail_open"]
        self.seats[slot] = Seat(ticket, utterance)
        return int(utterance.parameters.get("prefill", 0))

    def step(self, plan: StepPlan) -> Sequence[SlotEvent]:
        """Do the plan, in its order."""
        self.threads.add(threading.get_ident())
        if not self.gate.is_set():
            self.standing.set()
            assert self.gate.wait(20), "nobody opened the gate"
            self.standing.clear()
        self.plans.append(plan)
        events = [event for slot, share in plan.prefill for event in self._prefill(self.seats[slot], share)]
        events += [event for slot in plan.decode for event in self._decode(self.seats[slot], slot in plan.render)]
        events += [event for slot in plan.render for event in self._render(self.seats[slot])]
        if self.late:
            events, self._owed = self._owed, events
        return events

    def settle(self) -> Sequence[SlotEvent]:
        """Give what is owed."""
        self.threads.add(threading.get_ident())
        self.settled += 1
        if self.fail_settle is not None:
            raise self.fail_settle
        events, self._owed = self._owed, []
        return events

    def close(self, slot: int) -> None:
        """Empty the slot."""
        self.threads.add(threading.get_ident())
        self.closed.append(slot)
        self.seats.pop(slot, None)
        if self.fail_close is not None:
            raise self.fail_close

    def _prefill(self, seat: Seat, share: int) -> list[SlotEvent]:
        seat.prefilled += share
        wanted = int(seat.utterance.parameters["prefill"])
        assert seat.prefilled <= wanted
        return [SlotEvent(seat.ticket, prefilled=True)] if seat.prefilled == wanted else []

    def _decode(self, seat: Seat, rendered: bool) -> list[SlotEvent]:
        script: Mapping[str, Any] = seat.utterance.parameters
        assert seat.prefilled == script.get("prefill", 0), "decoded before its prompt was in"
        seat.decoded += 1
        if script.get("fail_step") == seat.decoded:
            raise RuntimeError("the device is gone")
        if "fail_event" in script and seat.decoded == script.get("fail_at", 1):
            return [SlotEvent(seat.ticket, error=script["fail_event"])]
        if seat.decoded < self._steps(seat):
            return []
        if self.tail:
            return [SlotEvent(seat.ticket, ended=True)]
        return [] if rendered else self._render(seat)

    def _render(self, seat: Seat) -> list[SlotEvent]:
        total = self._steps(seat)
        now = min(seat.decoded, total)
        if now == seat.rendered:
            return []  # one step past the end, planned before the end was known
        pcm = _audio(seat.utterance, seat.rendered, now)
        words = tuple(WordTiming(k * STEP, (k + 1) * STEP, 0, 1) for k in range(seat.rendered, now))
        seat.rendered = now
        done = SpeechDone() if now == total else None
        return [SlotEvent(seat.ticket, pcm=pcm, words=words, done=done)]

    @staticmethod
    def _steps(seat: Seat) -> int:
        return int(seat.utterance.parameters.get("steps", 3))
