"""A limit on waits that follow one another, which costs next to nothing where they are short."""

from __future__ import annotations

import asyncio


class Alarm:
    """Ends a wait that lasts too long.

    One timer serves all waits of a stream, one after another. It is moved when it rings too early, not before every
    wait: to set and unset a timer costs 5 us, a tenth of what a chunk may cost altogether.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiter = self._loop.create_future()
        self._due = 0.0

    def guarded(self, within_s: float) -> asyncio.Future[None]:
        """Make a future to wait for: it gets a TimeoutError unless it is done in time."""
        self._waiter, self._due = self._loop.create_future(), self._loop.time() + within_s
        if self._timer is None or self._timer.when() > self._due:
            self._set()
        return self._waiter

    def clear(self) -> None:
        """Let the timer go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self.clear()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter.done():
            return  # the next wait sets it again
        if self._loop.time() < self._due:
            self._set()
        else:
            self._waiter.set_exception(TimeoutError())
