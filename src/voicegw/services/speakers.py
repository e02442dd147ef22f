"""Who speaks, as a transcription uses it: what tells speakers apart hears all audio and is asked for each segment."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """A speaker with a name: ``recording`` is a file in which that person is heard, of any format."""

    name: str
    recording: bytes


class Diarization(Protocol):
    """One audio in which speakers are told apart."""

    async def hear(self, pcm: NDArray[np.int16]) -> None:
        """Take the next audio; all of it comes, in order, and a segment's before it is asked for."""
        ...

    async def speaker(self, start_s: float, end_s: float) -> str:
        """Name who speaks in a segment, which is later than all before: a known speaker, else ``A``, ``B``, ..."""
        ...


class Diarizer(Protocol):
    """Tells speakers apart."""

    def listen(self, sample_rate: int, known: tuple[KnownSpeaker, ...]) -> AbstractAsyncContextManager[Diarization]:
        """Begin with an audio; its end frees what is remembered of it."""
        ...
