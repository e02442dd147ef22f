"""How many slots a device really serves in real time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

SHARE = 0.8
"""Part of a step's audio time that computing it may take; the rest is for everything that is not the model."""


def calibrate(measure: Callable[[int], Sequence[float]], *, step_s: float, most: int) -> int:
    """Find the largest batch whose 99th percentile of step times stays under 0.8 of ``step_s``.

    Step times are taken to grow with the batch, so that few sizes are measured: doubling, then halving the gap.

    Args:
        measure: Runs some steps with so many slots and gives the seconds that each took.
        step_s: Seconds of audio that one step stands for.
        most: Slots that fit into memory, at least 1.

    Returns:
        1 to ``most``: one slot is served even by a device that cannot keep up with one.
    """

    def keeps_up(batch: int) -> bool:
        return float(np.percentile(measure(batch), 99)) < SHARE * step_s

    good, bad = 1, most + 1
    size = 1
    while size < bad:
        if not keeps_up(size):
            bad = size
            break
        good = size
        size = min(size * 2, most) if size < most else bad
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if keeps_up(middle) else (good, middle)
    return good
