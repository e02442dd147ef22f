"""What a worker does for its gateways: admits a request, fetches its voice, runs the adapter, sends what it makes.

One :class:`Runtime` holds the model; every gateway connection is a :class:`GatewaySession` with streams of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any

from voicegw.backend import BackendFailed, InvalidRequest, ModelInfo, SpeechBackend, SpeechDone, Utterance, Voice
from voicegw.backend.slots import process_times
from voicegw.engine import codec
from voicegw.engine.admission import Admission
from voicegw.engine.spec import EngineLimits, ModelState
from voicegw.engine.voicecache import VoiceCache
from voicegw.engine.wire import PROTOCOL, Connection, Credit, Frame, WireError
from voicegw.errors import DeadlineExceeded, Unavailable, VoicegwError

DETAIL = 500
"""Characters of a state's detail; it goes out with every status."""


@dataclass(slots=True)
class RequestRecord:
    """What the log says of one utterance. Never its text, never a key."""

    id: str
    tenant: str
    model: str
    characters: int
    queue_wait_s: float | None = None
    ttfa_s: float | None = None
    audio_s: float = 0.0
    status: str = "ok"


def log_line(event: str, **fields: Any) -> None:
    """Write one JSON line to stderr, in one piece; to nobody where nobody reads it any more."""
    with suppress(OSError):
        sys.stderr.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stderr.flush()


def failure(error: Exception) -> str:
    """Say in at most :data:`DETAIL` characters why a model could not be described or loaded."""
    return f"{type(error).__name__}: {error}"[:DETAIL]


class Runtime:
    """One model in this process: its state, its slots, its voices.

    Args:
        model_id: Name for the log.
        backend: The adapter.
        info: Its manifest before loading.
        limits: Bounds, from the gateway's settings.
        log_requests: Whether every utterance gets a log line.
    """

    def __init__(
        self,
        model_id: str,
        backend: SpeechBackend[Any],
        info: ModelInfo,
        limits: EngineLimits,
        *,
        log_requests: bool = True,
    ) -> None:
        self.model_id = model_id
        self.backend = backend
        self.info = info
        self.limits = limits
        self.state = ModelState.DESCRIBED
        self.progress = 0.0
        self.detail = ""
        self.admission = Admission(info.limits.slots, limits.queue_per_slot)
        self.voices = VoiceCache(backend.prepare, limits.voice_cache_bytes) if info.clones else None
        self.sessions: set[GatewaySession] = set()
        self.streams: set[WorkerStream] = set()
        self._log_requests = log_requests
        self._settled = asyncio.Event()

    async def load(self) -> None:
        """Load the weights; the state says how it went, and every gateway is told."""
        self._set(ModelState.LOADING, "loading")
        loop = asyncio.get_running_loop()

        def progress(fraction: float, what: str) -> None:
            loop.call_soon_threadsafe(self._progress, min(1.0, max(0.0, fraction)), what)

        try:
            self.info = codec.checked(await self.backend.load(progress))
        except Exception as error:  # noqa: BLE001 - whatever a model's loading raises ends up as the state "failed"
            log_line(
                "load_failed", model=self.model_id, error=repr(error), stack=traceback.format_tb(error.__traceback__)
            )
            self._set(ModelState.FAILED, failure(error))
        else:
            self.admission.resize(self.info.limits.slots)
            self.progress = 1.0
            self._set(ModelState.READY, "")
        self._settled.set()

    async def loaded(self, within_s: float) -> None:
        """Wait until the model is ready.

        Raises:
            DeadlineExceeded: Loading takes longer than ``within_s``.
            Unavailable: Loading failed.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._settled.wait()
        except TimeoutError:
            raise DeadlineExceeded(
                f"model {self.model_id!r} is still loading: {self.detail}", retry_after_s=5
            ) from None
        if self.state is not ModelState.READY:
            raise Unavailable(f"model {self.model_id!r} could not be loaded: {self.detail}", retry_after_s=60)

    def status(self) -> dict[str, Any]:
        """Give the state and the load, as in ``status``, ``hello`` and ``pong`` frames."""
        steps = process_times()
        return {
            "state": self.state.value,
            "progress": self.progress,
            "detail": self.detail,
            "running": self.admission.running,
            "waiting": self.admission.waiting,
            "slots": self.admission.slots,
            "voices": len(self.voices) if self.voices else 0,
            "voice_bytes": self.voices.nbytes if self.voices else 0,
            "step_counts": steps.counts if steps.total_s else [],
            "step_total_s": steps.total_s,
        }

    def hello(self) -> dict[str, Any]:
        """Give the first frame's fields: protocol, manifest and status."""
        return {"protocol": PROTOCOL, "model": self.model_id, "info": codec.plain(self.info), **self.status()}

    def attach(self) -> Connection:
        """Make the protocol object of a new gateway connection."""
        session = GatewaySession(self)
        return session.connection

    async def close(self) -> None:
        """Cancel every stream, close the connections and give the model back."""
        streams = list(self.streams)  # of gateways that are gone, too: an adapter is closed when nothing runs on it
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*(stream.task for stream in streams), return_exceptions=True)
        for session in self.sessions:
            session.connection.close()
        await self.backend.close()

    def log(self, record: RequestRecord) -> None:
        """Write the line of a finished utterance."""
        if self._log_requests:
            fields = {name: getattr(record, name) for name in RequestRecord.__slots__}
            log_line("utterance", **{k: round(v, 4) if isinstance(v, float) else v for k, v in fields.items()})

    def _progress(self, fraction: float, what: str) -> None:
        if self.state is ModelState.LOADING:
            self.progress = fraction
            self._set(ModelState.LOADING, what)

    def _set(self, state: ModelState, detail: str) -> None:
        self.state, self.detail = state, detail[:DETAIL]
        kind = "hello" if state is ModelState.READY else "status"
        for session in self.sessions:
            session.connection.send([kind, self.hello() if kind == "hello" else self.status()])


