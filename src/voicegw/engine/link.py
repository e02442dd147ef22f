"""The gateway's end of one connection to a worker: streams multiplexed over it, its pings, its last status."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicegw.backend import ModelInfo, SpeechEvent, Utterance, Voice
from voicegw.engine import codec, wire
from voicegw.engine.spec import ModelState
from voicegw.errors import InvalidRequest, VoicegwError, WorkerLost


@dataclass(slots=True)
class WorkerStatus:
    """What the worker last said of itself; see the fields of ``status`` frames."""

    state: ModelState = ModelState.DECLARED
    progress: float = 0.0
    detail: str = ""
    running: int = 0
    waiting: int = 0
    slots: int = 1
    voices: int = 0
    voice_bytes: int = 0


class _Alarm:
    """Ends a wait that lasts too long.

    One timer serves all waits of a stream, one after another. It is moved when it rings too early, not before every
    wait: to set and unset a timer costs 5 us, a tenth of what a chunk may cost altogether.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiter = self._loop.create_future()
        self._due = 0.0

    def guarded(self, within_s: float) -> asyncio.Future[None]:
        """Make a future to wait for: it gets a TimeoutError unless it is done in time."""
        self._waiter, self._due = self._loop.create_future(), self._loop.time() + within_s
        if self._timer is None or self._timer.when() > self._due:
            self._set()
        return self._waiter

    def clear(self) -> None:
        """Let the timer go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self.clear()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter.done():
            return  # the next wait sets it again
        if self._loop.time() < self._due:
            self._set()
        else:
            self._waiter.set_exception(TimeoutError())


class LinkStream:
    """One request under way: an iterator of its events, bounded by its credit.

    Attributes:
        started: Whether the worker gave it a slot.
        finished: Whether its last frame came.
    """

    def __init__(self, link: Link, number: int, voice: Voice | None, window: int) -> None:
        self.started = False
        self.finished = False
        self._link = link
        self._number = number
        self._voice = voice
        self._upload: asyncio.Task[None] | None = None
        self._events: deque[tuple[SpeechEvent, int] | VoicegwError] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._alarm = _Alarm()
        self._window = wire.Window(window, lambda amount: link.send("credit", number, amount))

    async def next(self, within_s: float) -> SpeechEvent:
        """Give the next event; :class:`SpeechDone` is the last.

        Args:
            within_s: Longest wait for it in seconds.

        Raises:
            VoicegwError: What the worker answered, or :class:`WorkerLost`.
            TimeoutError: Nothing came in time.
        """
        if not self._events:
            self._waiter = self._alarm.guarded(within_s)
            await self._waiter
        item = self._events.popleft()
        if isinstance(item, VoicegwError):
            raise item
        event, size = item
        if size:
            self._window.consumed(size)
        return event

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
        if name == "event":
            event = codec.speech_event(frame[2], frame[3:])
            self._put((event, len(frame[4]) if frame[2] == "audio" else 0))
        elif name == "done":
            self._put((codec.speech_done(frame[2]), 0))
            self._end()
        elif name == "error":
            self._put(VoicegwError.from_wire(frame[2]))
            self._end()
        elif name == "start":
            self.started = True
        elif name == "need_voice" and self._upload is None:
            self._upload = asyncio.get_running_loop().create_task(self._send_voice())

    def _put(self, item: tuple[SpeechEvent, int] | VoicegwError) -> None:
        self._events.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self) -> None:
        self.finished = True
        self._alarm.clear()
        self._link.drop(self._number)
        if self._upload is not None:
            self._upload.cancel()

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
        fault: Why the connection was lost, if that is known; else "".
    """

    def __init__(self, address: str, on_change: Callable[[], None], on_lost: Callable[[], None]) -> None:
        self.info: ModelInfo | None = None
        self.status = WorkerStatus()
        self.address = address
        self.used_at = time.monotonic()
        self.fault = ""
        self.greeted = asyncio.Event()
        self.connection = wire.Connection(self._on_frame, self._on_lost)
        self._on_change = on_change
        self._lost = on_lost
        self._streams: dict[int, LinkStream] = {}
        self._numbers = itertools.count(1)
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
    def load(self) -> int:
        """Utterances that the worker runs or queues: this gateway's, and those of others when it last spoke of them."""
        return len(self._streams) + self._others

    def synthesize(self, utterance: Utterance, voice: Voice | None, window: int) -> LinkStream:
        """Open a stream of speech.

        Args:
            utterance: What to speak.
            voice: Whose samples are sent if the worker asks for them.
            window: Bytes of audio that may wait here for the listener.

        Raises:
            WorkerLost: The connection is over.
            InvalidRequest: The request is too large for a frame.
        """
        if not self.connection.connected:
            raise WorkerLost("the worker is gone")
        number = next(self._numbers)
        stream = LinkStream(self, number, voice, window)
        header = {"utterance": codec.plain(utterance), "voice_key": voice.key if voice else None}
        try:
            self.send("open", number, "synthesize", header, window)
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
