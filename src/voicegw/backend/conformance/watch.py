"""Watches over the process: how long the event loop was held, and what an adapter left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

Census: TypeAlias = Mapping[str, Mapping[Any, str]]
"""What is alive, by kind: its identity and how a person would call it."""

_BEAT_S = 0.005


class Pulse:
    """Beats in the event loop; ``longest_s`` is the longest time in which it could not."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def beat(self) -> None:
        """Beat until cancelled."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - last - _BEAT_S)
            last = now


@asynccontextmanager
async def pulse() -> AsyncIterator[Pulse]:
    """Feel the pulse of the event loop while a block runs."""
    beats = Pulse()
    task = asyncio.create_task(beats.beat())
    try:
        await asyncio.sleep(0)
        yield beats
        await asyncio.sleep(_BEAT_S)  # the beat that is late now still counts
    finally:
        task.cancel()
        await asyncio.wait({task})


def census() -> Census:
    """Count what is alive: asyncio tasks, threads, child processes and descriptors, those that the system shows."""
    gc.collect()
    current = asyncio.current_task()
    tasks = {task: repr(task.get_coro()) for task in asyncio.all_tasks() if task is not current}
    # The loop's own pool for asyncio.to_thread lives as long as the loop.
    threads = {each: each.name for each in threading.enumerate() if not each.name.startswith("asyncio_")}
    alive: dict[str, Mapping[Any, str]] = {"task": tasks, "thread": threads, "descriptor": _descriptors()}
    return alive | {"process": _children()} if sys.platform.startswith("linux") else alive


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
