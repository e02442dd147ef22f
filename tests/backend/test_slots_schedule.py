"""The schedule alone: a clock that stands still until it is moved, and no thread anywhere."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tests.support.scripted_runner import RATE, STEP, ScriptedRunner, utterance, whole
from voicegw.backend import AudioChunk, SpeechDone, WordTiming
from voicegw.backend.slots import Outcome, Schedule, SlotEvent, SlotLimits, StepPlan, Ticket


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A schedule with its clock, and the shorthand that the tests speak in."""

    def __init__(self, *, slots: int = 4, first_render: int = 1, **limits: Any) -> None:
        self.clock = Clock()
        self.schedule: Schedule[None] = Schedule(
            slots=slots,
            sample_rate=RATE,
            step_s=STEP / RATE,
            first_render=first_render,
            limits=SlotLimits(**limits),
            clock=self.clock,
        )
        self.numbers = 0

    def submit(self, *, lead_s: float = 0.0, words: bool = False) -> int:
        self.numbers += 1
        self.schedule.submit(self.numbers, utterance(lead_s=lead_s, words=words), None)
        return self.numbers

    def seat(self, positions: int = 0) -> Ticket[None]:
        ticket = self.schedule.seat()
        assert ticket is not None
        self.schedule.opened(ticket, positions)
        return ticket

    def start(self, positions: int = 0, **options: Any) -> Ticket[None]:
        self.submit(**options)
        return self.seat(positions)

    def give(self, ticket: Ticket[None], steps: int = 1, **fields: Any) -> Outcome:
        return self.schedule.apply([SlotEvent(ticket.number, pcm=audio(steps), **fields)])


