"""What one key may use: requests at the same time, and requests per minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from voicegw.errors import Overloaded

_SECOND_MS: Final = 1000
_RETRY_S: Final = 1.0
"""Nobody knows when one of the requests under way ends; this is the shortest wait that clients are told."""


class Allowance:
    """The use that one key makes of what it is granted, counted in this process.

    Args:
        concurrent: Requests at the same time; None = any number.
        per_minute: Requests that may begin within any 60 seconds; None = any number.
    """

    def __init__(self, concurrent: int | None, per_minute: int | None) -> None:
        self._concurrent = concurrent
        self._live = 0
        self._rate = _Rate(per_minute) if per_minute is not None else None

    def enter(self) -> None:
        """Count a request in; what is refused counts for nothing.

        Raises:
            Overloaded: One of the two is used up.
        """
        if self._concurrent is not None and self._live >= self._concurrent:
            raise Overloaded(
                f"This key has {self._live} requests under way, at most {self._concurrent} are allowed.",
                code="concurrency_limit_exceeded",
                retry_after_s=_RETRY_S,
            )
        if self._rate is not None:
            self._rate.take()
        self._live += 1

    def leave(self) -> None:
        """Count a request out."""
        self._live -= 1

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Give the headers that tell the key's owner how much is left; none for what is not limited."""
        if self._rate is not None:
            yield from self._rate.headers()
        if self._concurrent is not None:
            yield b"current-concurrent-requests", b"%d" % self._live
            yield b"maximum-concurrent-requests", b"%d" % self._concurrent


class _Rate:
    """Requests within the last 60 seconds."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def take(self) -> None:
        """Take one.

        Raises:
            Overloaded: All are taken; says when the next one is free.
        """
        if not self._window.hit(self._limit):
            raise Overloaded(
                f"Rate limit reached for this key: {self._limit.amount} requests per minute.",
                code="rate_limit_exceeded",
                retry_after_s=self._left()[0],
            )

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Give OpenAI's headers; ``reset`` is the time until the oldest request counts no more."""
        reset_s, remaining = self._left()
        yield b"x-ratelimit-limit-requests", b"%d" % self._limit.amount
        yield b"x-ratelimit-remaining-requests", b"%d" % remaining
        yield b"x-ratelimit-reset-requests", duration(reset_s).encode()

    def _left(self) -> tuple[float, int]:
        stats = self._window.get_window_stats(self._limit)
        return max(0.0, stats.reset_time - time.time()), stats.remaining


def duration(seconds: float) -> str:
    """Write a time as OpenAI's headers have it: ``20ms``, ``1.2s``."""
    milliseconds = round(1000 * seconds)
    return f"{milliseconds}ms" if milliseconds < _SECOND_MS else f"{seconds:.3g}s"
