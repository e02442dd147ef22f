"""The arithmetic of measurements."""

from __future__ import annotations

import math
import statistics

import pytest

from voicegw.audio.format import MP3, PCM, WAV
from voicegw.bench.measure import AudioCounter, Playback, Spread, Take, mean, percentile, playback, summarise


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0], 0.99, 3.0),
        ([1.0, 2.0], 0.5, 1.5),
        ([4.0, 1.0, 3.0, 2.0], 0.0, 1.0),
        ([4.0, 1.0, 3.0, 2.0], 1.0, 4.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.5),
        ([0.0, 10.0], 0.95, 9.5),
        (range(101), 0.99, 99.0),
    ],
)
def test_percentiles(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == pytest.approx(expected)


def test_percentiles_are_those_of_the_standard_library() -> None:
    values = [float(number * number % 97) for number in range(50)]
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    assert [percentile(values, share / 100) for share in range(1, 100)] == pytest.approx(cuts)


def test_nothing_measured_is_nan() -> None:
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(Spread.of([None]).p99)
    assert mean([]) == 0.0


def test_a_spread_leaves_out_what_was_not_measured() -> None:
    assert Spread.of([0.001, None, 0.003], 1000).p50 == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], Playback(0, 0.0)),
        ([(5.0, 0.1)], Playback(0, 0.0)),
        ([(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)], Playback(0, 0.0)),  # each in the nick of time
        ([(0.0, 1.0), (0.1, 1.0), (1.9, 1.0)], Playback(0, 0.0)),  # the second one waited to be heard
        ([(0.0, 1.0), (1.5, 1.0)], Playback(1, 0.5)),
        ([(0.0, 1.0), (1.5, 1.0), (2.5, 1.0)], Playback(1, 0.5)),  # what comes after a stall is played later too
        ([(0.0, 1.0), (1.5, 1.0), (3.0, 1.0)], Playback(2, 1.0)),
        ([(0.0, 1.0), (1.0004, 1.0)], Playback(0, 0.0)),  # too little to be heard
    ],
)
def test_playback(pieces: list[tuple[float, float]], expected: Playback) -> None:
    got = playback(pieces)
    assert got.underruns == expected.underruns
    assert got.stalled_s == pytest.approx(expected.stalled_s)


def test_bytes_become_seconds() -> None:
    assert AudioCounter(PCM).seconds(48_000) == 1.0
    assert AudioCounter(MP3).seconds(8_000) == 1.0


def test_the_header_of_a_wav_is_no_audio() -> None:
    counter = AudioCounter(WAV)
    assert [counter.seconds(size) for size in (40, 4, 48_000)] == [0.0, 0.0, 1.0]
    assert AudioCounter(WAV).seconds(44 + 24_000) == 0.5


def test_a_take_without_audio() -> None:
    take = Take(sent=1.0, outcome="503", ended=1.5)
    assert (take.ttfa_s, take.gateway_s, take.rtf, take.audio_s, take.total_s) == (None, None, None, 0, 0.5)


def test_a_summary() -> None:
    good = Take(sent=10.0, ended=11.0, made=10.1, pieces=[(10.2, 0.5), (10.9, 0.5)], size=2000)
    silent = Take(sent=10.0, ended=10.5, pieces=[(10.4, 1.0)], size=1000)
    refused = Take(sent=10.0, outcome="429", ended=10.01, size=99)
    summary = summarise([good, silent, refused, refused], wall_s=2.0)
    assert (summary.requests, summary.ok, summary.outcomes) == (4, 2, {"ok": 2, "429": 2})
    assert (summary.requests_per_s, summary.audio_s) == (1.0, 2.0)
    assert summary.ttfa_ms.p50 == pytest.approx(300)
    assert summary.gateway_ms.p99 == pytest.approx(100)
    assert summary.total_ms.p50 == pytest.approx(750)
    assert summary.rtf.p50 == pytest.approx(0.75)
    assert (summary.underruns, summary.requests_with_underruns) == (1, 1)
    assert summary.stalled_s == pytest.approx(0.2)
    assert (summary.bytes_per_answer, summary.pieces_per_answer) == (1500, 1.5)
