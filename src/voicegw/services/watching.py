"""What a speech tells of itself while it goes on, to whoever watches: nothing here knows who that is."""

from __future__ import annotations

from typing import Protocol


class SpeechWatch(Protocol):
    """Is told how one speech fares. What it does must be quick, and must not fail."""

    def asked(self, model: str, characters: int) -> None:
        """Take note of the id of the model that is to speak, and of the length of the text."""
        ...

    def admitted(self, waited_s: float) -> None:
        """Take note that the first utterance has a slot, after so many seconds in the worker's queue."""
        ...

    def heard(self) -> None:
        """Take note that the first audio exists, in the format asked for; said by whoever sends it."""
        ...

    def made(self, audio_s: float, took_s: float | None) -> None:
        """Take note of an utterance's audio as it is heard, and of the model's time for it; None if it did not end."""
        ...

    def ran_dry(self) -> None:
        """Take note that the model fell behind a listener who plays the audio as it comes."""
        ...


class Unwatched:
    """A speech that nobody watches."""

    def asked(self, model: str, characters: int) -> None:
        """Do nothing."""

    def admitted(self, waited_s: float) -> None:
        """Do nothing."""

    def heard(self) -> None:
        """Do nothing."""

    def made(self, audio_s: float, took_s: float | None) -> None:
        """Do nothing."""

    def ran_dry(self) -> None:
        """Do nothing."""


UNWATCHED = Unwatched()
