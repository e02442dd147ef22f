"""An adapter for tests: every request's ``parameters`` say what it does, the configuration says how it loads."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from voicegw.backend import (
    AudioChunk,
    BackendFailed,
    Limits,
    ModelInfo,
    Prepared,
    Progress,
    SpeechDone,
    SpeechEvent,
    TextTooLong,
    Utterance,
    Voice,
    WordTiming,
)


class ScriptedBackend:
    """Speaks ``chunks`` chunks of ``samples`` samples, each holding the chunk's number; and can misbehave.

    Request parameters: chunks, samples, pause_s, float (give float32 audio), raise_after, crash_after, block_after,
    hang_after, cancel_after, no_done, two_dones, not_an_event, nan, words, too_long, say_pid, say_prepared, say_device,
    crash_once (a file: crash unless it exists), cleanup_s with cleaned (a file that gets a line once the cleaning up
    is through), error (one that fits no frame). Configuration: slots, load_s, load_blocks_s, load_fails, load_crashes,
    load_gives (something else than a manifest), describe_fails, describe_s, describe_gives, clones, sample_rate,
    prepare_s, prepare_fails, voice_nbytes, device, thread_s (a thread that stays so long), close_s,
    mark (a file that gets one line per load).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.prepared: list[str] = []

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        """Give the manifest."""
        if config.get("describe_fails"):
            raise ValueError("unknown key 'describe_fails'")
        time.sleep(config.get("describe_s", 0))
        if "describe_gives" in config:
            return cast("ModelInfo", config["describe_gives"])
        return ModelInfo(
            kind="speech",
            sample_rate=config.get("sample_rate", 24000),
            languages=("en",),
            clones=config.get("clones", True),
            streaming=True,
            words=True,
            determinism="exact",
            limits=Limits(slots=config.get("slots", 2), sample_s=(0.1, 30.0), continuation_bytes=64),
            licence="Apache-2.0",
            revision="1",
        )

    async def load(self, progress: Progress) -> ModelInfo:
        """Take ``load_s`` seconds, or fail, or crash."""
        if "mark" in self._config:
            with open(self._config["mark"], "a", encoding="utf-8") as mark:  # noqa: ASYNC230, PTH123 - one line
                mark.write(f"{os.getpid()}\n")
        progress(0.5, "half")
        if "thread_s" in self._config:
            threading.Thread(target=time.sleep, args=(self._config["thread_s"],)).start()
        time.sleep(self._config.get("load_blocks_s", 0))  # noqa: ASYNC251 - this adapter misbehaves on purpose
        await asyncio.sleep(self._config.get("load_s", 0))
        if "load_gives" in self._config:
            return cast("ModelInfo", self._config["load_gives"])
        if self._config.get("load_crashes"):
            os._exit(3)
        if self._config.get("load_fails"):
            raise RuntimeError("no weights")
        return self.describe(self._config)

    async def close(self) -> None:
        """Take ``close_s`` seconds."""
        await asyncio.sleep(self._config.get("close_s", 0))

    async def prepare(self, voice: Voice) -> Prepared[int]:
        """Remember the voice; its value is the number of its samples."""
        await asyncio.sleep(self._config.get("prepare_s", 0))
        self.prepared.append(voice.key)
        if self._config.get("prepare_fails"):
            raise ValueError("a sample that it cannot use")
        total = sum(len(s.samples) for s in voice.samples)
        return Prepared(total, nbytes=self._config.get("voice_nbytes", total * 4))

    async def synthesize(self, utterance: Utterance, voice: int | None) -> AsyncGenerator[SpeechEvent, None]:
        """Do as the parameters say."""
        try:
            async for event in self._script(utterance, voice):
                yield event
        finally:
            if "cleaned" in utterance.parameters:
                await asyncio.sleep(utterance.parameters.get("cleanup_s", 0))
                with Path(utterance.parameters["cleaned"]).open("a") as cleaned:  # noqa: ASYNC230 - one line
                    cleaned.write("cleaned\n")

    async def _script(self, utterance: Utterance, voice: int | None) -> AsyncGenerator[SpeechEvent, None]:
        p = utterance.parameters
        if "too_long" in p and len(utterance.text) > p["too_long"]:
            raise TextTooLong("too long for the script", fits_chars=p["too_long"])
        samples = p.get("samples", 240)
        if utterance.words:
            ends = np.array([samples, len(utterance.text)])  # numpy's numbers, as a model has them
            yield WordTiming(0, ends[0], 0, ends[1])
        if p.get("not_an_event"):
            yield "audio"  # type: ignore[misc]  # what the contract forbids
        for number in range(p.get("chunks", 3)):
            self._misbehave(p, number)
            if number == p.get("hang_after"):
                await asyncio.Event().wait()
            value = self._value(p, number, voice)
            pcm = np.full(samples, value, np.int16)
            yield AudioChunk(pcm.astype(np.float32) / np.float32(32767) if p.get("float") else pcm)
            if p.get("nan"):
                yield AudioChunk(np.full(4, np.nan, np.float32))
            await asyncio.sleep(p.get("pause_s", 0))
        for _ in range(0 if p.get("no_done") else 2 if p.get("two_dones") else 1):
            yield SpeechDone(continuation=(utterance.continuation or b"") + b"+")

    def _value(self, p: Mapping[str, Any], number: int, voice: int | None) -> int:
        if p.get("say_pid"):
            return os.getpid() % 32768
        if p.get("say_prepared"):
            return len(self.prepared)
        if p.get("say_device"):
            return int(self._config["device"].partition(":")[2])
        return ((voice or 0) + number) % 32768

    @staticmethod
    def _misbehave(p: Mapping[str, Any], number: int) -> None:
        if number == p.get("raise_after"):
            raise RuntimeError("secret text inside")
        if number == p.get("cancel_after"):
            raise asyncio.CancelledError
        if "error" in p:
            raise BackendFailed("x" * p["error"])
        if "crash_once" in p and not Path(p["crash_once"]).exists():
            Path(p["crash_once"]).touch()
            os._exit(9)
        if number == p.get("crash_after"):
            os._exit(9)
        if number == p.get("block_after"):
            time.sleep(1000)
