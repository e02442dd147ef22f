"""The contract between the gateway and an adapter: what an adapter is given, and what it gives back.

Standard library and numpy only. An adapter is a class of one of the protocols below, named by an entry point in the
group ``voicegw.backends``; it runs inside a worker process and is loaded nowhere else. The rules that go with the
types (cancellation, one sample rate, ``SpeechDone`` exactly once, ...) are checked by ``voicegw backends check NAME``.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from voicegw.backend.manifest import ModelInfo

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio in [-1, 1], shape (n,)."""

Pcm: TypeAlias = NDArray[np.float32] | NDArray[np.int16]
"""Mono audio of shape (n,): float32 in [-1, 1] (the runtime clips, refuses NaN and infinity) or int16."""

Progress: TypeAlias = Callable[[float, str], None]
"""Called with the fraction done, 0 to 1, and what is being done."""

V = TypeVar("V")
V_contra = TypeVar("V_contra", contravariant=True)


class Priority(IntEnum):
    """Who goes first when a model is busy."""

    LIVE = 0
    INTERACTIVE = 1
    BATCH = 2


@dataclass(frozen=True, slots=True)
class RequestMeta:
    """Whose work this is and how long it may wait.

    Attributes:
        request_id: Minted by the gateway; the utterances of one request or context share it.
        tenant: Opaque key of fairness, never an API key.
        priority: Class of urgency.
        start_within_s: What was left of the deadline when the message was sent; relative, for clocks are not shared.
        begun: Whether its listener has heard audio: it goes before newcomers, and a full queue does not refuse it, in
            any worker.
    """

    request_id: str
    tenant: str = ""
    priority: Priority = Priority.INTERACTIVE
    start_within_s: float = 30.0
    begun: bool = False


@dataclass(frozen=True, slots=True)
class VoiceSample:
    """One recording of a voice: float32 mono ``samples`` at ``sample_rate`` Hz, with what is said in it."""

    samples: Samples
    sample_rate: int
    transcript: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice to clone: its samples, and the key by which everybody caches what is derived from them."""

    key: str
    samples: tuple[VoiceSample, ...]

    @classmethod
    def of(cls, *samples: VoiceSample) -> Voice:
        """Make a voice whose key is the sha256 over audio (float32), rate, transcript and language, in order."""
        digest = hashlib.sha256()
        for sample in samples:
            audio = np.ascontiguousarray(sample.samples, np.float32).tobytes()
            head = f"{len(audio)}|{sample.sample_rate}|{sample.transcript!r}|{sample.language!r}|"
            digest.update(head.encode("utf-8", "surrogatepass"))
            digest.update(audio)
        return cls(digest.hexdigest(), samples)


@dataclass(frozen=True, slots=True)
class Prepared(Generic[V]):
    """What :meth:`SpeechBackend.prepare` made of a voice, and the bytes that the cache charges for it."""

    value: V
    nbytes: int


@dataclass(frozen=True, slots=True)
class Mark:
    """An instruction of a text stage for characters ``start`` to ``end``: a pause in seconds, or a pronunciation."""

    start: int
    end: int
    kind: Literal["pause", "ipa"]
    value: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """One piece of text to speak.

    Attributes:
        text: Longer than the model takes is refused with ``TextTooLong`` before any audio; the gateway splits again.
        language: BCP 47 tag, or None for the model's own choice.
        voice: Built-in voice; None means the prepared voice, or the model's fixed default.
        parameters: Validated against :attr:`ModelInfo.parameters`; ``speed`` only where the model has it.
        seed: Fixes the noise of a sampling model.
        words: Whether :class:`WordTiming` is wanted.
        lead_s: Seconds of audio that the listener still has ahead of this utterance.
        continuation: From :class:`SpeechDone` of the segment before: any worker can go on from it.
        marks: Pronunciations, in order of ``start``, none over another; only where :attr:`ModelInfo.ipa` says so.
    """

    meta: RequestMeta
    text: str
    language: str | None = None
    voice: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    words: bool = False
    lead_s: float = 0.0
    continuation: bytes | None = None
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Audio that continues the chunk before. ``at`` is the worker's monotonic clock, filled in by the runtime."""

    pcm: Pcm
    at: float | None = None


@dataclass(frozen=True, slots=True)
class WordTiming:
    """Where a word is heard; comes not later than the chunk in which the word starts.

    ``start`` and ``end`` count samples at :attr:`ModelInfo.sample_rate` from the utterance's start; ``char_start`` and
    ``char_end`` are the word's span in :attr:`Utterance.text`.
    """

    start: int
    end: int
    char_start: int
    char_end: int


@dataclass(frozen=True, slots=True)
class SpeechDone:
    """The last event, exactly once. ``continuation`` holds at most :attr:`Limits.continuation_bytes` bytes."""

    finish: Literal["stop", "length", "runaway"] = "stop"
    continuation: bytes | None = None


