"""Contract objects survive the wire; what is no contract object is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest

from voicegw.backend import (
    AudioChunk,
    BackendFailed,
    DecodeDone,
    DecodeOptions,
    Hypothesis,
    Language,
    Limits,
    Mark,
    ModelInfo,
    Parameter,
    Priority,
    RequestMeta,
    SpeechDone,
    TranscriptDone,
    TranscriptionOptions,
    TranscriptSegment,
    Utterance,
    Voice,
    VoiceInfo,
    VoiceSample,
    Word,
    WordTiming,
)
from voicegw.engine import codec
from voicegw.engine.link import WorkerStatus
from voicegw.engine.spec import EngineLimits, ModelState
from voicegw.engine.wire import PIECE, FrameReader, encode

META = RequestMeta("r-1", "tenant", Priority.LIVE, 2.5)
WORD = Word(0.5, 1.25, "tête", 0.75)
OBJECTS: list[Any] = [
    META,
    RequestMeta(""),
    Utterance(META, ""),
    Utterance(
        META,
        "a\ud800b\x00😀",
        "de-CH",
        "anna",
        {"speed": 1.5, "style": None, "deep": {"list": [1, "2", False]}},
        2**63,
        True,
        1.5,
        b"\x00\xff",
        (Mark(0, 3, "pause", "0.5"), Mark(3, 4, "ipa", "tɛt")),
    ),
    SpeechDone(),
    SpeechDone("runaway", b"state"),
    WordTiming(1, 2, 3, 4),
    WORD,
    Language("de", 0.5),
    Hypothesis(()),
    Hypothesis((WORD, WORD)),
    TranscriptSegment(0, 0.0, 1.5, "text", (1, 2, 3), 0.0, None, 1.25, None, (WORD,), (("t", -0.5), ("", -1.0))),
    TranscriptDone(1.5, None, 17),
    TranscriptionOptions(META, "translate", ("de", "en"), "prompt", ("key",), (0.0, 0.25), True, True, {"x": 1}),
    DecodeOptions(META, 16000, 3600.0, "s16le"),
    DecodeDone(1.5, "ogg", "opus", 48000, 2),
    Parameter("style", "enum", "plain", None, None, ("plain", "sung")),
    VoiceInfo("v", "Vera", ("de", "en"), "female"),
    Limits(3, 200, (3.0, 30.0), True, 64),
    ModelInfo("speech", 24000),
    ModelInfo(
        "speech",
        22050,
        ("en", "de"),
        (VoiceInfo("v", "Vera"),),
        True,
        (0.5, 2.0),
        True,
        True,
        "same_bucket",
        (Parameter("t", "float", 0.5, 0.0, 1.0),),
        Limits(4),
        "MIT",
        "7",
    ),
    EngineLimits(),
    WorkerStatus(ModelState.LOADING, 0.5, "half", 1, 2, 3, 4, 5),
]


def over_the_wire(value: Any) -> Any:
    ((_, got),) = FrameReader().feed(encode(["x", value]))
    return got


@pytest.mark.parametrize("value", OBJECTS, ids=lambda v: type(v).__name__)
def test_every_object_comes_back_equal(value: Any) -> None:
    got = codec.build(type(value), over_the_wire(codec.plain(value)))
    assert got == value
    assert type(got) is type(value)
    assert repr(got) == repr(value)  # tuples stay tuples, enumerations stay enumerations


def test_any_utterance_comes_back_equal() -> None:
    rng = random.Random(7)  # noqa: S311 - test data
    scalars: list[Callable[[], Any]] = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.randrange(-(2**63), 2**63),
        rng.random,
        lambda: "".join(chr(rng.choice([rng.randrange(0x250), rng.randrange(0x110000)])) for _ in range(9)),
        lambda: rng.randbytes(5),
    ]

    def anything(depth: int) -> Any:
        if depth and rng.random() < 0.3:
            return [anything(depth - 1) for _ in range(3)]
        if depth and rng.random() < 0.3:
            return {str(scalars[4]()): anything(depth - 1) for _ in range(3)}
        return rng.choice(scalars)()

    for _ in range(300):
        parameters = {f"p{i}": anything(3) for i in range(3)}
        value = Utterance(META, scalars[4](), scalars[4](), None, parameters, words=scalars[1](), lead_s=rng.random())
        assert codec.build(Utterance, over_the_wire(codec.plain(value))) == value


def test_numbers_of_numpy_become_plain_ones() -> None:
    limits = Limits(np.int64(3), sample_s=(np.float32(0.5), np.float64(2.0)))  # type: ignore[arg-type]  # as adapters do
    info = ModelInfo("speech", np.int32(24000), clones=np.bool_(True), limits=limits)  # type: ignore[arg-type]
    assert codec.checked(info) == ModelInfo("speech", 24000, clones=True, limits=Limits(3, sample_s=(0.5, 2.0)))
    assert codec.build(ModelInfo, over_the_wire(codec.plain(info))).sample_rate == 24000
    assert over_the_wire(codec.event_parts(WordTiming(*np.arange(4)), 0.0)) == [["word", 0, 1, 2, 3]]


def test_unknown_fields_are_left_out_and_missing_ones_have_defaults() -> None:
    assert codec.build(SpeechDone, {"finish": "length", "of_next_year": 1}) == SpeechDone("length")
    assert codec.build(WorkerStatus, {}) == WorkerStatus()
    assert codec.build(Limits, {"sample_s": [1, 30]}) == Limits(sample_s=(1.0, 30.0))


INFO = codec.plain(ModelInfo("speech", 24000))
UTTERANCE = codec.plain(Utterance(META, "text"))
BAD: list[tuple[type[Any], Any]] = [
    (Utterance, None),
    (Utterance, []),
    (Utterance, "text"),
    (Utterance, {}),
    (Utterance, {"text": "no meta"}),
    (Utterance, {**UTTERANCE, "text": None}),
    (Utterance, {**UTTERANCE, "text": b"bytes"}),
    (Utterance, {**UTTERANCE, "voice": 3}),
    (Utterance, {**UTTERANCE, "seed": 1.5}),
    (Utterance, {**UTTERANCE, "seed": True}),
    (Utterance, {**UTTERANCE, "words": 1}),
    (Utterance, {**UTTERANCE, "lead_s": "0"}),
    (Utterance, {**UTTERANCE, "lead_s": None}),
    (Utterance, {**UTTERANCE, "continuation": "text"}),
    (Utterance, {**UTTERANCE, "parameters": [1]}),
    (Utterance, {**UTTERANCE, "parameters": None}),
    (Utterance, {**UTTERANCE, "marks": 5}),
    (Utterance, {**UTTERANCE, "marks": {"a": 1}}),
    (Utterance, {**UTTERANCE, "marks": [{"start": 0, "end": 1, "kind": "shout", "value": ""}]}),
    (Utterance, {**UTTERANCE, "meta": {**UTTERANCE["meta"], "priority": 7}}),
    (Utterance, {**UTTERANCE, "meta": {**UTTERANCE["meta"], "start_within_s": "soon"}}),
    (Utterance, {**UTTERANCE, "meta": {"tenant": "a"}}),
    (ModelInfo, {**INFO, "kind": "juggling"}),
    (ModelInfo, {**INFO, "kind": ["speech"]}),
    (ModelInfo, {**INFO, "sample_rate": 24000.0}),
    (ModelInfo, {**INFO, "languages": "english"}),
    (ModelInfo, {**INFO, "languages": [1]}),
    (ModelInfo, {**INFO, "speed": [1.0]}),
    (ModelInfo, {**INFO, "speed": [1.0, 2.0, 3.0]}),
    (ModelInfo, {**INFO, "voices": ["v"]}),
    (ModelInfo, {**INFO, "limits": None}),
    (WorkerStatus, {"state": "asleep"}),
    (SpeechDone, {"finish": "never"}),
]


@pytest.mark.parametrize(("cls", "fields"), BAD, ids=lambda v: getattr(v, "__name__", repr(v)[-40:]))
def test_a_bad_value_is_refused(cls: type[Any], fields: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        codec.build(cls, fields)


@pytest.mark.parametrize("info", [None, {}, "speech", replace(ModelInfo("speech", 1), sample_rate="24k")])  # type: ignore[arg-type]
def test_what_is_no_manifest_is_refused(info: Any) -> None:
    with pytest.raises(TypeError):
        codec.checked(info)


def test_float_audio_is_clipped_scaled_and_rounded() -> None:
    given = np.array([0, 1, -1, 2, -2, 0.5, 1e-9, 1.4 / 32767, 1.6 / 32767, -1.6 / 32767], np.float32)
    got = codec.s16(given)
    assert got.dtype == np.int16
    assert got.tolist() == [0, 32767, -32767, 32767, -32767, 16384, 0, 1, 2, -2]
    every = np.arange(-32767, 32768, dtype=np.int16)
    assert (codec.s16(every.astype(np.float32) / np.float32(32767)) == every).all()
    doubles: Any = given.astype(np.float64)  # not what the contract says, but harmless
    assert codec.s16(doubles).tolist() == got.tolist()
    assert codec.s16(np.zeros(0, np.float32)).shape == (0,)


def test_int16_audio_passes_unchanged() -> None:
    given = np.array([-32768, -1, 0, 1, 32767], np.int16)
    assert codec.s16(given) is given
    (part,) = codec.event_parts(AudioChunk(given), 1.5)
    event = codec.event_of("audio", part[1:])
    assert isinstance(event, AudioChunk)
    assert (event.pcm.tolist(), event.at) == (given.tolist(), 1.5)
    strided = np.arange(10, dtype=np.int16)[::2]
    assert codec.event_parts(AudioChunk(strided), 0.0)[0][2] == strided.tobytes()


BAD_AUDIO: list[Any] = [
    np.array([0.0, np.nan], np.float32),
    np.array([np.inf], np.float32),
    np.array([-np.inf], np.float64),
    np.zeros((2, 2), np.float32),
    np.zeros((1, 4), np.int16),
    np.float32(0.5),
    np.zeros(3, np.int32),
    np.zeros(3, np.uint8),
    np.zeros(3, np.complex64),
    np.array(["a"]),
    [0.0, 0.5],
    b"\x00\x00",
    None,
]


@pytest.mark.parametrize("pcm", BAD_AUDIO, ids=lambda v: repr(v)[:40])
def test_what_is_no_audio_is_the_models_failure(pcm: Any) -> None:
    with pytest.raises(BackendFailed) as caught:
        codec.s16(pcm)
    assert caught.value.code == "bad_audio"


@pytest.mark.parametrize("samples", [0, 1, PIECE // 2, PIECE // 2 + 1, 3 * PIECE])
def test_audio_travels_in_pieces(samples: int) -> None:
    pcm = (np.arange(samples) % 30000).astype(np.int16)
    parts = codec.event_parts(AudioChunk(pcm), 2.0)
    assert all(kind == "audio" and at == 2.0 and len(data) <= PIECE for kind, at, data in parts)
    assert b"".join(data for _, _, data in parts) == pcm.tobytes()


def test_events_come_back() -> None:
    ((kind, *rest),) = codec.event_parts(WordTiming(1, 2, 3, 4), 9.0)
    assert codec.event_of(kind, rest) == WordTiming(1, 2, 3, 4)
    assert codec.build(SpeechDone, over_the_wire(codec.plain(SpeechDone("length", b"x")))) == SpeechDone("length", b"x")


@pytest.mark.parametrize("event", [None, "audio", SpeechDone(), Word(0, 1, "w", 1.0)])
def test_what_is_no_event_is_the_models_failure(event: Any) -> None:
    with pytest.raises(BackendFailed, match="no event"):
        codec.event_parts(event, 0.0)


@pytest.mark.parametrize(
    ("kind", "parts"), [("video", []), ("audio", [1.0]), ("audio", [1.0, b"odd"]), ("word", [1, 2]), ("word", "abcd")]
)
def test_what_is_no_event_frame_is_refused(kind: str, parts: list[Any]) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)):
        codec.event_of(kind, parts)


def test_a_voice_comes_back_with_the_same_key() -> None:
    rng = np.random.default_rng(1)
    samples = [
        VoiceSample(rng.standard_normal(n).astype(np.float32), rate, text, language)
        for n, rate, text, language in [(5, 24000, "tête \ud800", "de"), (70_000, 16000, None, None), (1, 8000, "", "")]
    ]
    voice = Voice.of(*samples)
    header, data = codec.voice_header(voice)
    got = codec.voice_of(over_the_wire(header), data)
    assert got.key == voice.key
    assert [(s.sample_rate, s.transcript, s.language) for s in got.samples] == [
        (s.sample_rate, s.transcript, s.language) for s in samples
    ]
    assert all((a.samples == b.samples).all() for a, b in zip(got.samples, samples, strict=True))


def test_the_key_of_a_voice_is_computed_from_what_came() -> None:
    voice = Voice.of(VoiceSample(np.zeros(4, np.float32), 24000))
    header, data = codec.voice_header(Voice("another's key", voice.samples))
    assert codec.voice_of(header, data).key == voice.key
    assert codec.voice_of([{**header[0], "sample_rate": 8000}], data).key != voice.key


@pytest.mark.parametrize("header", [[{}], [{"bytes": 3, "sample_rate": 1}], [{"bytes": "x", "sample_rate": 1}], [5]])
def test_what_is_no_voice_is_refused(header: Any) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)):
        codec.voice_of(header, bytes(16))


def test_plain_values_are_what_msgpack_knows() -> None:
    for value in OBJECTS:
        msgpack.packb(codec.plain(value), unicode_errors="surrogatepass")
    assert codec.plain({1: Priority.BATCH, "x": (1, [2])}) == {"1": 2, "x": [1, [2]]}
    assert codec.plain(ModelInfo) is ModelInfo  # a class is no value
