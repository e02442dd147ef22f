"""How long the server waits for the body of a request, and what a slow sender earns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """What is expected of a body while the server waits for it.

    Attributes:
        idle_s: Seconds that it may pause.
        bytes_per_s: Slowest that it may come.
    """

    idle_s: float = 10.0
    bytes_per_s: int = 500


class Arrival:
    """The time that one body has left.

    It begins with the longest pause that is allowed, loses the seconds that the server waits, and gains a second for
    every ``bytes_per_s`` bytes, up to where it began. So whoever keeps the pace may go on for ever, and who does not,
    or stops, is out of time ``idle_s`` later. While the server does not ask for more, no time passes.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.left_s = pace.idle_s

    def came(self, size: int, after_s: float) -> None:
        """Count bytes that were waited for."""
        self.left_s = min(self._pace.idle_s, self.left_s - after_s + size / self._pace.bytes_per_s)
