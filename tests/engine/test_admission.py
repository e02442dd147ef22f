"""Who runs next, with a clock that only the test moves."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from voicegw.backend import Priority, RequestMeta
from voicegw.engine.admission import Admission, Ticket
from voicegw.errors import DeadlineExceeded, Overloaded


class Clock:
    def __init__(self) -> None:
        self.t = 1000.0

    def __call__(self) -> float:
        return self.t


class Desk:
    """An admission and who has got a slot, in order."""

    def __init__(self, slots: int = 1, queue: int = 100) -> None:
        self.clock = Clock()
        self.admission = Admission(slots, queue, self.clock)
        self._waiting: list[tuple[str, Ticket]] = []

    def join(
        self,
        request: str,
        tenant: str = "",
        priority: Priority = Priority.INTERACTIVE,
        *,
        lead: float = 0,
        begun: bool = False,
    ) -> Ticket:
        ticket = self.admission.join(RequestMeta(request, tenant, priority, 30.0, begun), lead)
        self._waiting.append((request, ticket))
        return ticket

    def granted(self) -> list[tuple[str, Ticket]]:
        return [(name, t) for name, t in self._waiting if t.granted_at is not None and not t.left]

    def order(self) -> list[str]:
        """End whoever runs, one at a time, and give the order in which slots were got."""
        got = []
        while now := self.granted():
            name, ticket = now[0]
            got.append(name)
            ticket.leave()
        return got

    def empty(self) -> bool:
        a = self.admission
        return not (a.running or a.waiting or a._next or any(q._tenants for q in a._queues.values()))


async def test_slots_are_given_first_come_first_served() -> None:
    desk = Desk(slots=2)
    tickets = [desk.join(f"r{i}") for i in range(5)]
    assert [name for name, _ in desk.granted()] == ["r0", "r1"]
    assert (desk.admission.running, desk.admission.waiting) == (2, 3)
    assert await tickets[0].turn() == 0.0
    tickets[1].leave()
    assert [name for name, _ in desk.granted()] == ["r0", "r2"]
    assert desk.order() == ["r0", "r2", "r3", "r4"]
    assert desk.empty()


async def test_the_wait_is_told() -> None:
    desk = Desk()
    first, second = desk.join("a"), desk.join("b")
    turn = asyncio.create_task(second.turn())
    await asyncio.sleep(0)
    desk.clock.t += 2.5
    first.leave()
    assert await turn == 2.5


@pytest.mark.parametrize(("slots", "queue"), [(1, 4), (3, 2), (2, 0)])
async def test_the_queue_is_bounded(slots: int, queue: int) -> None:
    desk = Desk(slots, queue)
    for i in range(slots * (queue + 1)):
        desk.join(f"r{i}")
    for _ in range(3):
        with pytest.raises(Overloaded, match=f"{slots} running, {slots * queue} waiting") as caught:
            desk.join("too many")
        assert caught.value.retry_after_s is not None
        assert 1 <= caught.value.retry_after_s <= 60
    desk.granted()[0][1].leave()
    desk.join("fits again")
    assert len(desk.order()) == slots * (queue + 1)
    assert desk.empty()


async def test_the_urgent_go_first() -> None:
    desk = Desk()
    desk.join("running")
    for i in range(2):
        for priority in (Priority.BATCH, Priority.INTERACTIVE, Priority.LIVE):
            desk.join(f"{priority.name} {i}", priority=priority)
    assert desk.order() == ["running", "LIVE 0", "LIVE 1", "INTERACTIVE 0", "INTERACTIVE 1", "BATCH 0", "BATCH 1"]


async def test_tenants_take_turns_within_a_priority() -> None:
    desk = Desk()
    desk.join("running")
    for i in range(4):
        desk.join(f"a{i}", "a")
    for i in range(2):
        desk.join(f"b{i}", "b")
    desk.join("c0", "c")
    desk.join("urgent", "a", Priority.LIVE)
    assert desk.order() == ["running", "urgent", "a0", "b0", "c0", "a1", "b1", "a2", "a3"]


async def test_what_has_begun_passes_newcomers_by_nearest_playback_deadline() -> None:
    desk = Desk()
    blocker = desk.join("blocker")
    desk.join("newcomer", priority=Priority.LIVE)
    desk.join("c", lead=9.0, begun=True)
    desk.join("a", lead=4.0, begun=True)
    desk.clock.t += 3.0
    desk.join("b", lead=0.5, begun=True)
    blocker.leave()
    assert desk.order() == ["b", "a", "c", "newcomer"]


async def test_what_has_begun_elsewhere_finds_a_place_in_a_full_queue() -> None:
    desk = Desk(queue=1)
    desk.join("running")
    desk.join("waiting")
    with pytest.raises(Overloaded):
        desk.join("newcomer")
    desk.join("begun in another worker", begun=True)
    assert desk.order() == ["running", "begun in another worker", "waiting"]
    assert desk.empty()


async def test_a_deadline_that_passes_gives_the_place_up() -> None:
    desk = Desk()
    desk.join("running")
    late = desk.admission.join(RequestMeta("late", start_within_s=0.0))
    with pytest.raises(DeadlineExceeded) as caught:
        await late.turn()
    assert caught.value.retry_after_s is not None
    assert desk.admission.waiting == 0
    late.leave()
    assert desk.order() == ["running"]
    assert desk.empty()


async def test_the_deadline_counts_from_joining() -> None:
    desk = Desk()
    desk.join("running")
    late = desk.join("late")
    assert late.left_s() == 30.0
    desk.clock.t += 29.0
    assert late.left_s() == 1.0
    desk.clock.t += 2.0
    assert late.left_s() == 0.0
    with pytest.raises(DeadlineExceeded):
        await late.turn()


async def test_who_has_a_slot_already_is_not_late() -> None:
    desk = Desk()
    ticket = desk.join("a")
    desk.clock.t += 31.0
    assert await ticket.turn() == 0.0


async def test_estimates_follow_the_service_time() -> None:
    desk = Desk(slots=2)
    assert desk.admission.estimate_s() == 1.0
    for _ in range(50):
        ticket = desk.join("a")
        desk.clock.t += 10.0
        ticket.leave()
    assert 5.0 <= desk.admission.estimate_s() <= 10.0
    for i in range(7):
        desk.join(f"r{i}")
    assert desk.admission.waiting == 5
    assert 29.0 <= desk.admission.estimate_s() <= 30.0
    for i in range(100):
        desk.join(f"q{i}")
    assert desk.admission.estimate_s() == 60.0


async def test_more_slots_let_more_in_and_fewer_wait_for_the_running() -> None:
    desk = Desk()
    for i in range(6):
        desk.join(f"r{i}")
    desk.admission.resize(4)
    assert len(desk.granted()) == 4
    desk.admission.resize(1)
    assert desk.admission.running == 4
    for _, ticket in desk.granted()[:3]:
        ticket.leave()
    assert [name for name, _ in desk.granted()] == ["r3"]
    assert desk.order() == ["r3", "r4", "r5"]


@pytest.mark.parametrize("slots", [0, -3])
async def test_a_model_has_at_least_one_slot(slots: int) -> None:
    desk = Desk(slots)
    desk.join("a")
    assert desk.granted()
    desk.admission.resize(slots)
    assert desk.admission.slots == 1


@pytest.mark.parametrize(
    "state", ["queued", "next", "waiting for its turn", "running", "granted and cancelled at once"]
)
async def test_leaving_in_any_state_leaves_nothing(state: str) -> None:
    desk = Desk()
    blocker = desk.join("r")
    ticket = desk.join("r" if state == "next" else "another")
    if state in ("waiting for its turn", "granted and cancelled at once"):
        task = asyncio.create_task(ticket.turn())
        await asyncio.sleep(0)
        if state == "granted and cancelled at once":
            blocker.leave()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    if state == "running":
        blocker.leave()
        await ticket.turn()
    for _ in range(3):
        ticket.leave()
    blocker.leave()
    assert desk.empty()
    assert len(desk.order()) == 0


async def test_a_grant_that_meets_the_deadline_loses_no_slot() -> None:
    desk = Desk()
    blocker = desk.join("a")
    late = desk.admission.join(RequestMeta("late", start_within_s=0.01))
    task = asyncio.create_task(late.turn())
    await asyncio.sleep(0)
    task.get_loop().call_later(0.01, blocker.leave)
    with suppress(DeadlineExceeded):  # either may win
        await task
    late.leave()
    blocker.leave()
    assert desk.empty()
    desk.join("next")
    assert desk.granted()


async def test_any_order_of_joining_and_leaving_ends_empty() -> None:
    rng = random.Random(3)  # noqa: S311 - test data
    desk = Desk(slots=3, queue=4)
    tickets: list[Ticket] = []
    for _ in range(3000):
        desk.clock.t += rng.random()
        if tickets and rng.random() < 0.5:
            tickets.pop(rng.randrange(len(tickets))).leave()
            continue
        try:
            name, tenant = f"r{rng.randrange(40)}", f"t{rng.randrange(3)}"
            tickets.append(
                desk.join(name, tenant, rng.choice(list(Priority)), lead=rng.random(), begun=rng.random() < 0.1)
            )
        except Overloaded:
            assert desk.admission.waiting >= 12
        assert desk.admission.running == sum(t.granted_at is not None for t in tickets)
        assert desk.admission.waiting == sum(t.granted_at is None for t in tickets)
        assert desk.admission.running == 3 or not desk.admission.waiting
    for ticket in tickets:
        ticket.leave()
    assert desk.empty()


async def test_an_unknown_priority_takes_no_place() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="7"):
        desk.admission.join(RequestMeta("a", priority=7))  # type: ignore[arg-type]  # what a gateway must not send
    assert desk.empty()
