"""One supervised place for a worker process: starts it, pings it, replaces it dead or hung, unloads it when idle."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from voicegw.backend import ModelInfo
from voicegw.engine.link import Link, WorkerStatus
from voicegw.engine.process import WorkerProcess, worker_config
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.engine.wear import Wear
from voicegw.errors import Unavailable

log = structlog.get_logger("voicegw.engine")

SECOND_LOOK_S = 0.1
"""Pause before a worker's silence is looked at again: a gateway that was itself held up reads its answers first."""

RENEW_S = 0.05
"""Pause between two looks at whether a worker that is to be renewed has nothing to do any more."""


@dataclass(slots=True)
class CrashHistory:
    """Back-off and circuit breaker of one worker.

    Attributes:
        limits: Where ``restart_base_s``, ``restart_max_s``, ``crashes`` and ``crash_window_s`` come from.
        times: Crashes within the window.
        in_a_row: Failures since the model was last ready, however long each took: loading may fail slowly.
    """

    limits: EngineLimits
    times: deque[float] = field(default_factory=deque)
    in_a_row: int = 0

    def settled(self) -> None:
        """Note that the model is ready."""
        self.in_a_row = 0

    def crashed(self, now: float) -> tuple[float, bool]:
        """Note a crash; give the seconds to wait before a restart, and whether the circuit is open until then."""
        limits = self.limits
        self.times.append(now)
        while self.times[0] < now - limits.crash_window_s:
            self.times.popleft()
        self.in_a_row += 1
        count = max(len(self.times), self.in_a_row)
        if count >= limits.crashes:
            return limits.restart_max_s, True
        return min(limits.restart_max_s, limits.restart_base_s * 2 ** (count - 1)), False


