"""The batching model: all slots advance by one chunk per step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicegw.backend import SpeechDone, Utterance
from voicegw.backend.slots import SlotEvent, StepPlan
from voicegw_tone.config import ToneConfig, speed_of
from voicegw_tone.synth import DEFAULT, SAMPLE_RATE, TIMBRES, Score, Timbre


@dataclass(slots=True)
class _Seat:
    ticket: int
    score: Score
    decoded: int = 0
    rendered: int = 0


class ToneRunner:
    """A :class:`SlotRunner` that has nothing to prefill and renders what it decodes in the same step."""

    sample_rate = SAMPLE_RATE
    first_render = 1

    def __init__(self, config: ToneConfig) -> None:
        self.slots = config.slots
        self.step_s = config.step_samples / SAMPLE_RATE
        self._step = config.step_samples
        self._seats: dict[int, _Seat] = {}

    def open(self, slot: int, ticket: int, utterance: Utterance, voice: Timbre | None) -> int:
        """Write the score of an utterance whose voice and parameters were checked before."""
        timbre = voice or (DEFAULT if utterance.voice is None else TIMBRES[utterance.voice])
        self._seats[slot] = _Seat(ticket, Score.of(utterance.text, timbre, speed_of(utterance)))
        return 0

    def step(self, plan: StepPlan) -> Sequence[SlotEvent]:
        """Advance, then render."""
        for slot in plan.decode:
            self._seats[slot].decoded += self._step
        return [self._render(self._seats[slot]) for slot in plan.render]

    def settle(self) -> Sequence[SlotEvent]:
        """Owe nothing: every step answers for itself."""
        return ()

    def close(self, slot: int) -> None:
        """Forget the utterance."""
        self._seats.pop(slot, None)

    def _render(self, seat: _Seat) -> SlotEvent:
        score, start, stop = seat.score, seat.rendered, seat.decoded
        if not score.hz:
            return SlotEvent(seat.ticket, done=SpeechDone())
        seat.rendered = stop
        done = SpeechDone() if stop >= score.samples else None
        return SlotEvent(seat.ticket, pcm=score.audio(start, stop), words=score.starting(start, stop), done=done)
