"""What is asked of speech: one request, and the policy that holds for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voicegw.audio.format import DEFAULT, OUTPUT_RATE, AudioFormat
from voicegw.services.casting import VoiceAliases
from voicegw.services.watching import UNWATCHED, SpeechWatch
from voicegw.text.stages import Clean


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What is to be spoken, and how.

    Attributes:
        model: Id or alias of a model.
        text: At least one character that is not white space.
        voice: Voice of the model, or an alias; None = the model's default.
        format: Of the bytes.
        speed: 0.25 to 4; what is beyond the model's own range is made by stretching its audio.
        language: BCP 47 tag; None = the voice's.
        sample_rate: Hz of what is sent; one that the format carries.
        request_id: For the logs; need not be unique.
        extras: Everything else that the client sent, by name; what the model declares as a parameter reaches it.
        clean: What is taken out of the text before it is spoken.
        words: Whether it is to be told when each word is heard.
        strict: Whether an extra that has no effect is refused rather than named.
        tenant: Whose work it is, for fairness between them; never a key.
        events: Whether it is told as events; what is asked for in another form is not the same.
        tries: How often the client has sent this before; None where it does not say.
        watch: Is told how it fares.
    """

    model: str
    text: str
    voice: str | None = None
    format: AudioFormat = DEFAULT
    speed: float = 1.0
    language: str | None = None
    sample_rate: int = OUTPUT_RATE
    request_id: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])
    clean: Clean = "markdown"
    words: bool = False
    strict: bool = False
    tenant: str = ""
    events: bool = False
    tries: int | None = None
    watch: SpeechWatch = field(default=UNWATCHED, compare=False)


@dataclass(frozen=True, slots=True)
class SpeechPolicy:
    """What holds for all requests, from the settings.

    Attributes:
        language: Spoken where neither the request nor the voice says one.
        voice_aliases: Further names of voices.
        input_chars: Longest text.
        first_audio_s: Seconds within which there must be audio.
        ahead_s: Seconds of audio that may wait for a listener before the next utterance starts.
    """

    language: str = "en"
    voice_aliases: VoiceAliases = field(default_factory=dict[str, Mapping[str, Mapping[str, str]]])
    input_chars: int = 100_000
    first_audio_s: float = 30.0
    ahead_s: float = 4.0
