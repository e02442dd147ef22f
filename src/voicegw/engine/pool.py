"""The gateway's view of one model: choose a worker, wait for one while it makes sense, retry once, cancel."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import (
    Activity,
    AudioChunk,
    BackendFailed,
    DecodeEvent,
    DecodeOptions,
    ModelInfo,
    RequestMeta,
    SpeechDone,
    SpeechEvent,
    TranscriptEvent,
    TranscriptionOptions,
    Utterance,
    Voice,
)
from voicegw.engine.link import Link, LinkStream, StreamWatch
from voicegw.engine.operations import OPERATIONS, DetectRequest, Embedded, EmbedRequest
from voicegw.engine.place import Worker
from voicegw.engine.poison import Poison
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.errors import DeadlineExceeded, Unavailable, VoicegwError, WorkerLost

GRACE_S = 0.5
"""Seconds beyond the deadline in which a worker's own answer, which knows more, may still come."""

_BEST_FIRST = (
    ModelState.READY,
    ModelState.LOADING,
    ModelState.DRAINING,
    ModelState.DESCRIBED,
    ModelState.UNLOADED,
    ModelState.DECLARED,
    ModelState.FAILED,
)


class ModelPool:
    """All workers of one model.

    Args:
        spec: The model's entry.
        limits: The engine's bounds.
    """

    def __init__(self, spec: ModelSpec, limits: EngineLimits) -> None:
        self.spec = spec
        self.model_id = spec.id
        self._limits = limits
        self._workers: list[Worker] = []
        self._changed = asyncio.Event()
        self._poison = Poison()
        self._closed = False
        self._unplaced = 0

    def add(self, worker: Worker) -> None:
        """Take a worker's place into the pool."""
        self._workers.append(worker)

    def changed(self) -> None:
        """Wake everyone who waits for a state."""
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Answer nothing any more: the engine ends."""
        self._closed = True
        self.changed()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers' places."""
        return tuple(self._workers)

    @property
    def state(self) -> ModelState:
        """The best state of any worker."""
        states = {worker.state for worker in self._workers}
        return next((state for state in _BEST_FIRST if state in states), ModelState.DECLARED)

    @property
    def info(self) -> ModelInfo | None:
        """The manifest, once a worker has described the model."""
        return next((worker.info for worker in self._workers if worker.info is not None), None)

    @property
    def detail(self) -> str:
        """Progress of loading, or why the model failed."""
        return next((worker.detail for worker in self._workers if worker.state is self.state), "")

    @property
    def in_flight(self) -> int:
        """Utterances of this gateway that are under way."""
        return sum(worker.link.in_flight for worker in self._workers if worker.link is not None)

    @property
    def running(self) -> int:
        """Those of them that have a slot."""
        return sum(worker.link.running for worker in self._workers if worker.link is not None)

    @property
    def waiting(self) -> int:
        """Utterances of this gateway without a slot: in the queue of a worker, or waiting for one that can serve."""
        return self._unplaced + self.in_flight - self.running

    async def describe(self, within_s: float) -> ModelInfo:
        """Wait for the manifest.

        Args:
            within_s: Longest wait in seconds.

        Raises:
            Unavailable: It is not there in time, or the model cannot even be described.
        """
        deadline = time.monotonic() + within_s
        while (info := self.info) is None:
            if self.state is ModelState.FAILED or self._closed:
                raise self._unavailable()
            try:
                await self._wait(deadline)
            except DeadlineExceeded as error:
                raise Unavailable(error.message, retry_after_s=error.retry_after_s) from None
        return info

    async def synthesize(
        self, utterance: Utterance, voice: Voice | None = None, watch: StreamWatch | None = None
    ) -> AsyncGenerator[SpeechEvent, None]:
        """Speak one utterance on the best worker; audio comes as int16 with the worker's clock.

        A model that is not loaded is loaded, and a restart is waited for, while that fits ``start_within_s``. A worker
        that is lost before the first event is replaced once. ``watch`` is told what the workers say of it.

        Raises:
            Overloaded: The worker's queue is full.
            Unavailable: No worker can serve.
            DeadlineExceeded: None could in time.
            WorkerLost: The worker died, mid-stream or twice.
            PoisonRequest: This request was running at two crashes.
            BackendFailed: The model failed on it, or stopped in the middle of its audio.
            InvalidRequest: The model refuses it; ``TextTooLong`` if it must be split.
        """
        fingerprint = self._poison.fingerprint(utterance, voice)
        self._poison.check(fingerprint)
        deadline = time.monotonic() + utterance.meta.start_within_s
        for last_try in (False, True):
            link = await self._choose(voice, deadline)
            timed = replace(utterance, meta=replace(utterance.meta, start_within_s=_left_s(deadline)))
            stream = link.synthesize(timed, voice, self._limits.stream_bytes, watch)
            begun = heard = False
            try:
                while True:
                    event = await stream.next(self._limits.stall_s if heard else _left_s(deadline) + GRACE_S)
                    begun, heard = True, heard or isinstance(event, AudioChunk)
                    yield event
                    if isinstance(event, SpeechDone):
                        self._poison.forgive(fingerprint)
                        return
            except TimeoutError:
                raise self._silent(heard=heard) from None
            except WorkerLost:
                if stream.started:
                    self._poison.crashed(fingerprint, link.address)
                if begun or last_try:
                    raise
            finally:
                stream.close()

    async def transcribe(
        self,
        audio: AsyncIterator[NDArray[np.int16]],
        options: TranscriptionOptions,
        watch: StreamWatch | None = None,
    ) -> AsyncGenerator[TranscriptEvent, None]:
        """Transcribe mono audio at the model's rate while it comes; what ``audio`` raises is raised.

        Nothing is taken from ``audio`` before a worker has a slot, which must be within ``start_within_s``. ``watch``
        is told what the workers say of it.

        Raises:
            VoicegwError: As :meth:`synthesize`; a worker that is lost is replaced while it has had no audio yet.
        """
        async with aclosing(self._converse("transcribe", options, _s16le(audio), watch)) as events:
            async for event in events:
                yield event

    async def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        """Decode an upload; see :meth:`transcribe` for how it is taken in, and what is raised.

        :class:`voicegw.audio.decode.Decoder` says whose fault it is where a worker is lost: ask that one.

        Raises:
            InvalidRequest: It is no audio, or more than ``max_s`` seconds of it.
        """
        async with aclosing(self._converse("decode", options, data)) as events:
            async for event in events:
                yield event

    async def detect(
        self, audio: AsyncIterator[NDArray[np.int16]], meta: RequestMeta
    ) -> AsyncGenerator[Activity, None]:
        """Give changes of voice activity while audio comes; see :meth:`transcribe`."""
        async with aclosing(self._converse("detect", DetectRequest(meta), _s16le(audio))) as events:
            async for event in events:
                if isinstance(event, Activity):
                    yield event

    async def embed(self, clips: Sequence[NDArray[np.int16]], meta: RequestMeta) -> NDArray[np.float32]:
        """Give one embedding per clip of mono audio at the model's rate, shape (clips, dimensions)."""
        request = EmbedRequest(meta, tuple(len(clip) for clip in clips))
        async with aclosing(self._converse("embed", request, _s16le(_each(clips)))) as events:
            async for event in events:
                if isinstance(event, Embedded):
                    return event.vectors()
        raise BackendFailed("the model gave no embeddings")

    async def _converse(
        self, op: str, request: Any, source: AsyncIterator[bytes], watch: StreamWatch | None = None
    ) -> AsyncGenerator[Any, None]:
        """Do what takes something in, on the best worker; the operation's last event is the last one given."""
        deadline = time.monotonic() + request.meta.start_within_s
        tries: Iterable[bool] = itertools.repeat(object=False) if self.spec.expendable else (False, True)
        for last_try in tries:
            link = await self._choose(None, deadline)
            timed = replace(request, meta=replace(request.meta, start_within_s=_left_s(deadline)))
            stream = link.open(op, timed, self._limits.stream_bytes, watch=watch)
            stream.upload(source)
            try:
                while True:
                    event = await self._answer(stream, deadline)
                    yield event
                    if isinstance(event, OPERATIONS[op].end):
                        return
            except WorkerLost:
                if self._closed:
                    raise self._unavailable() from None
                if stream.started or last_try:
                    raise
            finally:
                await stream.aclose()

    async def _answer(self, stream: LinkStream, deadline: float) -> Any:
        """Give the next event: a slot by the deadline, then an answer without a stall, unless input is awaited."""
        within_s = self._limits.stall_s if stream.started else _left_s(deadline) + GRACE_S
        while True:
            try:
                return await stream.next(within_s)
            except TimeoutError:
                if not stream.started:
                    raise DeadlineExceeded(f"model {self.model_id!r} had no slot in time", retry_after_s=5.0) from None
                within_s = self._limits.stall_s - stream.silent_s()
                if within_s <= 0:
                    raise BackendFailed(
                        f"the model gave nothing for {self._limits.stall_s:g} s", code="stalled"
                    ) from None

    def _silent(self, *, heard: bool) -> VoicegwError:
        """Give the error of a model that let the deadline of its first audio pass, or stopped in the middle of it."""
        if heard:
            return BackendFailed(f"the model gave nothing for {self._limits.stall_s:g} s", code="stalled")
        return DeadlineExceeded(f"model {self.model_id!r} gave no audio in time", retry_after_s=5.0)

    async def _choose(self, voice: Voice | None, deadline: float) -> Link:
        while True:
            if self._closed:
                raise self._unavailable()
            ready = {worker.name: link for worker in self._workers if (link := worker.serving) is not None}
            link = self._best(ready, voice) if ready else None
            if link is None or link.load >= link.status.slots:
                for worker in self._workers:
                    worker.wake()  # those that were unloaded while there was less to do
            if link is not None:
                return link
            if self.state is ModelState.FAILED:
                raise self._unavailable()
            await self._wait(deadline)

    @staticmethod
    def _best(ready: Mapping[str, Link], voice: Voice | None) -> Link:
        """Choose by voice affinity (rendezvous hashing) while that worker has a slot, else the least loaded."""
        if voice is not None:
            home = ready[max(ready, key=lambda name: hashlib.sha256(f"{voice.key}|{name}".encode()).digest())]
            if home.load < home.status.slots:
                return home
        return min(ready.values(), key=lambda link: link.load / max(1, link.status.slots))

    async def _wait(self, deadline: float) -> None:
        self._unplaced += 1
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                await self._changed.wait()
        except TimeoutError:
            raise DeadlineExceeded(
                f"model {self.model_id!r} was not ready in time: {self.state.value} {self.detail}".rstrip(),
                retry_after_s=5.0,
            ) from None
        finally:
            self._unplaced -= 1

    def _unavailable(self) -> Unavailable:
        if self._closed:
            return Unavailable("the server is shutting down", code="shutting_down", retry_after_s=5.0)
        soonest = min((w.retry_at for w in self._workers if w.retry_at is not None), default=None)
        wait = 60.0 if soonest is None else max(1.0, math.ceil(soonest - time.monotonic()))
        return Unavailable(f"model {self.model_id!r} is not available: {self.detail}", retry_after_s=wait)


async def _s16le(audio: AsyncIterator[NDArray[np.int16]]) -> AsyncGenerator[bytes, None]:
    async for samples in audio:
        yield samples.astype("<i2", copy=False).tobytes()


async def _each(clips: Sequence[NDArray[np.int16]]) -> AsyncGenerator[NDArray[np.int16], None]:
    for clip in clips:
        yield clip


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
