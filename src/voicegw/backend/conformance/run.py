"""How the checks are run: all of them on one model for the shell, each as a test of its own for pytest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from voicegw.backend import discovery
from voicegw.backend.conformance import (
    cancel_checks,
    life_checks,
    manifest_checks,
    sharing_checks,
    stream_checks,
    text_checks,
    voice_checks,
)
from voicegw.backend.conformance.check import Bounds, Check, CheckResult, Failure, NotApplicable, registered
from voicegw.backend.conformance.stage import Stage
from voicegw.backend.contract import SpeechBackend

_ROOMS = (
    manifest_checks,
    stream_checks,
    text_checks,
    voice_checks,
    sharing_checks,
    cancel_checks,
    life_checks,  # last, for they close the model that the others share
)
CHECKS: tuple[Check, ...] = tuple(
    each for room in _ROOMS for each in registered() if each.body.__module__ == room.__name__
)
"""All checks, those that need no loaded model first."""


async def run_checks(
    adapter: type[SpeechBackend[Any]],
    config: Mapping[str, Any] | None = None,
    *,
    only: Collection[str] | None = None,
    bounds: Bounds | None = None,
    report: Callable[[CheckResult], None] | None = None,
) -> list[CheckResult]:
    """Run the checks on an adapter in this process and event loop.

    The checks share one loaded model, but for those that need a life of their own; after a failure it is loaded anew.

    Args:
        adapter: The adapter class.
        config: Its configuration, the ``parameters`` of a model entry.
        only: Names of the checks to run; None for all.
        bounds: How long to wait.
        report: Called with every result as soon as it is there.

    Raises:
        LookupError: ``only`` names a check that does not exist.
    """
    unknown = set(only or ()) - {each.name for each in CHECKS}
    if unknown:
        raise LookupError(f"there is no check {', '.join(sorted(unknown))}")
    stage = Stage(adapter, config or {}, bounds or Bounds())
    results = []
    try:
        for each in CHECKS:
            if only is None or each.name in only:
                results.append(await _run(each, stage))
                if report is not None:
                    report(results[-1])
    finally:
        await stage.close()
    return results


async def check_backend(
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    only: Collection[str] | None = None,
    report: Callable[[CheckResult], None] | None = None,
) -> list[CheckResult]:
    """Run the checks on an installed backend; its adapter is loaded into this process. See :func:`run_checks`.

    Raises:
        LookupError: No installed distribution offers a backend of this name, or ``only`` names no check.
    """
    return await run_checks(discovery.load(name), config, only=only, report=report)


def speech_suite(
    adapter: str | type[SpeechBackend[Any]], config: Mapping[str, Any] | None = None, *, bounds: Bounds | None = None
) -> Callable[[str], None]:
    """Make a pytest test of every check, each with a model and an event loop of its own.

    In an adapter's tests: ``test_conformance = speech_suite("tone", {"slots": 4})``.

    Args:
        adapter: A backend's name, or the adapter class.
        config: Its configuration.
        bounds: How long to wait.
    """
    import pytest

    @pytest.mark.parametrize("check", [each.name for each in CHECKS])
    def test(check: str) -> None:
        cls = discovery.load(adapter) if isinstance(adapter, str) else adapter
        (result,) = asyncio.run(run_checks(cls, config, only=(check,), bounds=bounds))
        print(result.message)  # noqa: T201 - pytest shows it with -rP: a remark, or why it is not applicable
        if not result.passed:
            pytest.fail(f"{check}: {result.message}", pytrace=False)

    return test


async def _run(each: Check, stage: Stage) -> CheckResult:
    begun = time.perf_counter()
    passed, message, applicable = True, "", True
    try:
        message = await _bounded(each, stage)
    except NotApplicable as reason:
        message, applicable = f"not applicable: {reason}", False
    except Exception as error:  # noqa: BLE001 - whatever an adapter raises is what the check found
        passed, message = False, _told(error)
    if not passed:
        await stage.close()
    return CheckResult(each.name, passed, message, time.perf_counter() - begun, applicable)


async def _bounded(each: Check, stage: Stage) -> str:
    try:
        async with asyncio.timeout(stage.bounds.check_s) as guard:
            return await each.body(stage) or ""
    except TimeoutError:
        if guard.expired():
            raise Failure(f"not done within {stage.bounds.check_s:g} s") from None
        raise


def _told(error: BaseException) -> str:
    """Name an error; of a group, the first one in it."""
    if isinstance(error, BaseExceptionGroup):
        return _told(error.exceptions[0])
    return str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
