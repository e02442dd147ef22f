"""What a worker does for its gateways: admits a request, fetches its voice, runs the adapter, sends what it makes.

One :class:`Runtime` holds the model; every gateway connection is a :class:`GatewaySession` with streams of its own.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

from voicegw.backend import ModelInfo
from voicegw.backend.slots import process_times
from voicegw.engine import codec
from voicegw.engine.admission import Admission
from voicegw.engine.serving import RequestRecord, WorkerStream, log_line
from voicegw.engine.spec import EngineLimits, ModelState
from voicegw.engine.voicecache import VoiceCache
from voicegw.engine.wire import PROTOCOL, Connection, Frame, WireError
from voicegw.errors import DeadlineExceeded, Unavailable

DETAIL = 500
"""Characters of a state's detail; it goes out with every status."""


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
        backend: Any,
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
        self.sealed = False
        self._log_requests = log_requests
        self._settled = asyncio.Event()
        self._attached = asyncio.Event()

    async def load(self, shut: Callable[[], None]) -> None:
        """Load the weights; the state says how it went, and every gateway is told.

        Args:
            shut: Called where the adapter can be sealed, before it is: no other gateway gets in.
        """
        self._set(ModelState.LOADING, "loading")
        loop = asyncio.get_running_loop()

        def progress(fraction: float, what: str) -> None:
            loop.call_soon_threadsafe(self._progress, min(1.0, max(0.0, fraction)), what)

        try:
            self.info = codec.checked(await self.backend.load(progress))
            if hasattr(self.backend, "seal"):
                await self._attached.wait()
                shut()
                self.sealed = True
                self.backend.seal()
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

    def add(self, session: GatewaySession) -> None:
        """Take in a gateway that has connected."""
        self.sessions.add(session)
        self._attached.set()

    async def close(self) -> None:
        """Cancel every stream, close the connections and give the model back."""
        streams = list(self.streams)  # of gateways that are gone, too: an adapter is closed when nothing runs on it
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*(stream.task for stream in streams), return_exceptions=True)
        for session in self.sessions:
            session.connection.close()
        await self.backend.close()

    def log(self, event: str, record: RequestRecord) -> None:
        """Write the line of a request that is over."""
        if self._log_requests:
            fields = {name: getattr(record, name) for name in RequestRecord.__slots__}
            log_line(event, **{k: round(v, 4) if isinstance(v, float) else v for k, v in fields.items()})

    def _progress(self, fraction: float, what: str) -> None:
        if self.state is ModelState.LOADING:
            self.progress = fraction
            self._set(ModelState.LOADING, what)

    def _set(self, state: ModelState, detail: str) -> None:
        self.state, self.detail = state, detail[:DETAIL]
        kind = "hello" if state is ModelState.READY else "status"
        for session in self.sessions:
            session.connection.send([kind, self.hello() if kind == "hello" else self.status()])


class GatewaySession:
    """One gateway's connection to this worker and the streams it opened."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.connection = Connection(self._on_frame, self._on_lost, self._on_made)
        self._streams: dict[int, WorkerStream] = {}

    def _over(self, stream: WorkerStream) -> None:
        self.runtime.streams.discard(stream)
        self._streams.pop(stream.number, None)

    def _on_made(self, connection: Connection) -> None:
        self.runtime.add(self)
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
            stream = WorkerStream(
                self.runtime, self.connection, number=number, op=op, header=header, credit=credit, over=self._over
            )
            self._streams[number] = stream
            self.runtime.streams.add(stream)
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
        act = _STREAM_FRAMES.get(name)
        if act is not None:
            act(stream, *frame[2:])


_STREAM_FRAMES: dict[str, Callable[..., None]] = {
    "credit": WorkerStream.grant,
    "cancel": WorkerStream.cancel,
    "input": WorkerStream.input,
    "end_input": WorkerStream.end_input,
    "voice": WorkerStream.begin_voice,
    "voice_data": WorkerStream.voice_data,
}