SpeechEvent: TypeAlias = AudioChunk | WordTiming | SpeechDone


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word with its times in seconds from the start of the audio; ``probability`` is 0 to 1."""

    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Language:
    """The language that was heard; at most once, before the first segment."""

    code: str
    probability: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What is heard so far; replaces the one before. Only from models whose manifest says ``streaming``."""

    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class TranscriptSegment:
    """A piece of the transcript, final and never revised. ``seek`` counts hops of 10 ms.

    The texts of all of them, joined as they are, are the transcript: the space before a word is part of its segment.
    """

    seek: int
    start_s: float
    end_s: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float | None
    compression_ratio: float | None
    no_speech_prob: float | None
    words: tuple[Word, ...] = ()
    logprobs: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TranscriptDone:
    """The last event, exactly once; token counts are None where the model has no tokens."""

    duration_s: float
    input_tokens: int | None
    output_tokens: int | None


TranscriptEvent: TypeAlias = Language | Hypothesis | TranscriptSegment | TranscriptDone


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """How to transcribe.

    ``languages``: () = all, one = given, several = detect among these. ``temperatures``: () = the model's own choice,
    else tried in turn. What is not among :attr:`ModelInfo.options` has its default.
    """

    meta: RequestMeta
    task: Literal["transcribe", "translate"] = "transcribe"
    languages: tuple[str, ...] = ()
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    temperatures: tuple[float, ...] = ()
    words: bool = False
    logprobs: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """Voice activity at a sample: whether somebody speaks, with probability 0 to 1."""

    at_sample: int
    speaking: bool
    probability: float


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What decoded audio should be: mono at ``sample_rate`` Hz, refused beyond ``max_s`` seconds.

    ``raw_format`` names samples without a header, as codec/rate or codec/rate/channels: ``pcm_s16le/16000``,
    ``mulaw/8000``, ``alaw/8000``. Everything else says itself what it is.
    """

    meta: RequestMeta
    sample_rate: int
    max_s: float
    raw_format: str | None = None


@dataclass(frozen=True, slots=True)
class DecodeDone:
    """The last event of decoding, exactly once: what the upload turned out to be.

    ``damaged`` is the share of its audio, 0 to 1, that could not be decoded and was left out.
    """

    duration_s: float
    container: str
    codec: str
    source_rate: int
    source_channels: int
    damaged: float = 0.0


DecodeEvent: TypeAlias = AudioChunk | DecodeDone


class Backend(Protocol):
    """What every adapter has. It is made as ``cls(config)``, with the ``parameters`` of the model's entry."""

    def __init__(self, config: Mapping[str, Any]) -> None: ...

    @classmethod
    def describe(cls, config: Mapping[str, Any]) -> ModelInfo:
        """Give the manifest within a second, without weights or device; ValueError names a bad configuration key."""
        ...

    async def load(self, progress: Progress) -> ModelInfo:
        """Load the weights, off the event loop, and give the manifest as it really is (slots measured)."""
        ...

    async def close(self) -> None:
        """Give everything back; no task, thread, process or descriptor stays."""
        ...


class SpeechBackend(Backend, Protocol[V]):
    """A model that speaks."""

    async def prepare(self, voice: Voice) -> Prepared[V]:
        """Turn samples into conditioning. The runtime caches it: byte budget, LRU, pinned in use, single flight."""
        ...

    def synthesize(self, utterance: Utterance, voice: V | None) -> AsyncGenerator[SpeechEvent, None]:
        """Speak: chunks as they are made, word times if asked for, one :class:`SpeechDone` at the end.

        Cancelling the task that iterates is cancellation, between chunks or inside ``__anext__``; at most one more
        model step is spent on it.
        """
        ...


class TranscriptionBackend(Backend, Protocol):
    """A model that listens."""

    def transcribe(
        self, audio: AsyncIterator[Samples], options: TranscriptionOptions
    ) -> AsyncGenerator[TranscriptEvent, None]:
        """Transcribe mono audio at :attr:`ModelInfo.sample_rate` while it comes."""
        ...


class ActivityBackend(Backend, Protocol):
    """A model that tells speech from silence."""

    def detect(self, audio: AsyncIterator[Samples]) -> AsyncGenerator[Activity, None]:
        """Give changes of activity while audio comes."""
        ...


class EmbeddingBackend(Backend, Protocol):
    """A model that tells speakers apart."""

    async def embed(self, clips: Sequence[Samples]) -> NDArray[np.float32]:
        """Give one unit-length embedding per clip, shape (clips, dimensions)."""
        ...


class DecodeBackend(Backend, Protocol):
    """Sandboxed decoding of what people upload."""

    def decode(self, data: AsyncIterator[bytes], options: DecodeOptions) -> AsyncGenerator[DecodeEvent, None]:
        """Decode an upload of any known format to mono audio; nothing comes before all of it was found to be sound."""
        ...

    def seal(self) -> None:
        """Give up every right that decoding does not need.

        Called once: when the model is loaded and its gateway is connected, before anything is uploaded. A worker whose
        adapter has this method, of whatever kind, serves that one gateway and accepts no other.
        """
        ...
