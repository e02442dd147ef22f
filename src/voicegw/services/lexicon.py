"""The lexicon that is in force: read again when its file has changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple, TypeAlias

import structlog

from voicegw.text.lexicon import Lexicon

_LOOK_S = 1.0
"""Seconds between two looks at the file: a request pays for one, some microseconds."""

_log = structlog.get_logger("voicegw.lexicon")


_Stamp: TypeAlias = tuple[int, int, int] | None
"""By which a change is seen: time, size and number of the file; None where there is none."""


class Edition(NamedTuple):
    """A lexicon, and a number that no other one has had."""

    lexicon: Lexicon | None = None
    number: int = 0


class LexiconFile:
    """The lexicon of a file, as the file is now.

    Args:
        path: Of JSON or YAML; see :meth:`voicegw.text.lexicon.Lexicon.load`.
        clock: Monotonic.

    Raises:
        ValueError: The file cannot be read, or is not valid; the message names it, and the entry.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._look_at = clock() + _LOOK_S
        self._stamp = self._stamped()
        self._edition = Edition(self._read(), 1)

    async def current(self, threads: Executor) -> Edition:
        """Give what the file holds; where it has changed and is not valid, that is logged and the one before stays.

        Whoever comes first after a change waits while it is read in a thread, others get the one before meanwhile.
        """
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + _LOOK_S
            stamp = self._stamped()
            if stamp != self._stamp:
                await asyncio.get_running_loop().run_in_executor(threads, self._read_again, stamp)
        return self._edition

    def _read_again(self, stamp: _Stamp) -> None:
        """Take what the file holds, in a thread; where who waits is cancelled before it begins, the next one comes."""
        self._stamp = stamp
        try:
            self._edition = Edition(self._read(), self._edition.number + 1)
        except ValueError as error:
            _log.error("lexicon_not_read", reason=str(error), in_force="the one before")
        else:
            _log.info("lexicon_read", file=str(self._path))

    def _read(self) -> Lexicon:
        try:
            return Lexicon.load(self._path)
        except OSError as error:
            raise ValueError(f"The lexicon {self._path} cannot be read: {error.strerror}.") from error

    def _stamped(self) -> _Stamp:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
