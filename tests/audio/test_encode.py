"""Every encoder: nothing is lost, bytes come early, and how the audio is cut does not matter."""

from __future__ import annotations

import gc
import io
import struct
import wave
import weakref

import numpy as np
import pytest

from tests.audio.sounds import Pcm, cut, decode, speechlike
from voicegw.audio.encode import CodecEncoder, WavEncoder, encoder_for, wav_header
from voicegw.audio.format import AAC, FLAC, FORMATS, MP3, OPUS, PCM, WAV, AudioFormat

EVERY_FORMAT = pytest.mark.parametrize("target", FORMATS, ids=lambda entry: entry.name)
LOSSLESS = [FLAC, WAV, PCM]
COMPRESSED = pytest.mark.parametrize("target", [MP3, OPUS, AAC, FLAC], ids=lambda entry: entry.name)


def encoded(target: AudioFormat, pcm: Pcm, sizes: int | tuple[int, ...] | None = None) -> bytes:
    encoder = encoder_for(target)
    pieces = cut(pcm, sizes) if sizes else [pcm]
    return b"".join([encoder.push(piece) for piece in pieces]) + encoder.finish()


@EVERY_FORMAT
@pytest.mark.parametrize("samples", [1, 479, 480, 2_400, 24_077])
def test_every_sample_decodes(target: AudioFormat, samples: int) -> None:
    pcm = speechlike(samples)
    heard = decode(target, encoded(target, pcm))
    assert len(heard) >= target.delay + samples
    spoken = heard[target.delay :][:samples]
    if target in LOSSLESS:
        assert np.array_equal(heard, pcm)
    elif samples > 2_000:
        wanted, got = pcm.astype(float), spoken.astype(float)
        # The beginning and the very end are there as well as the whole.
        for part in (slice(None), slice(600), slice(-600, None)):
            assert np.corrcoef(wanted[part], got[part])[0, 1] > 0.95


@EVERY_FORMAT
def test_length_is_exact_but_for_delay_and_a_last_frame(target: AudioFormat) -> None:
    pcm = speechlike(12_345)
    surplus = len(decode(target, encoded(target, pcm))) - len(pcm) - target.delay
    assert 0 <= surplus < 1_152 if target in {MP3, AAC} else surplus == 0


@EVERY_FORMAT
@pytest.mark.parametrize("sizes", [24, 480, 577, 2_400, (1, 5_000, 0, 333)])
def test_how_the_audio_is_cut_changes_no_byte(target: AudioFormat, sizes: int | tuple[int, ...]) -> None:
    pcm = speechlike(9_999)
    assert encoded(target, pcm, sizes) == encoded(target, pcm)


@EVERY_FORMAT
def test_strided_and_read_only_audio_is_taken(target: AudioFormat) -> None:
    pcm = speechlike(6_000)
    sealed = np.frombuffer(pcm[::2].tobytes(), np.int16)
    assert encoded(target, pcm[::2]) == encoded(target, sealed)


@pytest.mark.parametrize(
    ("target", "after_ms"), [(MP3, 48), (OPUS, 40), (AAC, 86), (FLAC, 20), (WAV, 1), (PCM, 1)], ids=str
)
def test_first_audio_leaves_early(target: AudioFormat, after_ms: int) -> None:
    pcm = speechlike(24_000)
    encoder = encoder_for(target)
    header = len(encoder.push(pcm[:0]))
    sent = [len(encoder.push(pcm[24 * ms : 24 * (ms + 1)])) for ms in range(after_ms)]
    assert sum(sent) > 0
    assert not any(sent[:-1])
    assert header == {"opus": 97, "flac": 60, "wav": 44}.get(target.name, 0)
    encoder.close()


@EVERY_FORMAT
def test_bytes_keep_coming(target: AudioFormat) -> None:
    encoder = encoder_for(target)
    silent = longest = 0
    for piece in cut(speechlike(48_000), 240):
        silent = 0 if encoder.push(piece) else silent + 10
        longest = max(longest, silent)
    assert longest <= 80
    encoder.close()


EVERY_RATE = [(target, rate) for target in FORMATS for rate in target.rates or (8_000, 8_001, 22_050, 44_100, 48_000)]


