"""Runs a request's audio pipeline beside the event loop, slice by slice, on threads that all requests share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voicegw.audio.pipeline import AudioPipeline


def encoding_threads(count: int | None = None) -> ThreadPoolExecutor:
    """Make the threads that encode for all requests of a process: as many as cores, 4 at most, unless told.

    More would only take the interpreter's lock from the event loop. No queue grows before them: every request has at
    most one slice there.
    """
    return ThreadPoolExecutor(count or min(4, os.cpu_count() or 1), thread_name_prefix="voicegw-encode")


class OffLoop:
    """One request's pipeline, for one task that iterates; close it, or use it with ``with``.

    The event loop waits for nothing longer than a copy: slices of at most 100 ms go to a thread one after another.
    Uncompressed formats at normal speed stay on the loop, where 100 ms take 5 us, 30 us if the rate changes; a hop to a
    thread and back costs 25 to 35 us.
    Cancelling the task is safe at any time, and leaves the pipeline fit for :meth:`close` only.

    Args:
        pipeline: Belongs to this object from now on.
        threads: From :func:`encoding_threads`; shared.
    """

    def __init__(self, pipeline: AudioPipeline, threads: Executor) -> None:
        self.pipeline = pipeline
        self._threads = threads
        self._running: Future[bytes] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def slices(self, pcm: NDArray[np.int16]) -> Sequence[NDArray[np.int16]]:
        """Cut mono samples of shape (n,) at the source rate into what is to be pushed one after another.

        That is a second of what stays on the loop: cut smaller, it would take more system calls to send.
        """
        step = self.pipeline.slice_samples * (10 if self.pipeline.trivial else 1)
        return (pcm,) if 0 < len(pcm) <= step else [pcm[start : start + step] for start in range(0, len(pcm), step)]

    async def push(self, pcm: NDArray[np.int16]) -> bytes:
        """Take one slice and give the bytes that are ready, b"" if none are."""
        if self.pipeline.trivial:
            return self.pipeline.push(pcm)
        return await self._run(self.pipeline.push, pcm)

    def seam(self) -> None:
        """See :meth:`AudioPipeline.seam`; between two pushes only."""
        self._refuse_overlap()
        self.pipeline.seam()

    async def settle(self) -> bytes:
        """See :meth:`AudioPipeline.settle`."""
        return await self._run(self.pipeline.settle)

    async def finish(self) -> bytes:
        """See :meth:`AudioPipeline.finish`."""
        return await self._run(self.pipeline.finish)

    def close(self) -> None:
        """Free the codec, after the slice that a thread may be working on; returns at once. Any number of times."""
        closed, self._closed = self._closed, True
        if closed:
            return
        if self._running is None:
            self.pipeline.close()
        else:
            self._running.add_done_callback(lambda _: self.pipeline.close())

    async def _run(self, step: Callable[..., bytes], *pcm: NDArray[np.int16]) -> bytes:
        self._refuse_overlap()
        if self.pipeline.trivial:
            return step(*pcm)
        self._running = self._threads.submit(step, *pcm)
        # Cancelled while the slice waits for a thread, it never runs; while it runs, it runs to its end.
        return await asyncio.wrap_future(self._running)

    def _refuse_overlap(self) -> None:
        if self._running is not None and not self._running.done():
            raise RuntimeError("The pipeline is still at work on a slice of this request.")
