"""What was spoken to its end is kept for a moment: for the client that did not get it, and asks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any, Final

from voicegw.services.casting import Cast
from voicegw.services.request import SpeechRequest
from voicegw.services.words import SpeechPart

_UNHEARD: Final = frozenset({"model", "extras", "request_id", "strict", "tries", "watch"})
"""What of a request says nothing about its answer: the names behind the first two are resolved by then."""

_PART_BYTES: Final = 100
_WORD_BYTES: Final = 300
"""What a part, and a word, takes in memory beside the bytes of audio: rounded up."""

_LARGEST: Final = 8
"""So many answers at least fit beside each other: a longer one is not kept."""


def result_key(
    request: SpeechRequest, casting: Cast, *, model: str, revision: str, parameters: Mapping[str, Any], lexicon: int
) -> bytes:
    """Hash everything that changes a byte or an event of an answer, and whose it is.

    Args:
        request: What was asked for.
        casting: Who speaks.
        model: Id of the model, never an alias.
        revision: Of the model, from its manifest.
        parameters: The model's own.
        lexicon: Edition of the lexicon; with ``request`` it decides which text is spoken.
    """
    asked = {each.name: getattr(request, each.name) for each in fields(request) if each.name not in _UNHEARD}
    same = (asked, model, revision, casting, sorted(parameters.items()), lexicon)
    return sha256(repr(same).encode()).digest()


class Result:
    """One answer, while it is made and afterwards; from :meth:`Results.take`.

    Attributes:
        parts: What it holds; empty once it is not kept any more.
        kept: Whether it is.
        nbytes: What it takes of the room.
        seconds: How long it lasts, once it is whole.
        wanted: Whether its client did not get it.
        until: Monotonic time from which on it is forgotten, once it is whole.
        tenant: Whose it is.
        key: Of what was asked for.
        size: How many bytes it has, where that was known when it began.
        warnings: What the client asked for and did not get.
    """

    def __init__(self, results: Results, tenant: str, key: bytes, *, repeats: bool) -> None:
        self.tenant = tenant
        self.key = key
        self.size: int | None = None
        self.warnings: tuple[str, ...] = ()
        self.parts: list[SpeechPart] = []
        self.kept = True
        self.nbytes = 0
        self.seconds: float | None = None
        self.wanted = False
        self.until = 0.0
        self._results = results
        self._repeats = repeats

    @property
    def whole(self) -> bool:
        """Whether it was made to its end."""
        return self.seconds is not None

    def add(self, part: SpeechPart) -> None:
        """Take the next part, while there is room."""
        if self.kept:
            self.parts.append(part)
            size = len(part) if isinstance(part, bytes) else _WORD_BYTES * len(part)
            self._results.grow(self, size + _PART_BYTES)

    def finish(self, seconds: float, size: int | None, warnings: tuple[str, ...]) -> None:
        """Say that this was all: from now on it can be found."""
        self.seconds, self.size, self.warnings = seconds, size, warnings
        if self.kept:
            self._results.shelve(self)

    def settle(self, *, delivered: bool) -> None:
        """Say whether the client got it, as far as can be told: sent, or its connection broke before.

        What was sent is still kept for a client that counts its tries, as OpenAI's do: the last kilobytes of an answer
        lie in buffers on the way when all of it is sent, and are lost where the connection breaks then.
        """
        if not (self.kept and self.whole):
            return
        if not delivered:
            self.wanted = True
            self._results.shelve(self)
        elif not self._repeats:
            self._results.drop(self)

    def discard(self) -> None:
        """Say that it will never be whole; of no effect on one that is."""
        if not self.whole:
            self._results.drop(self)


@dataclass(slots=True)
class _Share:
    """What one tenant has in the room, in order of its last use."""

    nbytes: int = 0
    results: dict[Result, None] = field(default_factory=dict)


class Results:
    """Answers of all tenants, in bounded room; those that are being made count as well.

    Where there is no room, the tenant that takes most of it loses what it has not used for longest, so that nobody's
    answers give way to those of another who takes more. For one event loop.

    Args:
        most_bytes: The room.
        keep_s: Seconds that an answer is kept once it is whole, or its connection broke.
        clock: Monotonic.
    """

    def __init__(self, most_bytes: int, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._keep_s = keep_s
        self._clock = clock
        self._shares: dict[str, _Share] = {}
        self._whole: dict[bytes, Result] = {}  # in order of their end
        self._timer: asyncio.TimerHandle | None = None
        self.nbytes = 0

    def take(self, tenant: str, key: bytes, tries: int | None) -> Result:
        """Give the whole answer to the same question, or an empty one that is to be filled.

        The kept one is given where its client did not get it, or says that it asks again. One that was sent, and is
        asked for as if for the first time, is forgotten: who has it wants another.

        Args:
            tenant: Who asks.
            key: From :func:`result_key`, so that it is no other tenant's.
            tries: How often the client has asked before; None where it does not say.
        """
        self._forget_old()
        kept = self._whole.get(key)
        if kept is not None and (kept.wanted or tries):
            kept.wanted = False
            results = self._shares[tenant].results
            results[kept] = results.pop(kept)
            return kept
        if kept is not None:
            self.drop(kept)
        return Result(self, tenant, key, repeats=tries is not None)

    def grow(self, result: Result, nbytes: int) -> None:
        """Count what a result takes, and make room for it: by itself, if need be."""
        share = self._shares.setdefault(result.tenant, _Share())
        share.results.setdefault(result)
        for each in (result, share, self):
            each.nbytes += nbytes
        if result.nbytes > self._most_bytes // _LARGEST:
            self.drop(result)
        while self.nbytes > self._most_bytes:
            largest = max(self._shares.values(), key=lambda each: (each.nbytes, each is share))
            self.drop(next(iter(largest.results)))

    def shelve(self, result: Result) -> None:
        """Let a result be found from now on, instead of an older one to the same question."""
        if (before := self._whole.pop(result.key, result)) is not result:
            self.drop(before)
        result.until = self._clock() + self._keep_s
        self._whole[result.key] = result
        if self._timer is None:
            self._forget_at(result.until)

    def drop(self, result: Result) -> None:
        """Give its room back; safe to call again."""
        result.kept = False
        if self._whole.get(result.key) is result:
            del self._whole[result.key]
        share = self._shares.get(result.tenant)
        if share is None or result not in share.results:
            return
        del share.results[result]
        for each in (share, self):
            each.nbytes -= result.nbytes
        if not share.results:
            del self._shares[result.tenant]
        result.parts = []  # another list: whoever sends them still holds this one

    def _forget_old(self) -> None:
        now = self._clock()
        while self._whole and (oldest := next(iter(self._whole.values()))).until <= now:
            self.drop(oldest)

    def _forget_at(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, until - self._clock()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._forget_old()
        if self._whole:
            self._forget_at(next(iter(self._whole.values())).until)
