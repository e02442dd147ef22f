"""Whether a model keeps up with a listener who plays its audio as it comes."""

from __future__ import annotations

BUFFERED_S = 0.1
"""Seconds that players hold before they begin, so that being late by less is heard by nobody."""


class Playback:
    """A listener who plays what it is given, in real time, from the first piece on.

    Args:
        rate: Samples that are heard in a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._played_at: float | None = None

    def runs_dry(self, samples: int, now: float, *, awaited: bool) -> bool:
        """Give the listener samples; tell whether the model was too late with them.

        Args:
            samples: How many; 0 are no news.
            now: Monotonic time in seconds.
            awaited: Whether there were none before. Who takes late what was there has itself to blame: its listener
                is taken to have paused meanwhile.
        """
        if not samples:
            return False
        played_at = now if self._played_at is None else self._played_at
        late = awaited and now - played_at > BUFFERED_S
        if late or not awaited:
            played_at = max(now, played_at)
        self._played_at = played_at + samples / self._rate
        return late
