"""Faults on demand: only where the configuration allows them. Those that end a process get one of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from voicegw.backend import AudioChunk, BackendFailed, RequestMeta, SpeechDone, SpeechEvent, Utterance
from voicegw_tone import ToneBackend

SPEAK = """
import asyncio, faulthandler, json, signal, sys
from voicegw.backend import AudioChunk, RequestMeta, Utterance
from voicegw_tone import ToneBackend

async def main():
    backend = ToneBackend({"allow_faults": True})
    await backend.load(lambda fraction, what: None)
    print("loaded", flush=True)
    utterance = Utterance(RequestMeta("r"), "one two", parameters=json.loads(sys.argv[1]))
    async for event in backend.synthesize(utterance, None):
        if isinstance(event, AudioChunk):
            print("chunk", flush=True)

faulthandler.register(signal.SIGUSR1, all_threads=True)
asyncio.run(main())
"""


async def hear(config: dict[str, Any], **parameters: Any) -> tuple[list[SpeechEvent], Exception | None]:
    backend, events = ToneBackend(config), list[SpeechEvent]()
    await backend.load(lambda _fraction, _what: None)
    error: Exception | None = None
    try:
        async for event in backend.synthesize(Utterance(RequestMeta("r"), "one", parameters=parameters), None):
            events.append(event)
    except BackendFailed as failure:
        error = failure
    finally:
        await backend.close()
    return events, error


@pytest.mark.parametrize("chunks", [0, 1, 3, 7])
async def test_a_request_fails_after_its_chunks(chunks: int) -> None:
    events, error = await hear({"allow_faults": True}, fail_after_chunks=chunks)
    assert [type(event) for event in events] == [AudioChunk] * chunks
    assert isinstance(error, BackendFailed)


async def test_a_fault_after_the_end_never_comes() -> None:
    events, error = await hear({"allow_faults": True}, fail_after_chunks=8)
    assert (events[-1], error) == (SpeechDone(), None)


async def test_where_faults_are_not_allowed_they_have_no_effect() -> None:
    events, error = await hear({}, fail_after_chunks=1, crash_after_chunks=1, hang=True)
    assert (events[-1], error) == (SpeechDone(), None)


def test_a_crash_ends_the_process_after_its_chunks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, '{"crash_after_chunks": 2}'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (-signal.SIGABRT, ["loaded", "chunk", "chunk"])


def test_a_hang_stops_the_loop_and_the_model(tmp_path: Path) -> None:
    with (
        (tmp_path / "stacks").open("w+") as stacks,
        subprocess.Popen(
            [sys.executable, "-c", SPEAK, '{"hang": true}'], stdout=subprocess.PIPE, stderr=stacks, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loaded\n"
            until, dump = time.monotonic() + 20, ""
            while dump.count("_sleep_forever") < 2:
                assert time.monotonic() < until, dump
                stacks.truncate(0)
                process.send_signal(signal.SIGUSR1)
                time.sleep(0.05)
                dump = (tmp_path / "stacks").read_text()
            assert "in synthesize" in dump, "one of them is the event loop"
            assert "in _turn" in dump, "the other is the model's thread"
            assert process.poll() is None
        finally:
            process.kill()
