"""What the scheduler asks of a batching model in one step, and what the model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voicegw.backend.contract import Pcm, SpeechDone, Utterance, V_contra, WordTiming


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step of a batch: what is prefilled, advanced and rendered, in this order, each list most urgent first.

    A plan may name a slot whose utterance has just ended, for its result was not known yet; the runner ignores it.

    Attributes:
        prefill: Slots and how many positions each may spend in this step.
        decode: Slots that advance by one step; paused ones are absent.
        render: Slots whose decoded steps, this one included, must become audio now.
    """

    prefill: tuple[tuple[int, int], ...] = ()
    decode: tuple[int, ...] = ()
    render: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.prefill or self.decode or self.render)


@dataclass(frozen=True, slots=True)
class SlotEvent:
    """What a step did for one ticket.

    Attributes:
        ticket: As given to ``open``, never the slot: a result may come one step late, when the slot has a new tenant.
        prefilled: The prompt is in, even where fewer positions were planned than ``open`` asked for.
        pcm: Audio that continues what this ticket gave before, mono, at the runner's ``sample_rate``.
        words: Words that start in ``pcm`` or later, in order.
        ended: Nothing is left to decode: the next plans render what is pending, and ``done`` comes with the last of it.
        done: The ticket is complete, after this event's audio.
        error: The ticket failed; it alone.
    """

    ticket: int
    prefilled: bool = False
    pcm: Pcm | None = None
    words: tuple[WordTiming, ...] = ()
    ended: bool = False
    done: SpeechDone | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """How a scheduler drives its runner.

    Attributes:
        prefill_positions: Budget of one step for all prefills, so that running streams never wait for a long one.
        pending_s: Seconds of audio a ticket may have waiting for its consumer; beyond, its slot pauses until half of
            it is taken. What is under way when it pauses comes on top: at most two renders.
        render_steps: Steps of one render after the first audio; None for the runner's ``first_render``. A window is
            rendered before it is full where waiting for it would outlast what the listener has.
        renders_per_step: Slots rendered in one step; None for all that are due.
    """

    prefill_positions: int = 512
    pending_s: float = 4.0
    render_steps: int | None = None
    renders_per_step: int | None = None

    def __post_init__(self) -> None:
        counts = (self.prefill_positions, self.render_steps, self.renders_per_step)
        if self.pending_s <= 0 or any(count is not None and count < 1 for count in counts):
            raise ValueError("the limits of a scheduler are positive")


class SlotRunner(Protocol[V_contra]):
    """A model with room for several utterances at once. Every method is called from one and the same thread.

    The properties may be plain attributes; they are read once.
    """

    @property
    def slots(self) -> int:
        """How many utterances fit into memory; :func:`calibrate` tells how many of them to use."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hz of the audio it gives."""
        ...

    @property
    def step_s(self) -> float:
        """Seconds of audio that one decode step stands for."""
        ...

    @property
    def first_render(self) -> int:
        """Decode steps before the first audio of an utterance."""
        ...

    def open(self, slot: int, ticket: int, utterance: Utterance, voice: V_contra | None) -> int:
        """Seat an utterance in a free slot and give the number of positions to prefill, 0 for none.

        What it raises is this utterance's error, and the slot is closed.
        """
        ...

    def step(self, plan: StepPlan) -> Sequence[SlotEvent]:
        """Do what the plan says and give what is known by now, of this step or of the one before.

        What it raises fails every open utterance.
        """
        ...

    def settle(self) -> Sequence[SlotEvent]:
        """Give what earlier steps still owe; called when there is nothing left to plan."""
        ...

    def close(self, slot: int) -> None:
        """Empty a slot, whatever its state; closing an empty one does nothing."""
        ...
