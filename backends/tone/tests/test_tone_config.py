"""The settings of a tone model, and the manifest that follows."""

from __future__ import annotations

from typing import Any

import pytest

from voicegw_tone import ToneBackend
from voicegw_tone.config import ToneConfig


def test_the_manifest_says_what_the_model_is() -> None:
    info = ToneBackend.describe({})
    assert (info.kind, info.sample_rate, info.determinism, info.licence) == ("speech", 24_000, "exact", "Apache-2.0")
    assert (info.clones, info.words, info.streaming, info.speed) == (True, True, True, (0.5, 2.0))
    assert info.languages == ("en", "de", "es", "pt", "fr")
    assert [voice.id for voice in info.voices] == ["tone", "low", "high", "bright"]
    assert [parameter.name for parameter in info.parameters] == ["speed"]
    limits = info.limits
    assert (limits.slots, limits.max_chars, limits.sample_s, limits.needs_transcript) == (64, 2000, (0.1, 3600), False)


def test_faults_are_in_the_manifest_only_where_they_are_allowed() -> None:
    names = [parameter.name for parameter in ToneBackend.describe({"allow_faults": True}).parameters]
    assert names == ["speed", "fail_after_chunks", "crash_after_chunks", "hang"]


def test_what_an_engine_adds_is_accepted() -> None:
    assert ToneBackend.describe({"slots": 3, "device": "cuda:1", "memory_fraction": 0.5}).limits.slots == 3


def test_a_step_is_a_whole_number_of_samples() -> None:
    assert ToneConfig.of({"step_ms": 12.5}).step_samples == 300
    assert ToneConfig().step_samples == 1920


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"sample_rate": 16_000}, "sample_rate"),
        ({"slots": 0}, "slots"),
        ({"slots": 2.0}, "slots"),
        ({"slots": True}, "slots"),
        ({"slots": "4"}, "slots"),
        ({"slots": 5000}, "slots"),
        ({"rtf": -1}, "rtf"),
        ({"rtf": float("nan")}, "rtf"),
        ({"first_audio_ms": float("inf")}, "first_audio_ms"),
        ({"first_audio_ms": None}, "first_audio_ms"),
        ({"step_ms": 0}, "step_ms"),
        ({"allow_faults": "yes"}, "allow_faults"),
    ],
)
def test_a_bad_setting_is_named(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ToneBackend.describe(config)
    with pytest.raises(ValueError, match=named):
        ToneBackend(config)