class WorkerStream:
    """One request of one gateway: its credit, its task, and the voice that may have to come up first."""

    def __init__(self, session: GatewaySession, number: int, op: str, header: Mapping[str, Any], credit: int) -> None:
        self._session = session
        self._runtime = session.runtime
        self._number = number
        self._header = header
        self._credit = Credit(credit)
        self._voice: asyncio.Future[Voice] | None = None
        self._voice_header: list[dict[str, Any]] = []
        self._voice_data = bytearray()
        self._voice_size = 0
        self._cancelled = False
        serve = {"synthesize": self._synthesize}.get(op, self._unknown)
        self.task = asyncio.get_running_loop().create_task(self._run(serve))
        self._runtime.streams.add(self)
        self.task.add_done_callback(self._over)  # also of a task that was cancelled before it ran

    def _over(self, _task: asyncio.Task[None]) -> None:
        self._runtime.streams.discard(self)
        self._session.forget(self._number)

    def cancel(self) -> None:
        """Cancel the work, once: a second time would interrupt the adapter while it cleans up."""
        if not self._cancelled:
            self._cancelled = True
            self.task.cancel()

    def grant(self, amount: int) -> None:
        """Add credit from the gateway."""
        self._credit.grant(amount)

    def begin_voice(self, header: list[dict[str, Any]]) -> None:
        """Take the header of the voice that was asked for."""
        self._voice_header = header
        self._voice_size = sum(int(item["bytes"]) for item in header)
        if self._voice_size > self._runtime.limits.voice_bytes:
            self._refuse_voice(f"a voice of {self._voice_size} bytes is over the worker's limit")
        elif not self._voice_size:
            self._refuse_voice("a voice without audio")

    def voice_data(self, data: bytes) -> None:
        """Take a piece of the voice; the last one completes it."""
        if self._voice is None or self._voice.done():
            return
        self._voice_data += data
        if len(self._voice_data) > self._voice_size:
            self._refuse_voice("more voice data than announced")
        elif len(self._voice_data) == self._voice_size:
            self._voice.set_result(codec.voice_of(self._voice_header, bytes(self._voice_data)))
            self._voice_data = bytearray()

    def _refuse_voice(self, why: str) -> None:
        if self._voice is not None and not self._voice.done():
            self._voice.set_exception(InvalidRequest(why, param="voice"))

    async def _fetch(self, key: str) -> Voice:
        self._voice = asyncio.get_running_loop().create_future()
        self._send("need_voice", key)
        voice = await self._voice
        if voice.key != key:
            raise InvalidRequest("the voice that came is not the voice that was named", param="voice")
        return voice

    def _send(self, name: str, *parts: Any) -> None:
        self._session.connection.send([name, self._number, *parts])

    async def _run(self, serve: Callable[[], Awaitable[None]]) -> None:
        try:
            await serve()
        except VoicegwError as error:
            self._fail(error)
        except asyncio.CancelledError:
            if self._cancelled:
                raise
            self._fail(BackendFailed("the model gave this request up by itself"))
        except Exception as error:  # noqa: BLE001 - an adapter's failure is this request's, never the worker's
            stack = traceback.format_tb(error.__traceback__)
            log_line("request_failed", model=self._runtime.model_id, error=type(error).__name__, stack=stack)
            self._fail(BackendFailed(f"the model failed on this request ({type(error).__name__})"))

    def _fail(self, error: VoicegwError) -> None:
        """Send an error; in its place another one where an adapter made it such that it fits no frame."""
        try:
            self._send("error", error.to_wire())
        except WireError:
            self._send("error", BackendFailed("the model failed on this request, and on saying why").to_wire())

    async def _unknown(self) -> None:
        raise InvalidRequest("this worker does not know that operation")

    async def _synthesize(self) -> None:
        utterance = codec.build(Utterance, self._header["utterance"])
        meta = utterance.meta
        record = RequestRecord(meta.request_id, meta.tenant, self._runtime.model_id, len(utterance.text))
        try:
            await self._speak(utterance, self._header.get("voice_key"), record)
        except asyncio.CancelledError:
            record.status = "cancelled" if self._cancelled else "backend_failed"
            raise
        except VoicegwError as error:
            record.status = error.code
            raise
        except Exception:
            record.status = "backend_failed"
            raise
        finally:
            self._runtime.log(record)

    async def _speak(self, utterance: Utterance, key: str | None, record: RequestRecord) -> None:
        runtime = self._runtime
        ticket = runtime.admission.join(utterance.meta, utterance.lead_s)
        async with AsyncExitStack() as stack:
            stack.callback(ticket.leave)
            await runtime.loaded(ticket.left_s())
            voice = None if key is None else await self._prepared(key, ticket.left_s(), stack)
            record.queue_wait_s = await ticket.turn()
            self._send("start", record.queue_wait_s)
            await self._stream(utterance, voice, record)

    async def _prepared(self, key: str, within_s: float, stack: AsyncExitStack) -> Any:
        voices = self._runtime.voices
        if voices is None:
            raise InvalidRequest(f"model {self._runtime.model_id!r} does not clone voices", param="voice")
        try:
            async with asyncio.timeout(within_s) as limit:
                return await stack.enter_async_context(voices.pinned(key, lambda: self._fetch(key)))
        except TimeoutError:
            if not limit.expired():
                raise  # the adapter's own
            raise DeadlineExceeded("the voice was not there in time", param="voice", retry_after_s=5.0) from None

    async def _stream(self, utterance: Utterance, voice: Any, record: RequestRecord) -> None:
        started, rate = time.monotonic(), self._runtime.info.sample_rate
        done: SpeechDone | None = None
        async with aclosing(self._runtime.backend.synthesize(utterance, voice)) as events:
            async for event in events:
                at = time.monotonic()
                if done is not None:
                    raise BackendFailed("the model went on after SpeechDone")
                if isinstance(event, SpeechDone):
                    done = event
                    continue
                for tail in codec.speech_parts(event, at):
                    if tail[0] == "audio":
                        record.ttfa_s = at - started if record.ttfa_s is None else record.ttfa_s
                        record.audio_s += len(tail[2]) / 2 / rate
                        await self._credit.take(len(tail[2]))
                    self._send("event", *tail)
        if done is None:
            raise BackendFailed("the model ended without SpeechDone")
        took_s = time.monotonic() - started - self._credit.waited_s
        self._send("done", {**codec.plain(done), "took_s": took_s})


