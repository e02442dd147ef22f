"""One request of one gateway in a worker: its place, its voice, what comes up for it, what the adapter makes of it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from voicegw.backend import AudioChunk, BackendFailed, InvalidRequest, ModelInfo, Voice
from voicegw.engine import codec
from voicegw.engine.admission import Admission
from voicegw.engine.inputs import Input, detected, embedded
from voicegw.engine.operations import OPERATIONS, Operation
from voicegw.engine.spec import EngineLimits
from voicegw.engine.voicecache import VoiceCache
from voicegw.engine.wire import Connection, Credit, WireError
from voicegw.errors import DeadlineExceeded, VoicegwError


@dataclass(slots=True)
class RequestRecord:
    """What the log says of one request to the model. Never its text, never a key.

    Attributes:
        characters: Of the text to speak; 0 where there is none.
        ttfa_s: Seconds from its start to the first audio, or other event.
        audio_s: Seconds of audio that came out; of audio that went in, where none comes out.
    """

    id: str
    tenant: str
    model: str
    characters: int = 0
    queue_wait_s: float | None = None
    ttfa_s: float | None = None
    audio_s: float = 0.0
    status: str = "ok"


def log_line(event: str, **fields: Any) -> None:
    """Write one JSON line to stderr, in one piece; to nobody where nobody reads it any more."""
    with suppress(OSError):
        sys.stderr.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stderr.flush()


class Host(Protocol):
    """What a request needs of the process that serves it; :class:`voicegw.engine.runtime.Runtime` is one."""

    model_id: str
    backend: Any
    info: ModelInfo
    limits: EngineLimits
    admission: Admission
    voices: VoiceCache | None

    async def loaded(self, within_s: float) -> None:
        """Wait until the model is ready."""
        ...

    def log(self, event: str, record: RequestRecord) -> None:
        """Write the line of a request that is over."""
        ...


class WorkerStream:
    """One request of one gateway: its credit, its task, and the voice that may have to come up first.

    Args:
        host: The model's process.
        connection: To the gateway.
        number: The stream's.
        op: What is asked for, one of :data:`OPERATIONS`.
        header: The request, plain.
        credit: Bytes of audio that the gateway takes before it says more.
        over: Called when nothing of it is left.
    """

    def __init__(
        self,
        host: Host,
        connection: Connection,
        *,
        number: int,
        op: str,
        header: Mapping[str, Any],
        credit: int,
        over: Callable[[WorkerStream], None],
    ) -> None:
        self._host = host
        self._connection = connection
        self.number = number
        self._op = op
        self._header = header
        self._credit = Credit(credit)
        self._input: Input[Any] | None = None
        self._voice: asyncio.Future[Voice] | None = None
        self._voice_header: list[dict[str, Any]] = []
        self._voice_data = bytearray()
        self._voice_size = 0
        self._cancelled = False
        self.task = asyncio.get_running_loop().create_task(self._run())
        self.task.add_done_callback(lambda _: over(self))  # also of a task that was cancelled before it ran

    def cancel(self) -> None:
        """Cancel the work, once: a second time would interrupt the adapter while it cleans up."""
        if not self._cancelled:
            self._cancelled = True
            self.task.cancel()

    def grant(self, amount: int) -> None:
        """Add credit from the gateway."""
        self._credit.grant(amount)

    def input(self, data: bytes) -> None:
        """Take a piece of what goes up to the adapter; WireError where nothing was asked for."""
        if self._input is None:
            raise WireError("input for a stream that has asked for none")
        self._input.put(data)

    def end_input(self) -> None:
        """Note that nothing more goes up."""
        if self._input is not None:
            self._input.end()

    def begin_voice(self, header: list[dict[str, Any]]) -> None:
        """Take the header of the voice that was asked for."""
        self._voice_header = header
        self._voice_size = sum(int(item["bytes"]) for item in header)
        if self._voice_size > self._host.limits.voice_bytes:
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
        self._connection.send([name, self.number, *parts])

    async def _run(self) -> None:
        try:
            await self._serve()
        except VoicegwError as error:
            self._fail(error)
        except asyncio.CancelledError:
            if self._cancelled:
                raise
            self._fail(BackendFailed("the model gave this request up by itself"))
        except Exception as error:  # noqa: BLE001 - an adapter's failure is this request's, never the worker's
            stack = traceback.format_tb(error.__traceback__)
            log_line("request_failed", model=self._host.model_id, error=type(error).__name__, stack=stack)
            self._fail(BackendFailed(f"the model failed on this request ({type(error).__name__})"))

    def _fail(self, error: VoicegwError) -> None:
        """Send an error; in its place another one where an adapter made it such that it fits no frame."""
        try:
            self._send("error", error.to_wire())
        except WireError:
            self._send("error", BackendFailed("the model failed on this request, and on saying why").to_wire())

    async def _serve(self) -> None:
        operation = OPERATIONS.get(self._op)
        if operation is None or operation.kind != self._host.info.kind:
            raise InvalidRequest(f"model {self._host.model_id!r} does not know the operation {self._op[:40]!r}")
        request = codec.build(operation.request, self._header["request"])
        meta = request.meta
        record = RequestRecord(meta.request_id, meta.tenant, self._host.model_id, len(getattr(request, "text", "")))
        try:
            await self._admitted(operation, request, record)
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
            self._host.log(operation.log, record)

    async def _admitted(self, operation: Operation, request: Any, record: RequestRecord) -> None:
        """Wait for a place, then serve."""
        host, key = self._host, self._header.get("voice_key")
        ticket = host.admission.join(request.meta, getattr(request, "lead_s", 0.0))
        async with AsyncExitStack() as stack:
            stack.callback(ticket.leave)
            await host.loaded(ticket.left_s())
            voice = None if key is None else await self._prepared(key, ticket.left_s(), stack)
            record.queue_wait_s = await ticket.turn()
            self._send("start", record.queue_wait_s)
            if operation.input != "nothing":
                read = codec.samples_of if operation.input == "audio" else bytes
                self._input = Input(lambda amount: self._send("credit", amount), read)
                self._input.open()
            rate = getattr(request, "sample_rate", host.info.sample_rate)
            await self._stream(operation, self._asked(request, voice), record, rate)

    async def _prepared(self, key: str, within_s: float, stack: AsyncExitStack) -> Any:
        voices = self._host.voices
        if voices is None:
            raise InvalidRequest(f"model {self._host.model_id!r} does not clone voices", param="voice")
        try:
            async with asyncio.timeout(within_s) as limit:
                return await stack.enter_async_context(voices.pinned(key, lambda: self._fetch(key)))
        except TimeoutError:
            if not limit.expired():
                raise  # the adapter's own
            raise DeadlineExceeded("the voice was not there in time", param="voice", retry_after_s=5.0) from None

    def _asked(self, request: Any, voice: Any) -> AsyncGenerator[Any, None]:
        """Ask the adapter; what comes ends with the operation's last event."""
        backend, source = self._host.backend, self._input
        if source is None:
            found: AsyncGenerator[Any, None] = backend.synthesize(request, voice)
        elif self._op == "embed":
            found = embedded(backend, source, request)
        elif self._op == "detect":
            found = detected(backend, source)
        else:
            found = getattr(backend, self._op)(source, request)
        return found

    async def _stream(
        self, operation: Operation, made: AsyncGenerator[Any, None], record: RequestRecord, rate: int
    ) -> None:
        started = time.monotonic()
        done: Any = None  # there is one where nothing is raised
        async with aclosing(in_order(operation, made)) as events:
            async for event in events:
                at = time.monotonic()
                if isinstance(event, operation.end):
                    done = event
                    continue
                if record.ttfa_s is None and (isinstance(event, AudioChunk) or operation.input == "audio"):
                    record.ttfa_s = at - started
                record.audio_s += await self._told(event, at) / 2 / rate
        if operation.input == "audio" and self._input is not None:
            record.audio_s = self._input.taken / 2 / rate
        took_s = time.monotonic() - started - self._credit.waited_s
        self._send("done", {**codec.plain(done), "took_s": took_s})

    async def _told(self, event: Any, at: float) -> int:
        """Send an event and give the bytes of audio in it."""
        size = 0
        for tail in codec.event_parts(event, at):
            if tail[0] == "audio":
                size += len(tail[2])
                await self._credit.take(len(tail[2]))
            self._send("event", *tail)
        return size


async def in_order(operation: Operation, made: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """Give what an adapter gives; the operation's last event is given once all is over.

    Raises:
        BackendFailed: There is no last event, something comes after it, or an event is of another operation.
    """
    done: Any = None
    async with aclosing(made) as events:
        async for event in events:
            if done is not None:
                raise BackendFailed(f"the model went on after {operation.end.__name__}")
            if isinstance(event, operation.end):
                done = event
            elif isinstance(event, operation.events):
                yield event
            else:
                raise BackendFailed(f"the model gave a {type(event).__name__}, which is no event of this operation")
    if done is None:
        raise BackendFailed(f"the model ended without {operation.end.__name__}")
    yield done
