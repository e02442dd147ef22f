"""When a worker has served long enough: after so many requests, or once it keeps too much memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from voicegw.engine.link import Link
from voicegw.engine.process import WorkerProcess
from voicegw.engine.spec import ModelSpec


class Wear:
    """How much of a worker's life is used up.

    Args:
        spec: Whose ``renew_after`` and ``renew_growth_bytes`` say how long a life is.
        process: The worker.
        link: The connection to it.
    """

    def __init__(self, spec: ModelSpec, process: WorkerProcess, link: Link) -> None:
        self._spec = spec
        self._process = process
        self._link = link
        self._fresh_bytes: int | None = None

    def over(self) -> bool:
        """Tell whether the worker, which is ready, should be replaced. The first time it is asked is its youth."""
        most = self._spec.renew_after
        return (most is not None and self._link.opened >= most) or self._grown()

    def _grown(self) -> bool:
        most = self._spec.renew_growth_bytes
        if most is None:
            return False
        taken = resident_bytes(self._process.pid)
        if self._fresh_bytes is None:
            self._fresh_bytes = taken
        return taken - self._fresh_bytes > most


def resident_bytes(pid: int) -> int:
    """Give the memory that a process has in use, in bytes; 0 where this system does not tell."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
