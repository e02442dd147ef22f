"""Uploads on their way: a file is held in memory until it is whole, within what all requests together may hold."""

from __future__ import annotations

from collections import deque
from typing import Final, Self

from voicegw.errors import TooLarge, Unavailable

_GIVEN_BYTES: Final = 64 * 1024
"""At least so much is given at a time, for each piece that goes on has its cost."""

_RETRY_S: Final = 2.0
"""Nobody knows how fast others send; this is about the time that a decoder takes for what is held."""


class UploadSpace:
    """The memory for uploads of one process.

    Args:
        most: Bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> None:
        """Take some.

        Raises:
            Unavailable: There is not so much left.
        """
        if self.held + size > self._most:
            raise Unavailable(
                "Too many uploads are under way; send this one again in a moment.",
                code="uploads_full",
                retry_after_s=_RETRY_S,
            )
        self.held += size

    def give_back(self, size: int) -> None:
        """Give some back."""
        self.held -= size


class Upload:
    """One file: put together piece by piece, then taken apart by whoever iterates it. Use it in a ``with`` block.

    Args:
        space: Where its bytes are counted.
        most: Bytes that it may have.

    Attributes:
        size: Bytes that came.
    """

    def __init__(self, space: UploadSpace, most: int) -> None:
        self.size = 0
        self._space = space
        self._most = most
        self._pieces: deque[bytes] = deque()
        self._counted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Forget what is held."""
        self._pieces.clear()
        self._space.give_back(self._counted)
        self._counted = 0

    def count(self, size: int) -> None:
        """Count what is held beside the file for the same request.

        Raises:
            Unavailable: See :meth:`UploadSpace.take`.
        """
        self._space.take(size)
        self._counted += size

    def put(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            TooLarge: The file is over its limit.
            Unavailable: See :meth:`UploadSpace.take`.
        """
        self.size += len(piece)
        if self.size > self._most:
            raise TooLarge(f"Maximum content size limit ({self._most}) exceeded ({self.size} bytes read)")
        self.count(len(piece))
        self._pieces.append(piece)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        taken, size = [], 0
        while self._pieces and size < _GIVEN_BYTES:
            taken.append(self._pieces.popleft())
            size += len(taken[-1])
        self._counted -= size
        self._space.give_back(size)
        return b"".join(taken)
