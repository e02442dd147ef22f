"""The gateway's view of one model: choose a worker, wait for one while it makes sense, retry once, cancel."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

from voicegw.backend import AudioChunk, BackendFailed, ModelInfo, SpeechDone, SpeechEvent, Utterance, Voice
from voicegw.engine.link import Link
from voicegw.engine.place import Worker
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.errors import DeadlineExceeded, PoisonRequest, Unavailable, VoicegwError, WorkerLost

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


class Poison:
    """Requests that were running when a worker crashed; the second time, they are not tried again.

    Args:
        most: Fingerprints remembered.
        keep_s: Seconds after which a crash is forgiven.
    """

    def __init__(self, most: int = 1024, keep_s: float = 600.0) -> None:
        self._most = most
        self._keep_s = keep_s
        self._crashes: OrderedDict[bytes, tuple[frozenset[str], float]] = OrderedDict()

    @staticmethod
    def fingerprint(utterance: Utterance, voice: Voice | None) -> bytes:
        """Hash what makes two utterances the same work."""
        parameters = sorted((str(k), repr(v)) for k, v in utterance.parameters.items())
        same = (utterance.text, utterance.language, utterance.voice, voice and voice.key, utterance.seed, parameters)
        return hashlib.sha256(repr(same).encode("utf-8", "surrogatepass")).digest()

    def crashed(self, fingerprint: bytes, crash: str) -> None:
        """Note that a worker died while this ran; ``crash`` names the death, which many requests may have seen."""
        now = time.monotonic()
        crashes, when = self._crashes.pop(fingerprint, (frozenset(), 0.0))
        self._crashes[fingerprint] = ((crashes if now - when < self._keep_s else frozenset()) | {crash}, now)
        if len(self._crashes) > self._most:
            self._crashes.popitem(last=False)

    def forgive(self, fingerprint: bytes) -> None:
        """Note that this was served: it was not what the worker died of."""
        self._crashes.pop(fingerprint, None)

    def check(self, fingerprint: bytes) -> None:
        """Refuse what ran at two crashes.

        Raises:
            PoisonRequest: It did.
        """
        crashes, when = self._crashes.get(fingerprint, (frozenset(), 0.0))
        if len(crashes) >= 2 and time.monotonic() - when < self._keep_s:  # noqa: PLR2004 - two crashes are the rule
            raise PoisonRequest("this request was running at two crashes of the model and is not tried again")


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

    async def synthesize(self, utterance: Utterance, voice: Voice | None = None) -> AsyncGenerator[SpeechEvent, None]:
        """Speak one utterance on the best worker; audio comes as int16 with the worker's clock.

        A model that is not loaded is loaded, and a restart is waited for, while that fits ``start_within_s``. A worker
        that is lost before the first event is replaced once.

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
            stream = link.synthesize(timed, voice, self._limits.stream_bytes)
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

    def _silent(self, *, heard: bool) -> VoicegwError:
        """Give the error of a model that let the deadline of its first audio pass, or stopped in the middle of it."""
        if heard:
            return BackendFailed(f"the model gave nothing for {self._limits.stall_s:g} s", code="stalled")
        return DeadlineExceeded(f"model {self.model_id!r} gave no audio in time", retry_after_s=5.0)

    async def _choose(self, voice: Voice | None, deadline: float) -> Link:
        while True:
            if self._closed:
                raise self._unavailable()
            ready = {worker.name: link for worker in self._workers if (link := _ready(worker)) is not None}
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
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                await self._changed.wait()
        except TimeoutError:
            raise DeadlineExceeded(
                f"model {self.model_id!r} was not ready in time: {self.state.value} {self.detail}".rstrip(),
                retry_after_s=5.0,
            ) from None

    def _unavailable(self) -> Unavailable:
        if self._closed:
            return Unavailable("the server is shutting down", code="shutting_down", retry_after_s=5.0)
        soonest = min((w.retry_at for w in self._workers if w.retry_at is not None), default=None)
        wait = 60.0 if soonest is None else max(1.0, math.ceil(soonest - time.monotonic()))
        return Unavailable(f"model {self.model_id!r} is not available: {self.detail}", retry_after_s=wait)


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _ready(worker: Worker) -> Link | None:
    link = worker.link
    return link if worker.state is ModelState.READY and link is not None and link.connection.connected else None
