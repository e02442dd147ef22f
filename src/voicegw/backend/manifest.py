"""The capability manifest: what a model is and does, known before its weights are loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

ListeningOption: TypeAlias = Literal["translate", "prompt", "keywords", "temperature", "logprobs"]
"""What a request may ask of a transcription beyond its language and words, and not every model can honour."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One model parameter with its range; ``choices`` for the kind ``enum``."""

    name: str
    kind: Literal["float", "int", "bool", "str", "enum"]
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """A built-in voice. ``languages`` holds the tags it speaks, its own first; () means any of the model's."""

    id: str
    name: str
    languages: tuple[str, ...] = ()
    gender: Literal["female", "male"] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model can take.

    Attributes:
        slots: Requests it really runs at the same time in one worker.
        max_chars: Characters of one utterance; None for any number.
        sample_s: Shortest and longest cloning sample in seconds; None where it does not clone.
        needs_transcript: Whether a cloning sample must come with its transcript.
        continuation_bytes: Upper bound of :attr:`SpeechDone.continuation`.
    """

    slots: int = 1
    max_chars: int | None = None
    sample_s: tuple[float, float] | None = None
    needs_transcript: bool = False
    continuation_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The capability manifest: what a model is and does, known before its weights are loaded.

    Attributes:
        sample_rate: Hz of the audio it gives (speech) or wants (all other kinds).
        languages: BCP 47 tags.
        voices: Built-in voices, the default one first.
        clones: Whether it speaks with a prepared voice.
        speed: Native range of the parameter ``speed``; None = the gateway stretches.
        words: Whether it gives word times of its own.
        ipa: Whether it says the words that are marked so as their marks give them, in the IPA.
        streaming: Speech: audio comes before all of it is made. Transcription: hypotheses come while audio goes in.
        determinism: ``exact``; ``same_bucket`` (equal at equal batch size only); ``none``.
        licence: SPDX name of the weights' licence, shown to the user.
        revision: Changes when the same request would sound different.
        options: Transcription: what it honours; ``translate`` is into English.
    """

    kind: Literal["speech", "transcription", "activity", "embedding", "decode"]
    sample_rate: int
    languages: tuple[str, ...] = ()
    voices: tuple[VoiceInfo, ...] = ()
    clones: bool = False
    speed: tuple[float, float] | None = None
    words: bool = False
    streaming: bool = False
    determinism: Literal["exact", "same_bucket", "none"] = "none"
    parameters: tuple[Parameter, ...] = ()
    limits: Limits = field(default_factory=Limits)
    licence: str = "unknown"
    revision: str = ""
    ipa: bool = False
    options: tuple[ListeningOption, ...] = ()