class GatewaySession:
    """One gateway's connection to this worker and the streams it opened."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.connection = Connection(self._on_frame, self._on_lost, self._on_made)
        self._streams: dict[int, WorkerStream] = {}

    def forget(self, number: int) -> None:
        """Drop a stream that is over."""
        self._streams.pop(number, None)

    def _on_made(self, connection: Connection) -> None:
        self.runtime.sessions.add(self)
        connection.send(["hello", self.runtime.hello()])

    def _on_lost(self, _why: Exception | None) -> None:
        self.runtime.sessions.discard(self)
        for stream in self._streams.values():
            stream.cancel()

    def _on_frame(self, frame: Frame) -> None:
        name = frame[0]
        if name == "open":
            _, number, op, header, credit = frame
            if number in self._streams:
                raise WireError(f"stream {number} is open already")
            self._streams[number] = WorkerStream(self, number, op, header, credit)
        elif name == "ping":
            self.connection.send(["pong", frame[1], self.runtime.status()])
        elif name == "forget" and self.runtime.voices is not None:
            self.runtime.voices.forget(frame[1])
        else:
            self._stream_frame(name, frame)

    def _stream_frame(self, name: str, frame: Frame) -> None:
        stream = self._streams.get(frame[1])
        if stream is None:
            return  # the stream ended while the frame was under way
        if name == "credit":
            stream.grant(frame[2])
        elif name == "cancel":
            stream.cancel()
        elif name == "voice":
            stream.begin_voice(frame[2])
        elif name == "voice_data":
            stream.voice_data(frame[2])
