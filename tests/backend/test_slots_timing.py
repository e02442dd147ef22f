"""Steps of a model are counted by how long they took."""

from __future__ import annotations

import pytest

from tests.support.scripted_runner import ScriptedRunner, utterance
from tests.support.scripted_scheduler import hear, running
from voicegw.backend import BackendFailed
from voicegw.backend.slots import STEP_BUCKETS_S, StepTimes, process_times


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (0.08, 8), (0.081, 9), (1.0, 13), (1.01, 14), (9e9, 14)]
)
def test_a_step_is_in_the_first_bucket_that_holds_it(seconds: float, bucket: int) -> None:
    times = StepTimes()
    times.note(seconds)
    assert times.counts.index(1) == bucket
    assert sum(times.counts) == 1
    assert times.total_s == seconds


def test_buckets_ascend_and_hold_the_time_of_a_frame() -> None:
    assert [*STEP_BUCKETS_S] == sorted(set(STEP_BUCKETS_S))
    assert 0.08 in STEP_BUCKETS_S


def test_sums() -> None:
    one, other = StepTimes(), StepTimes()
    one.note(0.5)
    other.note(0.5)
    other.note(2.0)
    one.add(other)
    assert (sum(one.counts), one.counts[-1], one.total_s) == (3, 1, 3.0)
    assert (sum(other.counts), other.total_s) == (2, 2.5)


async def test_every_step_of_every_scheduler_is_counted_and_stays_so() -> None:
    before = sum(process_times().counts)
    steps = 0
    for _ in range(2):
        async with running(ScriptedRunner()) as scheduler:
            await hear(scheduler, utterance(steps=5))
            steps += scheduler.stats().steps
    assert steps >= 10
    assert sum(process_times().counts) == before + steps


async def test_a_step_that_fails_took_its_time_too() -> None:
    class Failing(ScriptedRunner):
        """Fails in every step."""

        def step(self, plan: object) -> list[object]:  # type: ignore[override]  # it gives nothing
            raise RuntimeError(str(plan))

    before = sum(process_times().counts)
    async with running(Failing()) as scheduler:
        with pytest.raises(BackendFailed):
            await hear(scheduler, utterance())
    assert sum(process_times().counts) == before + 1
