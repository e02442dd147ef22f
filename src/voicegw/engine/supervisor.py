"""Keeps the workers of all models: one place per worker, one pool per model, all ended together."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from voicegw.engine.place import Worker
from voicegw.engine.pool import ModelPool
from voicegw.engine.spec import EngineLimits, ModelSpec

SOCKET_PATH = 100
"""Characters that the path of a unix socket may have everywhere: the kernels take 104 (macOS) or 108 (Linux)."""

_NAME_ROOM = 20


def make_run_dir() -> Path:
    """Make a folder of our own for the sockets: in the usual place, or in /tmp where that one's path is too long."""
    usual = tempfile.mkdtemp(prefix="voicegw-")
    if len(os.fsencode(usual)) + _NAME_ROOM <= SOCKET_PATH:
        return Path(usual)
    shutil.rmtree(usual, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="voicegw-", dir="/tmp"))


class Engine:
    """All models of the configuration: their worker processes and pools.

    Args:
        models: What to run; ids are unique.
        limits: Bounds for all of them.
        log_requests: Whether workers log every utterance.
    """

    def __init__(self, models: Sequence[ModelSpec], limits: EngineLimits, *, log_requests: bool = True) -> None:
        self._limits = limits
        self._log_requests = log_requests
        self._run_dir: Path | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.pools: dict[str, ModelPool] = {spec.id: ModelPool(spec, limits) for spec in models}

    async def start(self) -> None:
        """Start every worker; loading goes on in the background."""
        self._run_dir = make_run_dir()
        places = itertools.count()
        for pool in self.pools.values():
            for device in pool.spec.devices or (None,):
                for _ in range(pool.spec.workers):
                    worker = Worker(
                        pool.spec,
                        device=device,
                        name=f"w{next(places)}",
                        limits=self._limits,
                        run_dir=self._run_dir,
                        on_change=pool.changed,
                        log_requests=self._log_requests,
                    )
                    pool.add(worker)
                    self._tasks.append(asyncio.create_task(worker.run(), name=f"worker {worker.name}"))

    async def close(self) -> None:
        """End every worker process and wait until all are gone; safe to call again."""
        tasks, self._tasks = self._tasks, []
        for pool in self.pools.values():
            pool.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._run_dir is not None:
            shutil.rmtree(self._run_dir, ignore_errors=True)
            self._run_dir = None

    def active_streams(self) -> int:
        """Count the utterances that are under way in all models."""
        return sum(pool.in_flight for pool in self.pools.values())
