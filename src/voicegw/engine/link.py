"""The gateway's end of one connection to a worker: streams multiplexed over it, its pings, its last status."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from voicegw.backend import ModelInfo, Utterance, Voice
from voicegw.engine import codec, wire
from voicegw.engine.alarm import Alarm
from voicegw.engine.operations import OPERATIONS
from voicegw.engine.spec import ModelState
from voicegw.errors import InvalidRequest, VoicegwError, WorkerLost


@dataclass(slots=True)
class WorkerStatus:
    """What the worker last said of itself; see the fields of ``status`` frames.

    ``step_counts`` are the model's steps by how long they took, see :mod:`voicegw.backend.slots.timing`; () where it
    has made none.
    """

    state: ModelState = ModelState.DECLARED
    progress: float = 0.0
    detail: str = ""
    running: int = 0
    waiting: int = 0
    slots: int = 1
    voices: int = 0
    voice_bytes: int = 0
    step_counts: tuple[int, ...] = ()
    step_total_s: float = 0.0


class StreamWatch(Protocol):
    """Whoever wants to know how a worker treats one utterance, or one transcription."""

    def admitted(self, waited_s: float) -> None:
        """Take note that it has a slot, after so many seconds in the worker's queue."""
        ...

    def spoken(self, took_s: float) -> None:
        """Take note that all of it is spoken or heard, and of the model's seconds: waiting for a listener not."""
        ...


