"""Who runs next in a worker: slots, a bounded fair queue, deadlines. It stands where the slots are.

Order: utterances of requests that have begun, by nearest playback deadline; then newcomers by priority, and within
one priority round-robin between tenants. What finds the queue full is refused with an estimate.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from voicegw.backend import Priority, RequestMeta
from voicegw.errors import DeadlineExceeded, Overloaded

_RETRY_MIN_S, _RETRY_MAX_S = 1.0, 60.0
_EWMA = 0.2


class Ticket:
    """One utterance's place: first in the queue, then in a slot, then nowhere."""

    def __init__(self, admission: Admission, meta: RequestMeta, joined: float) -> None:
        self.meta = meta
        self.joined = joined
        self.granted_at: float | None = None
        self._admission = admission
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left = False

    def left_s(self) -> float:
        """Give the seconds until the deadline, not below 0."""
        return max(0.0, self.joined + self.meta.start_within_s - self._admission.now())

    async def turn(self) -> float:
        """Wait for a slot and give the seconds waited.

        Raises:
            DeadlineExceeded: ``start_within_s`` passed first; the place is given up.
        """
        try:
            async with asyncio.timeout(self.left_s()):
                await self._turn
        except TimeoutError:
            self.leave()
            raise DeadlineExceeded(
                f"no slot was free within {self.meta.start_within_s:.1f} s", retry_after_s=self._admission.estimate_s()
            ) from None
        return (self.granted_at or self.joined) - self.joined

    def grant(self, now: float) -> None:
        """Give this ticket a slot."""
        self.granted_at = now
        if not self._turn.done():
            self._turn.set_result(None)

    def leave(self) -> None:
        """Give up the place or the slot; safe to call again."""
        if not self.left:
            self.left = True
            self._admission.release(self)


class _Queue:
    """Newcomers of one priority, round-robin between tenants."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, deque[Ticket]] = OrderedDict()

    def push(self, ticket: Ticket) -> None:
        self._tenants.setdefault(ticket.meta.tenant, deque()).append(ticket)

    def pop(self) -> Ticket | None:
        if not self._tenants:
            return None
        tenant, tickets = self._tenants.popitem(last=False)
        ticket = tickets.popleft()
        if tickets:
            self._tenants[tenant] = tickets  # to the end: the next tenant's turn
        return ticket

    def remove(self, ticket: Ticket) -> None:
        tickets = self._tenants.get(ticket.meta.tenant)
        if tickets is None or ticket not in tickets:
            return
        tickets.remove(ticket)
        if not tickets:
            del self._tenants[ticket.meta.tenant]


class Admission:
    """The slots of one worker and the queue before them.

    Args:
        slots: Utterances that run at the same time, at least 1.
        queue_per_slot: Newcomers that may wait, per slot.
        now: Monotonic clock in seconds.
    """

    def __init__(self, slots: int, queue_per_slot: int, now: Callable[[], float] = time.monotonic) -> None:
        self.slots = max(1, slots)
        self.running = 0
        self.waiting = 0
        self.now = now
        self._queue_per_slot = queue_per_slot
        self._queues = {priority: _Queue() for priority in Priority}
        self._next: list[tuple[float, int, Ticket]] = []
        self._order = itertools.count()
        self._service_s = 1.0

    def resize(self, slots: int) -> None:
        """Set the number of slots, once the model knows it."""
        self.slots = max(1, slots)
        self._pump()

    def estimate_s(self) -> float:
        """Seconds until a newcomer would find a slot, from the mean service time; 1 to 60."""
        wait = math.ceil((self.waiting + 1) * self._service_s / self.slots)
        return min(max(float(wait), _RETRY_MIN_S), _RETRY_MAX_S)

    def join(self, meta: RequestMeta, lead_s: float = 0.0) -> Ticket:
        """Take a place in the queue; an utterance of a request that has begun passes all newcomers.

        Args:
            meta: Whose utterance it is.
            lead_s: Seconds of audio the listener still has; the nearer to zero, the sooner its turn.

        Raises:
            Overloaded: The queue is full, and the request has not begun.
        """
        ticket = Ticket(self, meta, self.now())
        if meta.begun:
            heapq.heappush(self._next, (ticket.joined + lead_s, next(self._order), ticket))
        elif self.running >= self.slots and self.waiting >= self._queue_per_slot * self.slots:
            raise Overloaded(
                f"the model's queue is full: {self.running} running, {self.waiting} waiting",
                retry_after_s=self.estimate_s(),
            )
        else:
            self._queues[Priority(meta.priority)].push(ticket)
        self.waiting += 1
        self._pump()
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Take back what a ticket held. Called by :meth:`Ticket.leave` only."""
        if ticket.granted_at is None:
            self.waiting -= 1
            self._forget(ticket)
            return
        self.running -= 1
        self._service_s += _EWMA * (self.now() - ticket.granted_at - self._service_s)
        self._pump()

    def _pump(self) -> None:
        while self.running < self.slots and (ticket := self._pop()) is not None:
            self.waiting -= 1
            self.running += 1
            ticket.grant(self.now())

    def _pop(self) -> Ticket | None:
        if self._next:
            return heapq.heappop(self._next)[2]
        return next((t for p in Priority if (t := self._queues[p].pop()) is not None), None)

    def _forget(self, ticket: Ticket) -> None:
        self._queues[Priority(ticket.meta.priority)].remove(ticket)
        self._next = [item for item in self._next if item[2] is not ticket]
        heapq.heapify(self._next)
