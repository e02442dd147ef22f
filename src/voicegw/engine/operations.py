"""What a worker can be asked to do: for each operation the kind of model, its request, its events, what goes up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voicegw.backend import (
    Activity,
    AudioChunk,
    DecodeDone,
    DecodeOptions,
    Hypothesis,
    Language,
    RequestMeta,
    SpeechDone,
    TranscriptDone,
    TranscriptionOptions,
    TranscriptSegment,
    Utterance,
    WordTiming,
)

INPUT_BYTES = 256 * 1024
"""What may wait in a worker for one stream's adapter: 8 s of audio at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of an operation that has nothing to say at its end."""


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Clips to embed; their samples follow as input, one after the other. ``samples`` has the length of each."""

    meta: RequestMeta
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Embedded:
    """One embedding per clip: ``data`` holds float32 values of shape (clips, ``dimensions``)."""

    dimensions: int
    data: bytes

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Embedded:
        """Take an array of shape (clips, dimensions)."""
        return cls(int(vectors.shape[1]), np.ascontiguousarray(vectors, "<f4").tobytes())

    def vectors(self) -> NDArray[np.float32]:
        """Give the array again."""
        return np.frombuffer(self.data, "<f4").reshape(-1, self.dimensions)


@dataclass(frozen=True, slots=True)
class DetectRequest:
    """Audio, which follows as input, in which speech is looked for."""

    meta: RequestMeta


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of a worker.

    Attributes:
        kind: Kind of the models that can do it.
        request: What says how; it has a ``meta``.
        events: What comes before the last event.
        end: The last event, exactly once.
        input: What goes up to the adapter while it works: audio as s16le at the model's rate, bytes as they are.
        log: Name of its line in the log.
    """

    kind: Literal["speech", "transcription", "activity", "embedding", "decode"]
    request: type[Any]
    events: tuple[type[Any], ...]
    end: type[Any]
    input: Literal["nothing", "audio", "bytes"]
    log: str


_HEARD = (Language, Hypothesis, TranscriptSegment)

OPERATIONS = {
    "synthesize": Operation("speech", Utterance, (AudioChunk, WordTiming), SpeechDone, "nothing", "utterance"),
    "transcribe": Operation("transcription", TranscriptionOptions, _HEARD, TranscriptDone, "audio", "transcription"),
    "decode": Operation("decode", DecodeOptions, (AudioChunk,), DecodeDone, "bytes", "decoding"),
    "detect": Operation("activity", DetectRequest, (Activity,), Ended, "audio", "detection"),
    "embed": Operation("embedding", EmbedRequest, (), Embedded, "audio", "embedding"),
}
"""By the name that ``open`` frames have."""
