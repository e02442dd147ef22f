"""What a speech or a transcription tells of itself, to whoever watches: nothing here knows who that is."""

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


class TranscriptionWatch(Protocol):
    """Is told how one transcription fares, as a :class:`SpeechWatch` is."""

    def listens(self, model: str) -> None:
        """Take note of the id of the model that is to listen."""
        ...

    def admitted(self, waited_s: float) -> None:
        """Take note that it has a slot, after so many seconds in the worker's queue."""
        ...

    def told(self) -> None:
        """Take note of the first segment, or that there is none."""
        ...

    def listened(self, audio_s: float, took_s: float | None) -> None:
        """Take note of how much audio was listened to, and of the seconds that took; None if it did not end."""
        ...


class Unwatched:
    """A speech or a transcription that nobody watches."""

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

    def listens(self, model: str) -> None:
        """Do nothing."""

    def told(self) -> None:
        """Do nothing."""

    def listened(self, audio_s: float, took_s: float | None) -> None:
        """Do nothing."""


UNWATCHED = Unwatched()
