"""How long the steps of a model take: the figure that says how many listeners it can keep up with."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

STEP_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0)
"""Longest step of each bucket but the last, which has no bound; 80 ms is what one frame of many codecs lasts."""


class StepTimes:
    """Steps counted by how long they took; one thread notes them, any may read.

    Attributes:
        counts: Steps in each of :data:`STEP_BUCKETS_S`, and in the one beyond.
        total_s: Seconds of all of them.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(STEP_BUCKETS_S) + 1)
        self.total_s = 0.0

    def note(self, seconds: float) -> None:
        """Count a step."""
        self.counts[bisect_left(STEP_BUCKETS_S, seconds)] += 1
        self.total_s += seconds

    def add(self, other: StepTimes) -> None:
        """Count all that another has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total_s += other.total_s


_of_process: list[StepTimes] = []


def new_times() -> StepTimes:
    """Begin to count for one scheduler; its steps stay counted in :func:`process_times` when it is gone."""
    times = StepTimes()
    _of_process.append(times)
    return times


def process_times() -> StepTimes:
    """Sum up the steps of all schedulers of this process: in a worker, those of its one model."""
    total = StepTimes()
    for times in _of_process:
        total.add(times)
    return total
