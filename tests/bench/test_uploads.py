"""The load of transcriptions, on real processes."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.server import RunningServer, free_port, running_server
from tests.support.uploads import ears_installed
from voicegw.bench.client import Target
from voicegw.bench.control import serving
from voicegw.bench.uploads import Hearing, UploadLoad, run, tone

AUDIO = tone(2.0)
FIELDS = {"model": "ears"}
CONFIG = "models: [{id: ears, backend: ears, required: true}]\ndefaults: {speech: ears, clone: null}\n"


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with ears_installed(), running_server(tmp_path_factory.mktemp("listener"), config=CONFIG) as running:
        yield running


def test_what_is_sent_is_a_sound_file() -> None:
    with wave.open(io.BytesIO(tone(0.5)), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.getnframes() == 8000
        assert len(set(file.readframes(8000))) > 50


async def test_transcriptions_are_measured(listener: RunningServer) -> None:
    told: list[Hearing] = []
    load = UploadLoad(Target.of(listener.url), AUDIO, FIELDS, requests=4, concurrency=2)
    summary = await run(load, told.append)
    assert (summary.requests, summary.ok, summary.outcomes, len(told)) == (4, 4, {"ok": 4}, 4)
    assert summary.pieces_per_answer == 1
    for take in told:
        assert take.first is not None
        assert take.sent <= take.first <= take.ended
    events = await run(replace(load, fields={**FIELDS, "stream": "true", "segment_s": "1"}))
    assert events.ok == 4
    assert events.pieces_per_answer == 3


async def test_refusals_are_counted_by_status(listener: RunningServer) -> None:
    load = UploadLoad(Target.of(listener.url), AUDIO, {"model": "x"}, requests=3, concurrency=8)
    assert (await run(load)).outcomes == {"404": 3}
    nobody = replace(load, target=Target("127.0.0.1", free_port(), False, ""))
    summary = await run(nobody)
    assert (summary.outcomes, summary.bytes_per_answer) == ({"refused": 3}, 0)


async def test_a_bare_server_takes_the_same() -> None:
    with serving(2, 50) as (url, _):
        summary = await run(UploadLoad(Target.of(url), AUDIO, FIELDS, requests=3, concurrency=1))
    assert (summary.ok, summary.bytes_per_answer) == (3, 100)
