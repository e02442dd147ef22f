"""What the tests of decoding share: an upload decoded in this process, unsealed, and how it sounds."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voicegw.backend import AudioChunk, DecodeDone, DecodeOptions, InvalidRequest, RequestMeta
from voicegw.decoder.passes import passes

META = RequestMeta("r", start_within_s=60.0)
Pcm = NDArray[np.int16]


def options(rate: int = 16_000, max_s: float = 600.0, raw: str | None = None) -> DecodeOptions:
    """Ask for audio."""
    return DecodeOptions(META, rate, max_s, raw)


def decoded(data: bytes, **asked: Any) -> tuple[Pcm, DecodeDone]:
    """Decode an upload; the keywords are those of :func:`options`."""
    *before, done = passes(io.BytesIO(data), options(**asked))
    chunks = [event.pcm for event in before if isinstance(event, AudioChunk)]
    assert all(len(chunk) and chunk.dtype == np.int16 for chunk in chunks)
    assert isinstance(done, DecodeDone)
    return np.concatenate([np.empty(0, np.int16), *chunks]).astype(np.int16), done


def refusal(data: bytes, **asked: Any) -> InvalidRequest:
    """Give what an upload is refused with, before anything is heard of it."""
    heard = []
    with pytest.raises(InvalidRequest) as caught:
        heard += [event for event in passes(io.BytesIO(data), options(**asked)) if event is not None]
    assert heard == []
    assert caught.value.status == 400
    return caught.value


def pitch_hz(pcm: Pcm, rate: int = 16_000) -> float:
    """Give the frequency in which there is most, to some hertz."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)), 8 * len(pcm)))
    return float(np.argmax(spectrum)) * rate / (8 * len(pcm))


def level(pcm: Pcm) -> float:
    """Give the peak of a sine of the same power, 1 being full scale."""
    return float(np.sqrt(2 * np.mean((pcm / 32768.0) ** 2)))
