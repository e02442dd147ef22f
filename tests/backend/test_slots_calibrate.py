"""How many slots a device serves in real time, found with few measurements."""

from __future__ import annotations

import pytest

from voicegw.backend.slots import calibrate

STEP_S = 0.08


class Device:
    """Takes ``base + each * batch`` seconds a step, and now and then ``spike`` more."""

    def __init__(self, *, base: float, each: float, spike: float = 0.0, spikes: int = 0) -> None:
        self.base, self.each, self.spike, self.spikes = base, each, spike, spikes
        self.measured: list[int] = []

    def __call__(self, batch: int) -> list[float]:
        self.measured.append(batch)
        usual = self.base + self.each * batch
        return [usual + self.spike] * self.spikes + [usual] * (200 - self.spikes)


@pytest.mark.parametrize(("each", "expected"), [(0.0009, 59), (0.001, 53), (0.004, 13), (0.03, 1), (0.00001, 100)])
def test_the_largest_batch_under_the_limit_is_found(each: float, expected: int) -> None:
    device = Device(base=0.0101, each=each)
    found = calibrate(device, step_s=STEP_S, most=100)
    assert found == expected
    assert found == max(n for n in range(1, 101) if n == 1 or 0.0101 + each * n < 0.8 * STEP_S)


def test_few_sizes_are_measured() -> None:
    device = Device(base=0.01, each=0.001)
    calibrate(device, step_s=STEP_S, most=1000)
    assert len(device.measured) == len(set(device.measured)) <= 14


def test_what_memory_holds_is_never_exceeded() -> None:
    device = Device(base=0.0, each=0.0)
    assert calibrate(device, step_s=STEP_S, most=100) == 100
    assert max(device.measured) == 100
    assert calibrate(device, step_s=STEP_S, most=1) == 1


def test_a_device_that_cannot_keep_up_with_one_still_serves_one() -> None:
    assert calibrate(Device(base=1.0, each=0.0), step_s=STEP_S, most=8) == 1


def test_the_rare_slow_step_counts_from_one_in_a_hundred() -> None:
    rare, often = (Device(base=0.01, each=0.001, spike=0.03, spikes=n) for n in (1, 4))
    assert calibrate(rare, step_s=STEP_S, most=100) == 53
    assert calibrate(often, step_s=STEP_S, most=100) == 23
