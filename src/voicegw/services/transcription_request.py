"""What is asked of a transcription: one request, and the policy that holds for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voicegw.services.activity import Chunking
from voicegw.services.speakers import KnownSpeaker
from voicegw.services.watching import UNWATCHED, TranscriptionWatch


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What is to be heard in an audio, and how.

    Attributes:
        model: Id or alias of a model.
        task: Whether its own language is written, or English.
        language: BCP 47 tag of what is spoken; None = the model finds out.
        languages: Tags among which it finds out; () = all.
        prompt: What was said before, or how it is written; "" = nothing.
        keywords: Words that are likely to come.
        temperature: 0 to 1; 0 = the model's own choice.
        words: Whether the times of words are wanted.
        logprobs: Whether the probabilities of tokens are.
        chunking: How silence is left out; None = the server decides.
        speakers: Whether it is to be told who speaks; the known ones, () where there are none, None = no.
        extras: Everything else that the client sent, by name; what the model declares as a parameter reaches it.
        ignored: Names of what the client sent and has no effect whatever the model.
        strict: Whether what has no effect is refused rather than named.
        request_id: For the logs; need not be unique.
        tenant: Whose work it is, for fairness between them; never a key.
        watch: Is told how it fares.
    """

    model: str
    task: Literal["transcribe", "translate"] = "transcribe"
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    temperature: float = 0.0
    words: bool = False
    logprobs: bool = False
    chunking: Chunking | None = None
    speakers: tuple[KnownSpeaker, ...] | None = None
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ignored: tuple[str, ...] = ()
    strict: bool = False
    request_id: str = ""
    tenant: str = ""
    watch: TranscriptionWatch = field(default=UNWATCHED, compare=False)


@dataclass(frozen=True, slots=True)
class TranscriptionPolicy:
    """What holds for all requests, from the settings.

    Attributes:
        prompt_chars: Longest prompt, and most characters of all keywords.
        decoded_s: Seconds of audio that an upload may decode to.
        slot_s: Seconds within which there must be a slot.
    """

    prompt_chars: int = 100_000
    decoded_s: float = 4 * 3600.0
    slot_s: float = 30.0
