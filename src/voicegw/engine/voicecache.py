"""A worker's memory of prepared voices: byte budget, least recently used first out, pinned in use, single flight."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from voicegw.backend import Prepared, Voice


@dataclass(slots=True)
class _Entry:
    prepared: Prepared[Any]
    pins: int = 0


class VoiceCache:
    """Prepared voices by key.

    Args:
        prepare: The adapter's ``prepare``.
        budget: Bytes of prepared voices that are kept; voices in use may exceed it until they are let go.
    """

    def __init__(self, prepare: Callable[[Voice], Awaitable[Prepared[Any]]], budget: int) -> None:
        self._prepare = prepare
        self._budget = budget
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._flights: dict[str, asyncio.Future[None]] = {}
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @asynccontextmanager
    async def pinned(self, key: str, fetch: Callable[[], Awaitable[Voice]]) -> AsyncIterator[Any]:
        """Give the prepared voice and keep it until the block ends.

        Args:
            key: :attr:`Voice.key`.
            fetch: Brings the samples; awaited by one caller at a time, only when the voice is not here.

        Raises:
            Exception: What ``fetch`` or ``prepare`` raised, to everyone who waited for it.
        """
        entry = await self._get(key, fetch)
        entry.pins += 1
        try:
            yield entry.prepared.value
        finally:
            entry.pins -= 1
            self._evict()

    def forget(self, key: str) -> None:
        """Drop a voice, be it still on its way; requests that speak with it now keep it."""
        self._flights.pop(key, None)
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.nbytes -= entry.prepared.nbytes

    async def _get(self, key: str, fetch: Callable[[], Awaitable[Voice]]) -> _Entry:
        while True:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                return entry
            flight = self._flights.get(key)
            if flight is None:
                return await self._fly(key, fetch)
            await asyncio.shield(flight)

    async def _fly(self, key: str, fetch: Callable[[], Awaitable[Voice]]) -> _Entry:
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            prepared = await self._prepare(await fetch())
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # read, so that no warning comes when nobody else waited
            raise
        finally:
            wanted = self._flights.get(key) is flight  # nobody said meanwhile to forget it
            if wanted:
                del self._flights[key]
            if not flight.done():  # success, or the leader was cancelled and another takes over
                flight.set_result(None)
        if not wanted:
            return _Entry(prepared)
        entry = self._entries[key] = _Entry(prepared)
        self.nbytes += prepared.nbytes
        entry.pins += 1
        try:
            self._evict()
        finally:
            entry.pins -= 1
        return entry

    def _evict(self) -> None:
        if self.nbytes <= self._budget:
            return
        for key in [k for k, e in self._entries.items() if not e.pins]:
            self.forget(key)
            if self.nbytes <= self._budget:
                return
