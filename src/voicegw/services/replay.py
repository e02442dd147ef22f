"""Speech that was made before and did not arrive, given once more without the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from voicegw.services.request import SpeechRequest
from voicegw.services.results import Result
from voicegw.services.speaking import Speech
from voicegw.services.words import SpeechPart


class Replay(Speech):
    """A kept answer, part for part as it was the first time.

    Args:
        result: What is kept.
        request: What is asked for; the same as then.
        model: Id of the model that spoke.
        voice: Its voice.
        ignored: Names of the extras that have no effect.
    """

    repeated = True
    keepable = True  # there is nothing left to make

    def __init__(
        self, result: Result, request: SpeechRequest, *, model: str, voice: str | None, ignored: tuple[str, ...]
    ) -> None:
        super().__init__(
            model,
            voice,
            target=request.format,
            sample_rate=request.sample_rate,
            warnings=result.warnings,
            ignored=ignored,
        )
        self.seconds = result.seconds or 0.0
        self.size = result.size
        self._result = result
        self._parts = result.parts  # held here too: the result may have to make room meanwhile

    async def parts(self) -> AsyncGenerator[SpeechPart, None]:
        """See :meth:`Speech.parts`."""
        for part in self._parts:
            yield part

    def settle(self, *, delivered: bool) -> None:
        """See :meth:`Speech.settle`."""
        self._result.settle(delivered=delivered)

    async def aclose(self) -> None:
        """Have nothing to stop."""
