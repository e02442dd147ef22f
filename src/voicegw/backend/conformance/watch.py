"""Watches over the process: how long the event loop was held, and what an adapter left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

Census: TypeAlias = Mapping[str, Mapping[Any, str]]
"""What is alive, by kind: its identity and how a person would call it."""

_BEAT_S = 0.005


class Pulse:
    """Beats in the event loop while a block runs; ``longest_s`` is the longest time in which it could not."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._task is not None:
            await asyncio.sleep(0)  # the beat that is late now still counts
            await asyncio.sleep(_BEAT_S)
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _beat(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - last - _BEAT_S)
            last = now


def census() -> Census:
    """Count what is alive: asyncio tasks, threads, child processes and descriptors, those that the system shows."""
    gc.collect()
    current = asyncio.current_task()
    tasks = {task: repr(task.get_coro()) for task in asyncio.all_tasks() if task is not current}
    # The loop's own pool for asyncio.to_thread lives as long as the loop.
    threads = {each: each.name for each in threading.enumerate() if not each.name.startswith("asyncio_")}
    return {"task": tasks, "thread": threads, "process": _children(), "descriptor": _descriptors()}


async def left_behind(before: Census, within_s: float, now: Callable[[], Census] = census) -> dict[str, list[str]]:
    """Tell what lives that did not before, by kind, once nothing does or the time is up."""
    until = time.monotonic() + within_s
    left = _new(before, now())
    while any(left.values()) and time.monotonic() < until:
        await asyncio.sleep(0.02)
        left = _new(before, now())
    return left


def _new(before: Census, after: Census) -> dict[str, list[str]]:
    found = {kind: [name for key, name in after[kind].items() if key not in before[kind]] for kind in after}
    # Numbers of descriptors are used again: what counts is how many there are.
    grown = len(after["descriptor"]) - len(before["descriptor"])
    found["descriptor"] = found["descriptor"] if grown > 0 else []
    return found


def _children() -> dict[int, str]:
    if not sys.platform.startswith("linux"):
        return {}
    me = os.getpid()
    return {pid: name for pid, parent, name in _processes() if parent == me}


def _processes() -> Iterable[tuple[int, int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):  # it ended meanwhile
            name, _, rest = (entry / "stat").read_text("utf-8", "replace").partition("(")[2].rpartition(")")
            yield int(entry.name), int(rest.split()[1]), name


def _descriptors() -> dict[int, str]:
    folder = Path("/proc/self/fd" if sys.platform.startswith("linux") else "/dev/fd")
    found = {}
    for entry in folder.iterdir():
        with suppress(OSError):  # the one by which the folder was listed is closed again
            os.fstat(int(entry.name))
            found[int(entry.name)] = f"descriptor {entry.name}"
            found[int(entry.name)] = str(entry.readlink())  # not everywhere is this a link
    return found
