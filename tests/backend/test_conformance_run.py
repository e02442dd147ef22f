"""How the kit is called, what it says of models that can do little, and its two watches."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backend.conformance_reference import INFO, Reference, Timbre
from voicegw.backend import AudioChunk, InvalidRequest, Limits, ModelInfo, Prepared, SpeechEvent, Utterance, Voice
from voicegw.backend.conformance import CHECKS, CheckResult, check_backend, run_checks, watch
from voicegw.backend.conformance.stage import Model
from voicegw.backend.conformance.take import Take
from voicegw.backend.conformance.voice_checks import weight

ROOT = Path(__file__).resolve().parents[2]
NAMES = [each.name for each in CHECKS]


class Plain(Reference):
    """Can do nothing that a model may leave out, and gives int16."""

    INFO = ModelInfo(
        kind="speech", sample_rate=8000, languages=("en",), limits=Limits(slots=1, max_chars=None), licence="MIT"
    )

    def check(self, utterance: Utterance) -> None:
        del utterance

    async def step(self) -> None:
        """Make nobody wait."""

    def __getattribute__(self, name: str) -> Any:
        if name == "steps_done":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def done(self, utterance: Utterance) -> Any:
        return dataclasses.replace(super().done(utterance), continuation=None)

    def events(self, utterance: Utterance, pcm: Any, at: int, span: tuple[int, int]) -> list[SpeechEvent]:
        return super().events(dataclasses.replace(utterance, words=False), (pcm * 32767).astype(np.int16), at, span)


class OnlyClones(Reference):
    """Has no voice of its own."""

    INFO = dataclasses.replace(INFO, voices=(), determinism="same_bucket")

    async def synthesize(self, utterance: Utterance, voice: Timbre | None) -> AsyncGenerator[SpeechEvent, None]:
        if voice is None and utterance.voice is None:
            raise InvalidRequest("a voice is needed", param="voice")
        async with aclosing(super().synthesize(utterance, voice)) as events:
            async for event in events:
                yield event


async def test_a_plain_model_passes_and_is_told_what_does_not_apply() -> None:
    results = {result.name: result for result in await run_checks(Plain)}
    assert [result for result in results.values() if not result.passed] == []
    skipped = {name: result.message for name, result in results.items() if not result.applicable}
    assert skipped == {
        "manifest_speed_is_consistent": "not applicable: speed is not native",
        "first_chunk_comes_early": "not applicable: the model does not stream",
        "continuation_is_bounded": "not applicable: no continuation is given",
        "words_are_spans_of_the_text": "not applicable: the model gives no word times",
        "words_come_in_time": "not applicable: the model gives no word times",
        "marked_words": "not applicable: the model takes no sounds",
        "every_voice_speaks": "not applicable: the model has no voices of its own",
        "speed_is_obeyed": "not applicable: speed is not native, or its range too small to be heard",
        "parameters_work_in_their_ranges": "not applicable: the model has no parameters with values to try",
        "parameters_are_left_alone": "not applicable: the model has no parameters with defaults",
        "cloned_voice_speaks": "not applicable: the model does not clone",
        "prepared_bytes_are_honest": "not applicable: the model does not clone",
        "preparing_again_gives_the_same": "not applicable: the model does not clone",
        "bad_samples_are_refused_cleanly": "not applicable: the model does not clone",
        "slots_run_at_the_same_time": "not applicable: the model does not stream",
        "slow_listener_delays_nobody": "not applicable: the model has one slot",
        "company_changes_nothing": "not applicable: determinism is none",
        "seeds_fix_the_noise": "not applicable: determinism is none",
        "cancel_costs_at_most_one_step": "not applicable: the adapter has no counter steps_done",
        "cancel_inside_anext": "not applicable: nobody ever waits inside __anext__",
    }


async def test_a_model_without_a_voice_of_its_own_speaks_with_a_made_up_one() -> None:
    results = await run_checks(OnlyClones)
    assert [result for result in results if not result.passed] == []
    assert {result.name for result in results if not result.applicable} >= {"every_voice_speaks"}


async def test_a_model_that_takes_anything_leaves_nothing_to_provoke() -> None:
    class TakesAnything(Plain):
        def tone(self, utterance: Utterance, voice: Timbre | None, word: str, number: int) -> Any:
            return super().tone(dataclasses.replace(utterance, parameters={}), voice, word, number)

    (result,) = await run_checks(TakesAnything, only=("error_stays_alone",))
    assert (result.passed, result.message) == (True, "not applicable: no request could be made to fail")


async def test_results_are_reported_one_by_one_in_the_order_of_the_checks() -> None:
    told: list[CheckResult] = []
    results = await run_checks(Reference, {}, report=told.append)
    assert told == results
    assert [result.name for result in results] == NAMES
    assert all(result.passed and result.seconds >= 0 for result in results)


async def test_an_unknown_check_is_an_error() -> None:
    with pytest.raises(LookupError, match="there is no check a, b"):
        await run_checks(Reference, only=("b", "empty_text", "a"))


async def test_an_unknown_backend_is_an_error() -> None:
    with pytest.raises(LookupError, match="'no_such_backend' is not installed"):
        await check_backend("no_such_backend")


async def test_an_installed_backend_is_checked_by_its_name() -> None:
    (result,) = await check_backend("tone", {"slots": 2}, only=("slots_run_at_the_same_time",))
    assert (result.name, result.passed, result.applicable) == ("slots_run_at_the_same_time", True, True)


async def test_a_configuration_reaches_the_adapter() -> None:
    class Configured(Reference):
        @classmethod
        def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
            rest = {key: value for key, value in config.items() if key != "rate"}
            return dataclasses.replace(super().describe(rest), sample_rate=config["rate"])

    (result,) = await run_checks(Configured, {"rate": 99}, only=("manifest_has_kind_and_rate",))
    assert result.message == "sample_rate is 99"


def test_every_check_says_what_it_demands() -> None:
    demands = [each.demand for each in CHECKS]
    assert len(set(demands)) == len(demands)
    assert all(demand.endswith(".") for demand in demands)


def test_one_line_makes_the_tests_with_nothing_but_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "from tests.backend.conformance_life_breakers import LeavesADescriptor\n"
        "from voicegw.backend.conformance import Bounds, speech_suite\n"
        "test_conformance = speech_suite(LeavesADescriptor, bounds=Bounds(settle_s=0.1))\n"
        "test_by_name = speech_suite('no_such_backend', {'a': 1})\n"
    )
    options = ["-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error", "-rA", "-c", "/dev/null", "--rootdir", "."]
    chosen = ["-k", "descri or continuation"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *chosen, "test_it.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PASSED test_it.py::test_conformance[describe_is_quick]" in done.stdout
    assert "leaves_no_descriptor: left behind: /dev/null" in done.stdout
    assert "LookupError: backend 'no_such_backend' is not installed here" in done.stdout
    assert "7 failed, 5 passed" in done.stdout


async def test_the_pulse_tells_how_long_the_loop_was_held() -> None:
    async with watch.pulse() as free:
        await asyncio.sleep(0)
    async with watch.pulse() as held:
        hold(0.05)
    assert held.longest_s >= 0.04
    assert free.longest_s >= 0


def hold(seconds: float) -> None:
    """Do what an adapter must not: block the thread of the event loop."""
    time.sleep(seconds)


async def test_where_processes_are_hidden_nothing_is_said_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    results = await run_checks(Reference, only=("leaves_no_process", "leaves_no_descriptor"))
    told = {result.name: (result.applicable, result.message) for result in results}
    assert told == {
        "leaves_no_process": (False, "not applicable: every process is hidden on this system"),
        "leaves_no_descriptor": (True, ""),
    }


@dataclasses.dataclass
class Holder:
    one: Any
    other: Any = None


def test_the_weight_of_a_value_is_that_of_all_arrays_in_it_each_once() -> None:
    array = np.zeros(10, np.float32)
    assert weight(array) == 40
    assert weight(Holder({"a": [array, (b"12", bytearray(3))]}, {1, 2})) == 45
    assert weight([array, array, Holder(array)]) == 40
    assert weight("text") == weight(None) == weight(Holder) == 0
    loop: list[Any] = [array]
    loop.append(loop)
    assert weight(loop) == 40


async def test_a_made_up_sample_is_what_the_model_asks_for() -> None:
    info = dataclasses.replace(INFO, limits=dataclasses.replace(INFO.limits, needs_transcript=True))
    model = Model(Reference({}), info, bounds=None)  # type: ignore[arg-type] # nothing here waits
    sample = model.sample()
    assert sample.transcript
    assert (str(sample.samples.dtype), sample.language, sample.samples.ndim) == ("float32", "en", 1)
    assert len(sample.samples) / sample.sample_rate == 2.0
    assert 0.4 < np.max(np.abs(sample.samples)) <= 0.5
    made: Prepared[Timbre] = await Reference({}).prepare(Voice.of(sample))
    assert made.nbytes > 0


def test_audio_of_both_types_is_heard_on_one_scale() -> None:
    take = Take(8000)
    take.add(AudioChunk(np.array([16384], np.int16)))
    take.add(AudioChunk(np.array([0.5], np.float32)))
    assert take.pcm().tolist() == [0.5, 0.5]
    assert Take(8000).pcm().tolist() == []