@pytest.mark.parametrize(("target", "rate"), EVERY_RATE)
def test_at_every_rate_all_is_decodable_once_what_is_owed_was_pushed(target: AudioFormat, rate: int) -> None:
    pcm = speechlike(rate // 3, rate)
    encoder = encoder_for(target, sample_rate=rate)
    assert encoder.owed() == 0
    data = encoder.push(pcm)
    owed = encoder.owed()
    heard = decode(target, data + encoder.push(np.zeros(owed, np.int16)), rate)[target.delay :]
    assert len(heard) >= len(pcm)
    assert np.corrcoef(pcm, heard[: len(pcm)])[0, 1] > 0.98
    assert np.corrcoef(pcm[-300:], heard[len(pcm) - 300 : len(pcm)])[0, 1] > 0.95
    if target not in LOSSLESS:  # a frame less would not do
        assert len(decode(target, data, rate)) < len(pcm) + target.delay
    encoder.finish()


def test_mp3_begins_with_a_frame_and_joins() -> None:
    data = encoded(MP3, speechlike(24_000))
    assert data[:2] == b"\xff\xf3"  # no ID3, no Xing: MPEG-2 layer III from the first byte
    assert b"Xing" not in data
    assert b"Info" not in data[:200]
    both = decode(MP3, data + data)
    assert len(both) == 2 * len(decode(MP3, data))


def test_flac_header_says_that_the_length_is_unknown() -> None:
    header = encoder_for(FLAC).push(np.empty(0, np.int16))
    assert header[:4] == b"fLaC"
    assert int.from_bytes(header[8 + 10 : 8 + 18], "big") & (1 << 36) - 1 == 0


def test_wav_header_is_readable_and_true_when_the_length_is_known() -> None:
    pcm = speechlike(1_000)
    encoder = encoder_for(WAV, total_samples=1_000)
    data = encoder.push(pcm) + encoder.finish()
    with wave.open(io.BytesIO(data)) as reader:
        assert reader.getparams()[:4] == (1, 2, 24_000, 1_000)
        assert reader.readframes(1_000) == pcm.tobytes()
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8


def test_wav_of_unknown_length_says_so_in_both_sizes() -> None:
    header = encoder_for(WAV).push(np.empty(0, np.int16))
    assert len(header) == 44
    assert struct.unpack_from("<I", header, 4)[0] == struct.unpack_from("<I", header, 40)[0] == 0xFFFF_FFFF


@pytest.mark.parametrize(("samples", "data_size"), [((0xFFFF_FFFF - 36) // 2, 0xFFFF_FFDA), (2**31, 0xFFFF_FFFF)])
def test_wav_too_long_for_its_header_is_of_unknown_length(samples: int, data_size: int) -> None:
    assert struct.unpack_from("<I", wav_header(samples), 40)[0] == data_size


def test_wav_that_is_not_as_long_as_announced_is_an_error() -> None:
    encoder = WavEncoder(10)
    encoder.push(speechlike(9))
    with pytest.raises(ValueError, match="announces 10 samples, but 9 came"):
        encoder.finish()


@EVERY_FORMAT
def test_an_empty_stream_is_its_header(target: AudioFormat) -> None:
    assert encoder_for(target).finish().startswith(encoder_for(target).push(np.empty(0, np.int16)))


@EVERY_FORMAT
@pytest.mark.parametrize("end", ["finish", "close"])
def test_nothing_is_taken_after_the_end(target: AudioFormat, end: str) -> None:
    encoder = encoder_for(target)
    encoder.push(speechlike(3_000))
    getattr(encoder, end)()
    with pytest.raises(ValueError, match="ended"):
        encoder.push(speechlike(10))
    with pytest.raises(ValueError, match="ended"):
        encoder.finish()
    encoder.close()
    encoder.close()


@COMPRESSED
@pytest.mark.parametrize("closed", [True, False])
def test_an_encoder_goes_when_it_is_dropped(target: AudioFormat, *, closed: bool) -> None:
    encoder = CodecEncoder(target)
    encoder.push(speechlike(2_000))
    sink, gone = weakref.ref(encoder._sink), weakref.ref(encoder)
    gc.disable()  # by reference counting alone: nothing waits for the collector
    try:
        if closed:
            encoder.close()
        del encoder
        assert gone() is None
        assert sink() is None
    finally:
        gc.enable()
