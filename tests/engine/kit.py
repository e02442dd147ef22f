"""What the engine's tests share: scripted models, engines that end, raw peers on the wire."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, Priority, RequestMeta, SpeechEvent, Utterance, Voice, VoiceSample
from voicegw.engine import wire
from voicegw.engine.pool import ModelPool
from voicegw.engine.process import WorkerProcess, worker_config
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.engine.supervisor import Engine

ADAPTERS = Path(__file__).parents[1] / "support" / "adapters"
GUARD_S = 30.0
"""Guards against a test that hangs; nothing takes that long."""

LIMITS = EngineLimits(ping_s=0.1, restart_base_s=0.01, restart_max_s=0.3, crashes=50)
"""The default limits, with fast pings and restarts and a circuit breaker that stays closed."""


def spec(model: str = "m", **fields: Any) -> ModelSpec:
    """Give a model of the scripted backend; what :class:`ModelSpec` does not have goes to the adapter."""
    own = {name: fields.pop(name) for name in list(fields) if name in ModelSpec.__slots__}
    return ModelSpec(model, "scripted", parameters=fields, **own)


def say(
    text: str = "hello",
    *,
    request: str = "r",
    tenant: str = "",
    within_s: float = GUARD_S,
    priority: Priority = Priority.INTERACTIVE,
    words: bool = False,
    **parameters: Any,
) -> Utterance:
    """Give an utterance; what is not named here tells the scripted backend what to do."""
    meta = RequestMeta(request, tenant, priority, within_s)
    return Utterance(meta, text, parameters=parameters, words=words)


def voice(samples: int = 1000, value: float = 0.25) -> Voice:
    """Give a voice of one sample."""
    return Voice.of(VoiceSample(np.full(samples, value, np.float32), 24000, "what is said", "en"))


def audio(events: list[SpeechEvent]) -> NDArray[np.int16]:
    """Give the audio of a stream of events."""
    chunks = [np.asarray(e.pcm, np.int16) for e in events if isinstance(e, AudioChunk)]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int16)


async def speak(pool: ModelPool, utterance: Utterance, who: Voice | None = None) -> list[SpeechEvent]:
    """Speak to the end and give all events."""
    async with asyncio.timeout(GUARD_S), aclosing(pool.synthesize(utterance, who)) as events:
        return [event async for event in events]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(GUARD_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is another process's doing
            await asyncio.sleep(0.005)


OURS: set[int] = set()
"""Process ids of the workers that were started from the tests' own thread; gateways of other tests run in others."""


def children() -> list[psutil.Process]:
    """Give the worker processes that are alive, those of this test's own engines."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it ended meanwhile
            found += [child] if child.pid in OURS and "voicegw.engine.worker" in child.cmdline() else []
    return found


def loads(mark: Path) -> list[int]:
    """Give the process ids that loaded the model, in order."""
    return [int(line) for line in mark.read_text().split()] if mark.exists() else []


@asynccontextmanager
async def running(*specs: ModelSpec, limits: EngineLimits = LIMITS, ready: bool = True) -> AsyncIterator[Engine]:
    """Run an engine while the block runs, by default once all its preloaded models are ready."""
    engine = Engine(specs, limits)
    await engine.start()
    try:
        if ready:
            for pool in engine.pools.values():
                await until(lambda pool=pool: all(w.state is ModelState.READY for w in pool.workers))  # type: ignore[misc]  # mypy types no default
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def one_model(limits: EngineLimits = LIMITS, *, ready: bool = True, **fields: Any) -> AsyncIterator[ModelPool]:
    """Run an engine with one scripted model and give its pool."""
    async with running(spec(**fields), limits=limits, ready=ready) as engine:
        yield engine.pools["m"]


class Peer:
    """A bare end of the wire: what it receives can be looked at frame by frame."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[wire.Frame] = asyncio.Queue()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.made = asyncio.Event()
        self.connection = wire.Connection(self.frames.put_nowait, self.lost.set_result, lambda _c: self.made.set())

    def send(self, *frame: Any) -> None:
        """Send a frame."""
        self.connection.send(frame)

    async def get(self, *names: str) -> wire.Frame:
        """Give the next frame of one of these names, passing over others."""
        async with asyncio.timeout(GUARD_S):
            while True:
                frame = await self.frames.get()
                if frame[0] in names:
                    return frame

    def open(self, number: int, utterance: Utterance, key: str | None = None, credit: int = 2**20) -> None:
        """Open a stream of speech."""
        header = {"request": plain_utterance(utterance), "voice_key": key}
        self.send("open", number, "synthesize", header, credit)

    async def status(self) -> dict[str, Any]:
        """Ask how the worker is."""
        self.send("ping", 0)
        fields: dict[str, Any] = (await self.get("pong"))[2]
        return fields

    async def idle(self) -> dict[str, Any]:
        """Wait until the worker runs nothing and nothing waits; give its status."""
        deadline = time.monotonic() + GUARD_S
        while (status := await self.status())["running"] or status["waiting"]:
            assert time.monotonic() < deadline, status
        return status


def plain_utterance(utterance: Utterance) -> dict[str, Any]:
    """Give an utterance as it goes over the wire."""
    from voicegw.engine import codec

    fields: dict[str, Any] = codec.plain(utterance)
    return fields


@asynccontextmanager
async def bare_worker(
    limits: EngineLimits = LIMITS, *, gateways: int = 1, loaded: bool = True, **fields: Any
) -> AsyncIterator[list[Peer]]:
    """Run a worker without a pool while the block runs, and give the gateways' ends of connections to it."""
    with tempfile.TemporaryDirectory(prefix="vgw") as folder:
        address = f"unix://{folder}/w"
        config = worker_config(spec(**fields), None, address, limits, load=True, log_requests=True)
        process = await WorkerProcess.start(config, None, Path(folder))
        peers = [Peer() for _ in range(gateways)]
        try:
            for peer in peers:
                await wire.connect(address, peer.connection)
                while loaded and (await peer.get("hello", "status"))[1]["state"] in ("described", "loading"):
                    pass
            yield peers
        finally:
            for peer in peers:
                peer.connection.close()
            await process.stop()


async def ended(peer: Peer, number: int) -> tuple[bytes, dict[str, Any]]:
    """Take frames until a stream's last one; give its audio and the fields of the last."""
    audio = b""
    while (frame := await peer.get("event", "done", "error"))[0] == "event" or frame[1] != number:
        if frame[1] == number and frame[2] == "audio":
            audio += frame[4]
    return audio, frame[2]


@asynccontextmanager
async def listening(*kinds: str) -> AsyncIterator[tuple[str, list[Peer]]]:
    """Listen at a unix address, or with ``tcp`` at a TCP one; give the address and the list of whoever connects."""
    peers: list[Peer] = []

    def accept() -> wire.Connection:
        peers.append(Peer())
        return peers[-1].connection

    with tempfile.TemporaryDirectory(prefix="vgw") as folder:
        address = "tcp://127.0.0.1:0" if "tcp" in kinds else f"unix://{folder}/s"
        server = await wire.listen(address, accept)
        if "tcp" in kinds:
            address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield address, peers
        finally:
            server.close()
            for peer in peers:
                peer.connection.abort()
            await asyncio.sleep(0)