def audio(steps: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.zeros(steps * STEP, np.int16)


def test_slots_go_lowest_first_to_whoever_waits_longest() -> None:
    stage = Stage(slots=2)
    first, second, third = (stage.submit() for _ in range(3))
    assert [(stage.seat().number, stage.schedule.open) for _ in range(2)] == [(first, 1), (second, 2)]
    assert stage.schedule.seat() is None
    assert stage.schedule.waiting == 1
    assert stage.schedule.drop(first).vacated == [0]
    ticket = stage.seat()
    assert (ticket.number, ticket.slot, stage.schedule.waiting) == (third, 0, 0)
    assert stage.schedule.seat() is None


def test_nothing_to_do_is_a_false_plan() -> None:
    stage = Stage()
    assert not stage.schedule.plan()
    stage.submit()
    assert not stage.schedule.plan(), "a ticket without a slot has no part in a step"
    stage.seat()
    assert stage.schedule.plan() == StepPlan((), (0,), (0,))


def test_a_long_prefill_is_cut_and_running_streams_go_on_meanwhile() -> None:
    stage = Stage(prefill_positions=100)
    stage.start()
    stage.start(positions=250)
    plans = [stage.schedule.plan() for _ in range(4)]
    assert [plan.prefill for plan in plans] == [((1, 100),), ((1, 100),), ((1, 50),), ()]
    assert [plan.decode for plan in plans] == [(0,), (0,), (0,), (0, 1)]


def test_one_budget_serves_several_prefills_in_order_of_arrival() -> None:
    stage = Stage(prefill_positions=100)
    stage.start(positions=60)
    stage.clock.now += 1
    stage.start(positions=60)
    assert stage.schedule.plan().prefill == ((0, 60), (1, 40))
    last = stage.schedule.plan()
    assert (last.prefill, last.decode) == (((1, 20),), (0,))


def test_who_hears_nothing_is_prefilled_before_who_still_has_audio_ahead() -> None:
    stage = Stage(prefill_positions=10)
    stage.start(positions=10, lead_s=9.0)
    stage.start(positions=10, lead_s=3.0)
    stage.clock.now += 1
    stage.start(positions=10)
    assert [stage.schedule.plan().prefill for _ in range(3)] == [((2, 10),), ((1, 10),), ((0, 10),)]


def test_a_lead_that_is_used_up_counts_as_silence() -> None:
    stage = Stage(prefill_positions=10)
    stage.start(positions=10, lead_s=1.0)
    stage.clock.now += 2
    stage.start(positions=10)
    assert stage.schedule.plan().prefill == ((0, 10),)


def test_the_runner_may_say_that_a_prompt_is_in_before_all_of_it_was_planned() -> None:
    stage = Stage(prefill_positions=10)
    ticket = stage.start(positions=1000)
    assert stage.schedule.plan().decode == ()
    stage.schedule.apply([SlotEvent(ticket.number, prefilled=True)])
    assert stage.schedule.plan() == StepPlan((), (0,), (0,))
    stage.schedule.apply([SlotEvent(ticket.number, prefilled=True)])
    assert stage.schedule.plan() == StepPlan((), (0,), (0,)), "saying it again changes nothing"


def test_the_first_audio_waits_for_first_render_steps_and_later_windows_are_the_same() -> None:
    stage = Stage(first_render=4)
    ticket = stage.start()
    rendered = []
    for _ in range(12):
        plan = stage.schedule.plan()
        assert plan.decode == (0,)
        rendered.append(bool(plan.render))
        if plan.render:
            stage.give(ticket, 4)
    assert rendered == [False, False, False, True] * 3


def test_later_windows_grow_while_the_listener_has_time() -> None:
    stage = Stage(first_render=2, render_steps=8)
    ticket = stage.start(lead_s=50.0)
    rendered = []
    for _ in range(10):
        plan = stage.schedule.plan()
        rendered.append(bool(plan.render))
        if plan.render:
            stage.give(ticket, 2)
    assert rendered == [False, True, *[False] * 7, True]


def test_a_larger_window_is_cut_short_when_the_listener_would_run_dry() -> None:
    stage = Stage(first_render=2, render_steps=8)
    ticket = stage.start()
    assert [bool(stage.schedule.plan().render) for _ in range(2)] == [False, True]
    stage.give(ticket, 2)  # two steps ahead, and six more to wait for
    assert [bool(stage.schedule.plan().render) for _ in range(2)] == [False, True]


def test_renders_are_limited_and_go_first_audio_first_then_nearest_deadline() -> None:
    stage = Stage(renders_per_step=1)
    rich, poor = stage.start(), stage.start()
    stage.give(rich, 9)
    stage.give(poor, 2)
    assert stage.schedule.plan().render == (poor.slot,)
    silent = stage.start()
    assert stage.schedule.plan().render == (silent.slot,)
    stage.give(silent, 30)
    stage.give(poor, 30)
    assert stage.schedule.plan().render == (rich.slot,)


def test_all_that_is_due_is_rendered_most_urgent_first() -> None:
    stage = Stage()
    tickets = [stage.start() for _ in range(3)]
    for ticket, steps in zip(tickets, (5, 1, 3), strict=True):
        stage.give(ticket, steps)
    assert stage.schedule.plan() == StepPlan((), (0, 1, 2), (1, 2, 0))


def test_a_listener_who_ran_dry_starts_anew_when_audio_comes() -> None:
    stage = Stage()
    ticket = stage.start()
    stage.give(ticket, 1)
    stage.clock.now += 60
    stage.give(ticket, 1)
    assert ticket.deadline == pytest.approx(stage.clock.now + STEP / RATE)


def test_what_has_ended_is_rendered_without_being_decoded_until_it_is_done() -> None:
    stage = Stage(first_render=4, renders_per_step=1)
    ticket = stage.start()
    stage.schedule.plan()
    stage.schedule.apply([SlotEvent(ticket.number, ended=True)])
    assert stage.schedule.plan() == StepPlan((), (), (0,))
    outcome = stage.give(ticket, 1, done=SpeechDone())
    assert outcome.vacated == [0]
    assert not stage.schedule.plan()


def test_a_slot_pauses_while_its_consumer_lags_and_resumes_at_half() -> None:
    stage = Stage(pending_s=0.1)  # ten steps
    lagging, other = stage.start(), stage.start()
    stage.give(lagging, 9)
    assert stage.schedule.plan().decode == (0, 1)
    stage.give(lagging, 1)
    assert (stage.schedule.plan().decode, stage.schedule.paused) == ((1,), 1)
    stage.schedule.took(lagging.number, 4 * STEP)
    assert stage.schedule.plan().decode == (1,)
    stage.give(lagging, 2)  # came late; still one pause
    assert stage.schedule.paused == 1
    stage.schedule.took(lagging.number, 3 * STEP)
    assert (stage.schedule.plan().decode, stage.schedule.paused) == ((0, 1), 0)
    assert other.held == 0


def test_a_paused_slot_that_goes_away_is_no_longer_counted() -> None:
    stage = Stage(pending_s=0.1)
    ticket = stage.start()
    stage.give(ticket, 10)
    assert (stage.schedule.paused, stage.schedule.drop(ticket.number).vacated) == (1, [0])
    assert stage.schedule.paused == 0
    stage.schedule.took(ticket.number, STEP)  # told late
    assert stage.schedule.paused == 0


def test_a_late_result_never_reaches_the_next_tenant_of_the_slot() -> None:
    stage = Stage(slots=1)
    old = stage.start()
    stage.schedule.drop(old.number)
    new = stage.start()
    assert new.slot == old.slot
    outcome = stage.schedule.apply(
        [
            SlotEvent(old.number, pcm=audio(1), done=SpeechDone()),
            SlotEvent(old.number, error=RuntimeError()),
        ]
    )
    assert (outcome, new.given) == (Outcome(), False)


def test_events_come_in_the_order_word_audio_end() -> None:
    stage = Stage()
    ticket = stage.start(words=True)
    word, pcm = WordTiming(0, 5, 0, 1), audio(1)
    outcome = stage.schedule.apply([SlotEvent(ticket.number, pcm=pcm, words=(word,), done=SpeechDone())])
    assert outcome.vacated == [ticket.slot]
    (delivery,) = outcome.deliveries
    assert (delivery.ticket, delivery.error) == (ticket.number, None)
    assert [type(event) for event in delivery.events] == [WordTiming, AudioChunk, SpeechDone]


def test_words_that_nobody_asked_for_and_empty_audio_are_left_out() -> None:
    stage = Stage()
    ticket = stage.start()
    outcome = stage.schedule.apply([SlotEvent(ticket.number, pcm=audio(0), words=(WordTiming(0, 5, 0, 1),))])
    assert (outcome, ticket.given) == (Outcome(), False)


def test_an_error_ends_its_own_ticket_only() -> None:
    stage = Stage()
    bad, good = stage.start(), stage.start()
    error = RuntimeError("no")
    outcome = stage.schedule.apply([SlotEvent(bad.number, error=error), SlotEvent(good.number, pcm=audio(1))])
    assert outcome.vacated == [bad.slot]
    assert [(delivery.ticket, delivery.error) for delivery in outcome.deliveries] == [
        (bad.number, error),
        (good.number, None),
    ]
    assert stage.schedule.plan().decode == (good.slot,)


def test_failing_an_opening_gives_the_slot_to_the_next() -> None:
    stage = Stage(slots=1)
    stage.submit()
    following = stage.submit()
    ticket = stage.schedule.seat()
    assert ticket is not None
    error = ValueError("no")
    outcome = stage.schedule.fail(ticket, error)
    assert (outcome.vacated, outcome.deliveries[0].error) == ([0], error)
    assert stage.seat().number == following


def test_failing_all_open_tickets_leaves_the_waiting_ones() -> None:
    stage = Stage(slots=2)
    tickets = [stage.start(), stage.start()]
    waiting = stage.submit()
    outcome = stage.schedule.fail_open(lambda: RuntimeError("gone"))
    assert [delivery.ticket for delivery in outcome.deliveries] == [ticket.number for ticket in tickets]
    assert len({id(delivery.error) for delivery in outcome.deliveries}) == 2, "an exception belongs to one task"
    assert outcome.vacated == [0, 1]
    assert stage.seat().number == waiting


def test_a_waiting_ticket_can_be_dropped_and_dropping_twice_is_nothing() -> None:
    stage = Stage(slots=1)
    stage.start()
    waiting = stage.submit()
    assert [stage.schedule.drop(waiting), stage.schedule.drop(waiting)] == [Outcome(), Outcome()]
    assert stage.schedule.waiting == 0


@pytest.mark.parametrize(
    "limits", [{"prefill_positions": 0}, {"pending_s": 0.0}, {"render_steps": 0}, {"renders_per_step": 0}]
)
def test_limits_are_positive(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive"):
        SlotLimits(**limits)


class Crowd:
    """Drives a schedule and a scripted runner by hand through a random crowd, and checks the rules at every step."""

    BUDGET = 50

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a repeatable crowd, not a secret
        self.stage = Stage(slots=3, first_render=2, prefill_positions=self.BUDGET, renders_per_step=2, pending_s=0.1)
        self.runner = ScriptedRunner(slots=3, first_render=2, late=bool(seed % 2), tail=bool(seed & 2))
        self.heard: dict[int, list[Any]] = {}
        self.spoken = {n: self._utterance(n) for n in range(1, 41)}
        self.gone: set[int] = set()
        self.finished: set[int] = set()

    def _utterance(self, number: int) -> Any:
        draw = self.random.randint
        return utterance(f"n{number}", steps=draw(1, 30), prefill=draw(0, 120), lead_s=draw(0, 1))

    def run(self) -> None:
        schedule, arriving = self.stage.schedule, list(self.spoken)
        for _ in range(4000):
            if arriving and self.random.random() < 0.3:
                number = arriving.pop(0)
                self.heard[number] = []
                schedule.submit(number, self.spoken[number], None)
            self._someone_leaves()
            while (ticket := schedule.seat()) is not None:
                schedule.opened(ticket, self.runner.open(ticket.slot, ticket.number, ticket.utterance, None))
            plan = schedule.plan()
            self._check(plan)
            self.take(schedule.apply(self.runner.step(plan) if plan else self.runner.settle()))
            self.stage.clock.now += 0.005
            if not arriving and not schedule.open and not schedule.waiting:
                return
        pytest.fail("somebody starves")

    def take(self, outcome: Outcome) -> None:
        for delivery in outcome.deliveries:
            for event in delivery.events:
                if isinstance(event, AudioChunk):
                    self.heard[delivery.ticket].append(event.pcm)
                    self.stage.schedule.took(delivery.ticket, len(event.pcm))
                else:
                    self.finished.add(delivery.ticket)
        for slot in outcome.vacated:
            self.runner.close(slot)

    def _someone_leaves(self) -> None:
        here = set(self.heard) - self.finished - self.gone
        if here and self.random.random() < 0.03:
            number = self.random.choice(sorted(here))
            self.gone.add(number)
            self.take(self.stage.schedule.drop(number))

    def _check(self, plan: StepPlan) -> None:
        assert sum(share for _, share in plan.prefill) <= self.BUDGET
        assert len(plan.render) <= 2
        assert len(set(plan.decode)) == len(plan.decode)
        assert not {slot for slot, _ in plan.prefill} & set(plan.decode)
        assert set(plan.decode) | set(plan.render) <= set(self.runner.seats)


@pytest.mark.parametrize("seed", range(8))
def test_a_random_crowd_is_served_whole_and_nobody_starves(seed: int) -> None:
    crowd = Crowd(seed)
    crowd.run()
    assert crowd.finished | crowd.gone == set(crowd.spoken)
    assert not crowd.runner.seats
    for number in crowd.finished:
        assert np.array_equal(np.concatenate(crowd.heard[number]), whole(crowd.spoken[number]))