class LinkStream:
    """One request under way: an iterator of its events, bounded by its credit.

    Args:
        link: Where it runs.
        number: The stream's.
        op: What was asked for, one of :data:`OPERATIONS`.
        voice: Whose samples are sent if the worker asks for them.
        window: Bytes of audio that may wait here for the listener.
        watch: Is told how it fares.

    Attributes:
        started: Whether the worker gave it a slot.
        finished: Whether its last frame came.
    """

    def __init__(
        self, link: Link, number: int, op: str, *, voice: Voice | None, window: int, watch: StreamWatch | None
    ) -> None:
        self.started = False
        self.finished = False
        self._link = link
        self._number = number
        self._end_type = OPERATIONS[op].end
        self._voice = voice
        self._watch = watch
        self._tasks: list[asyncio.Task[None]] = []
        self._events: deque[tuple[Any, int] | Exception] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._alarm = Alarm()
        self._window = wire.Window(window, lambda amount: link.send("credit", number, amount))
        self._input = wire.Credit(0)
        self._ours = False
        self._since = time.monotonic()

    async def next(self, within_s: float) -> Any:
        """Give the next event; the operation's last one is the last.

        Args:
            within_s: Longest wait for it in seconds.

        Raises:
            VoicegwError: What the worker answered, or :class:`WorkerLost`.
            Exception: What the source of an :meth:`upload` ended with.
            TimeoutError: Nothing came in time.
        """
        if not self._events:
            self._waiter = self._alarm.guarded(within_s)
            await self._waiter
        item = self._events.popleft()
        if isinstance(item, Exception):
            raise item
        event, size = item
        if size:
            self._window.consumed(size)
        return event

    def silent_s(self) -> float:
        """Seconds for which the worker has said nothing although it was its turn; 0 while it waits for input."""
        return 0.0 if self._ours else time.monotonic() - self._since

    def upload(self, source: AsyncIterator[bytes]) -> None:
        """Send what goes up, from when the worker has a slot; what the source raises ends the stream."""
        task = asyncio.get_running_loop().create_task(self._send_input(source))
        task.add_done_callback(self._uploaded)
        self._tasks.append(task)

    async def aclose(self) -> None:
        """Be done with the stream, and wait until nothing takes from the source of its input any more."""
        self.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def close(self) -> None:
        """Be done with the stream; what has not finished is cancelled in the worker."""
        if not self.finished:
            self.finished = True
            self._link.send("cancel", self._number)
        self._end()

    def lost(self, error: VoicegwError) -> None:
        """End the stream with an error after what has already come."""
        if not self.finished:
            self._put(error)
        self._end()

    def frame(self, name: str, frame: wire.Frame) -> None:
        """Take one of the worker's frames for this stream."""
        self._since = time.monotonic()
        if name == "event":
            event = codec.event_of(frame[2], frame[3:])
            self._put((event, len(frame[4]) if frame[2] == "audio" else 0))
        elif name == "credit":
            self._input.grant(frame[2])
        elif name == "done":
            self._done(frame[2])
        elif name == "error":
            self._put(VoicegwError.from_wire(frame[2]))
            self._end()
        elif name == "start":
            self._begun(frame[2])
        elif name == "need_voice" and not self._tasks:
            self._tasks.append(asyncio.get_running_loop().create_task(self._send_voice()))

    def _begun(self, waited_s: Any) -> None:
        self.started = True
        if self._watch is not None:
            self._watch.admitted(float(waited_s))

    def _done(self, fields: Mapping[str, Any]) -> None:
        self._put((codec.build(self._end_type, fields), 0))
        if self._watch is not None and "took_s" in fields:
            self._watch.spoken(float(fields["took_s"]))
        self._end()

    def _put(self, item: tuple[Any, int] | Exception) -> None:
        self._events.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self) -> None:
        self.finished = True
        self._alarm.clear()
        self._link.drop(self._number)
        for task in self._tasks:
            task.cancel()

    async def _send_input(self, source: AsyncIterator[bytes]) -> None:
        await self._input.some()
        self._turn(ours=True)
        async for data in source:
            for piece in wire.pieces(data):
                self._turn(ours=False)
                await self._input.take(len(piece))
                self._link.send("input", self._number, piece)
                await self._link.connection.drain()
            self._turn(ours=True)
        self._turn(ours=False)
        self._link.send("end_input", self._number)

    def _turn(self, *, ours: bool) -> None:
        """Note whose turn it is: ours to send input, or the worker's to take it or to answer."""
        self._ours = ours
        self._since = time.monotonic()

    def _uploaded(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and not self.finished:
            self._put(error)
            self.close()

    async def _send_voice(self) -> None:
        if self._voice is None:
            self._put(InvalidRequest("the worker asks for a voice that the request does not have", param="voice"))
            return
        header, data = codec.voice_header(self._voice)
        try:
            self._link.send("voice", self._number, header)
        except wire.WireError as error:
            self._put(InvalidRequest(f"the voice cannot be sent: {error}", param="voice"))
            return
        for piece in wire.pieces(data):
            self._link.send("voice_data", self._number, piece)
            await self._link.connection.drain()


@dataclass(slots=True)
class _Beat:
    """When a ping was sent that has no answer yet, and when the worker last sent anything."""

    sent: float | None = None
    heard: float = 0.0
    numbers: itertools.count[int] = field(default_factory=itertools.count)


class Link:
    """A connection to a worker.

    Args:
        address: URI of the worker.
        on_change: Called whenever the worker says something of its state.
        on_lost: Called once when the connection is over.

    Attributes:
        used_at: Monotonic time at which a stream was last opened or ended.
        opened: Streams opened so far.
        fault: Why the connection was lost, if that is known; else "".
    """

    def __init__(self, address: str, on_change: Callable[[], None], on_lost: Callable[[], None]) -> None:
        self.info: ModelInfo | None = None
        self.status = WorkerStatus()
        self.address = address
        self.used_at = time.monotonic()
        self.opened = 0
        self.fault = ""
        self.greeted = asyncio.Event()
        self.connection = wire.Connection(self._on_frame, self._on_lost)
        self._on_change = on_change
        self._lost = on_lost
        self._streams: dict[int, LinkStream] = {}
        self._beat = _Beat()
        self._others = 0

    async def connect(self) -> None:
        """Connect to the worker; OSError when nobody listens."""
        await wire.connect(self.address, self.connection)

    @property
    def in_flight(self) -> int:
        """Streams of this gateway that are not over."""
        return len(self._streams)

    @property
    def running(self) -> int:
        """Those of them that have a slot."""
        return sum(stream.started for stream in self._streams.values())

    @property
    def load(self) -> int:
        """Utterances that the worker runs or queues: this gateway's, and those of others when it last spoke of them."""
        return len(self._streams) + self._others

    def synthesize(
        self, utterance: Utterance, voice: Voice | None, window: int, watch: StreamWatch | None = None
    ) -> LinkStream:
        """Open a stream of speech; see :meth:`open`."""
        return self.open("synthesize", utterance, window, voice, watch)

    def open(
        self, op: str, request: Any, window: int, voice: Voice | None = None, watch: StreamWatch | None = None
    ) -> LinkStream:
        """Open a stream.

        Args:
            op: What is asked for, one of :data:`OPERATIONS`.
            request: Of that operation's type.
            window: Bytes of audio that may wait here for the listener.
            voice: Whose samples are sent if the worker asks for them.
            watch: Is told how it fares.

        Raises:
            WorkerLost: The connection is over.
            InvalidRequest: The request is too large for a frame.
        """
        if not self.connection.connected:
            raise WorkerLost("the worker is gone")
        number = self.opened = self.opened + 1
        stream = LinkStream(self, number, op, voice=voice, window=window, watch=watch)
        header = {"request": codec.plain(request), "voice_key": voice.key if voice else None}
        try:
            self.send("open", number, op, header, window)
        except wire.WireError as error:
            raise InvalidRequest(str(error)) from error
        self._streams[number] = stream
        self.used_at = time.monotonic()
        return stream

    def send(self, name: str, *parts: Any) -> None:
        """Send a frame."""
        self.connection.send([name, *parts])

    def drop(self, number: int) -> None:
        """Forget a stream that is over."""
        self._streams.pop(number, None)
        self.used_at = time.monotonic()

    def ping(self, now: float) -> None:
        """Send a ping unless one is still unanswered."""
        if self._beat.sent is None:
            self._beat.sent = now
            self.send("ping", next(self._beat.numbers))

    def silent_s(self, now: float) -> float:
        """Seconds since an unanswered ping was sent or anything was heard; 0 when all pings are answered."""
        return 0.0 if self._beat.sent is None else now - max(self._beat.sent, self._beat.heard)

    def close(self) -> None:
        """End the connection; streams on it end in :class:`WorkerLost`."""
        self.connection.abort()

    def _on_frame(self, frame: wire.Frame) -> None:
        name = frame[0]
        self._beat.heard = time.monotonic()
        if name == "pong":
            self._beat.sent = None
            self._update(frame[2])
        elif name in ("hello", "status"):
            self._update(frame[1])
        else:
            stream = self._streams.get(frame[1])
            if stream is not None:
                stream.frame(name, frame)

    def _update(self, fields: Mapping[str, Any]) -> None:
        greeting = "protocol" in fields
        if greeting and fields["protocol"] != wire.PROTOCOL:
            raise wire.WireError(f"the worker speaks protocol {fields['protocol']}, not {wire.PROTOCOL}")
        if fields.get("info") is not None:
            self.info = codec.build(ModelInfo, fields["info"])
        self.status = codec.build(WorkerStatus, fields)
        self._others = max(0, self.status.running + self.status.waiting - len(self._streams))
        if greeting:
            self.greeted.set()
        self._on_change()

    def _on_lost(self, why: Exception | None) -> None:
        self.fault = f" ({why})" if why is not None else ""
        for stream in list(self._streams.values()):
            stream.lost(WorkerLost(f"the worker was lost while it served the request{self.fault}"))
        self.greeted.set()
        self._lost()
