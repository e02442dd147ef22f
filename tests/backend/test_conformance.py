"""The kit, tested on itself: the reference keeps every rule, and each rule has an adapter that breaks it alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.backend.conformance_breakers import LATE_S
from tests.backend.conformance_life_breakers import ALL, CLEAN_UP
from tests.backend.conformance_reference import Reference
from voicegw.backend.conformance import CHECKS, Bounds, run_checks, speech_suite

NAMES = [each.name for each in CHECKS]
QUICK = Bounds(describe_s=LATE_S * 0.4, hold_s=LATE_S * 0.75, stall_s=0.5, settle_s=0.1, check_s=5.0)

test_reference = speech_suite(Reference)


@pytest.fixture(scope="module", autouse=True)
def _nothing_old_is_collected() -> Iterator[None]:
    """Keep what other tests imported out of the garbage collections that the watches ask for: they are many here."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def _cleaned_up() -> Iterator[None]:
    yield
    while CLEAN_UP:
        CLEAN_UP.pop()()


def test_every_check_has_its_breaker() -> None:
    assert sorted(ALL) == sorted(NAMES)
    assert len(NAMES) == len(set(NAMES)) >= 25


@pytest.mark.usefixtures("_cleaned_up")
@pytest.mark.parametrize("name", NAMES)
async def test_a_breaker_fails_its_check_and_no_other(name: str) -> None:
    results = await run_checks(ALL[name], bounds=QUICK)
    assert {result.name: result.message for result in results if not result.passed}.keys() == {name}