class Worker:
    """One supervised place for a worker process: the process changes, the place stays.

    Args:
        spec: The model.
        device: What the adapter is given as ``device``.
        name: Unique within the engine; for logs and voice affinity.
        limits: The engine's bounds.
        run_dir: Folder of the sockets.
        on_change: Called when the state changes.
        log_requests: Whether the worker logs every utterance.

    Attributes:
        restarts: How often a process was started in the place of one that failed.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        device: str | None,
        name: str,
        limits: EngineLimits,
        run_dir: Path,
        on_change: Callable[[], None],
        log_requests: bool,
    ) -> None:
        self.spec = spec
        self.name = name
        self.state = ModelState.DECLARED
        self.detail = ""
        self.info: ModelInfo | None = None
        self.link: Link | None = None
        self.retry_at: float | None = None
        self.restarts = 0
        self._device = device
        self._limits = limits
        self._run_dir = run_dir
        self._on_change = on_change
        self._log_requests = log_requests
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._crashes = CrashHistory(limits)
        self._idle_since = time.monotonic()
        self._generation = itertools.count()
        self._worn = False
        self._spent = False

    @property
    def status(self) -> WorkerStatus:
        """What the worker last said of itself."""
        return self.link.status if self.link is not None else WorkerStatus()

    @property
    def serving(self) -> Link | None:
        """The link, if it can serve at this moment."""
        connected = self.link is not None and self.link.connection.connected
        return self.link if connected and self.state is ModelState.READY else None

    def wake(self) -> None:
        """Ask for the model to be loaded, if it is not."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep the place occupied until cancelled."""
        if self.spec.preload:
            self._wanted.set()
        while self.info is None and not self.spec.preload:
            await self._live(load=False)
        while True:
            await self._wanted.wait()
            await self._live(load=True)

    async def _live(self, *, load: bool) -> None:
        """One life of a process, from its start to its end, and the pause that its end calls for."""
        self._worn = self._spent = False
        try:
            failure = await self._life(load=load)
        except Exception as error:  # noqa: BLE001 - whatever ends a process, its place stays and tries again
            failure = f"the worker could not be run: {type(error).__name__}: {error}"
        if self._renewed(failure):
            return
        if failure is None:
            self._wanted.clear()
            self._set(ModelState.UNLOADED if load else ModelState.DESCRIBED, "")
            return
        now = time.monotonic()
        pause, broken = self._crashes.crashed(now)
        log.error("worker_failed", model=self.spec.id, worker=self.name, why=failure, restart_in_s=pause)
        self.retry_at = now + pause
        self._set(ModelState.FAILED if broken or self.state is ModelState.FAILED else ModelState.LOADING, failure)
        await asyncio.sleep(pause)
        self.retry_at = None
        self.restarts += 1

    def _renewed(self, failure: str | None) -> bool:
        """Tell whether the end of a process was in the nature of its work, so that the next one starts at once."""
        if not self._worn and not (self._spent and failure):
            return False
        tell = log.warning if failure else log.info
        tell("worker_renewed", model=self.spec.id, worker=self.name, why=failure or "worn")
        self._set(ModelState.LOADING, failure or "")
        self.restarts += failure is not None
        return True

    async def _life(self, *, load: bool) -> str | None:
        """Give why the process failed, or None when it was ended on purpose."""
        socket = self._run_dir / f"{self.name}.{next(self._generation)}"
        address = f"unix://{socket}"
        config = worker_config(
            self.spec, self._device, address, self._limits, load=load, log_requests=self._log_requests
        )
        if load and self.state is not ModelState.FAILED:
            self._set(ModelState.LOADING, "starting")
        try:
            process = await WorkerProcess.start(config, self.spec.python, self._run_dir)
        except Unavailable as error:
            return error.message
        link = Link(address, self._updated, self._changed.set)
        try:
            async with asyncio.timeout(self._limits.load_s):  # an adapter that loads in the event loop greets late
                await link.connect()
                await link.greeted.wait()
            if not link.connection.connected:
                return f"the worker died{link.fault}"
            return await self._watch(process, link) if load else self._described(link)
        except TimeoutError:
            await process.dump_and_kill()
            return f"the worker said nothing within {self._limits.load_s:g} s"
        except OSError as error:
            return f"the worker cannot be reached: {error}"
        finally:
            self.link = None
            self._spent = self.spec.expendable and link.opened > 0  # its clients may be gone before it dies of them
            link.close()
            await _to_the_end(process.stop())
            socket.unlink(missing_ok=True)

    def _described(self, link: Link) -> str | None:
        self._take_info(link)
        if self.info is not None:
            self._crashes.settled()
            return None
        self._set(ModelState.FAILED, link.status.detail)
        return link.status.detail

    def _take_info(self, link: Link) -> None:
        if link.info is not None:
            self.info = link.info

    async def _watch(self, process: WorkerProcess, link: Link) -> str | None:
        """Look after a process until it dies, hangs, fails to load, is worn or has been idle for long enough."""
        limits, wear = self._limits, Wear(self.spec, process, link)
        self.link = link
        self._updated()
        began = self._idle_since = time.monotonic()
        tick = min(limits.ping_s, self.spec.idle_unload_s or limits.ping_s)
        while link.connection.connected:
            self._changed.clear()
            if self.state is ModelState.FAILED:
                return self.detail
            now = time.monotonic()
            loading = self.state is ModelState.LOADING
            if await self._silent(link) or (loading and now - began > limits.load_s):
                await process.dump_and_kill()
                return f"loading took over {limits.load_s:g} s" if loading else "the worker hung and was replaced"
            if self._retired(link, wear, now):
                return None
            link.ping(now)
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S if self._worn else tick):
                    await self._changed.wait()
        return f"the worker died{link.fault}{await process.death()}"

    def _retired(self, link: Link, wear: Wear, now: float) -> bool:
        """Tell whether the process may end: idle for long enough, or worn, with nothing to do; it gets no work then."""
        if self._idle(link, now):
            self._set(ModelState.DRAINING, "idle")
            return True
        if self.state is ModelState.READY and wear.over():
            self._worn = True
            self._set(ModelState.DRAINING, "worn")
        return self._worn and not link.load

    async def _silent(self, link: Link) -> bool:
        most = self._limits.load_s if self.state is ModelState.LOADING else self._limits.hang_s
        if link.silent_s(time.monotonic()) <= most:
            return False
        await asyncio.sleep(SECOND_LOOK_S)
        return link.connection.connected and link.silent_s(time.monotonic()) > most

    def _idle(self, link: Link, now: float) -> bool:
        if link.load or self.state is not ModelState.READY:
            self._idle_since = now
        self._idle_since = max(self._idle_since, link.used_at)
        return self.spec.idle_unload_s is not None and now - self._idle_since >= self.spec.idle_unload_s

    def _updated(self) -> None:
        """Take over what the worker said."""
        if self.link is None:
            return
        self._take_info(self.link)
        status = self.link.status
        if not self._worn and (status.state, status.detail) != (self.state, self.detail):
            self._set(status.state, status.detail)
        if status.state is ModelState.READY:
            self._crashes.settled()
        if status.state is ModelState.FAILED:
            self._changed.set()

    def _set(self, state: ModelState, detail: str) -> None:
        if state is not self.state:
            log.info("worker_state", model=self.spec.id, worker=self.name, state=state.value, detail=detail)
        self.state, self.detail = state, detail
        self._on_change()


async def _to_the_end(work: Coroutine[None, None, None]) -> None:
    """Wait for work that must not be cut short; who is cancelled meanwhile is so once it is done."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
