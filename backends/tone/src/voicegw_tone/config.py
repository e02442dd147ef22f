"""The settings of a tone model, and the manifest that follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from voicegw.backend import InvalidRequest, Limits, ModelInfo, Parameter, Utterance, VoiceInfo
from voicegw_tone.synth import SAMPLE_RATE, TIMBRES

MAX_CHARS = 2000
SPEED = (0.5, 2.0)
SAMPLE_S = (0.1, 3600.0)
LANGUAGES = ("en", "de", "es", "pt", "fr")
IGNORED = frozenset({"device", "memory_fraction"})
"""What an engine may hand to any backend and this one has no use for."""

_FAULTS = (
    Parameter("fail_after_chunks", "int", None, 0, None),
    Parameter("crash_after_chunks", "int", None, 0, None),
    Parameter("hang", "bool", default=False),
)


@dataclass(frozen=True, slots=True)
class ToneConfig:
    """How a tone model behaves.

    Attributes:
        slots: Utterances at the same time, 1 to 4096.
        first_audio_ms: Milliseconds before the first chunk, 0 to 600,000.
        rtf: Real-time factor at which audio is given after that, up to 100; 0 for as fast as it is made.
        step_ms: Milliseconds of audio in one chunk, 1 to 10,000.
        allow_faults: Whether a request may make the model fail, crash or hang.
    """

    slots: int = 64
    first_audio_ms: float = 0.0
    rtf: float = 0.0
    step_ms: float = 80.0
    allow_faults: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ToneConfig:
        """Check a configuration.

        Raises:
            ValueError: Naming the key that is unknown or out of range.
        """
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in config.items() if key not in IGNORED}
        for key in values:
            if key not in known:
                raise ValueError(f"tone has no setting {key!r}; it has {', '.join(sorted(known))}")
        if values.get("allow_faults", False) not in (True, False):
            raise ValueError("tone: allow_faults must be true or false")
        _check(values, "slots", 1, 4096, whole=True)
        _check(values, "first_audio_ms", 0, 600_000)
        _check(values, "rtf", 0, 100)
        _check(values, "step_ms", 1, 10_000)
        return cls(**values)

    @property
    def step_samples(self) -> int:
        """Samples of one chunk."""
        return round(self.step_ms * SAMPLE_RATE / 1000)

    def info(self) -> ModelInfo:
        """Give the manifest."""
        return ModelInfo(
            kind="speech",
            sample_rate=SAMPLE_RATE,
            languages=LANGUAGES,
            voices=tuple(VoiceInfo(id=name, name=timbre.title) for name, timbre in TIMBRES.items()),
            clones=True,
            speed=SPEED,
            words=True,
            streaming=True,
            determinism="exact",
            parameters=(Parameter("speed", "float", 1.0, *SPEED), *(_FAULTS if self.allow_faults else ())),
            limits=Limits(slots=self.slots, max_chars=MAX_CHARS, sample_s=SAMPLE_S),
            licence="Apache-2.0",
            revision="1",
        )


@dataclass(frozen=True, slots=True)
class Faults:
    """What a request asked to go wrong; chunks are counted when the listener has come back for the next one."""

    fail_after_chunks: int | None = None
    crash_after_chunks: int | None = None
    hang: bool = False

    @classmethod
    def of(cls, utterance: Utterance) -> Faults:
        """Read the faults of a request. Only for models that allow them."""
        given = utterance.parameters
        return cls(given.get("fail_after_chunks"), given.get("crash_after_chunks"), bool(given.get("hang")))


def speed_of(utterance: Utterance) -> float:
    """Give the speed of a request, 1 by default.

    Raises:
        InvalidRequest: It is no number in the model's range.
    """
    speed = utterance.parameters.get("speed", 1.0)
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not SPEED[0] <= speed <= SPEED[1]:
        raise InvalidRequest(f"speed must be a number from {SPEED[0]} to {SPEED[1]}", param="speed")
    return float(speed)


def _check(values: Mapping[str, Any], key: str, low: float, high: float, *, whole: bool = False) -> None:
    value = values.get(key, low)
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value) or not low <= value <= high:
        kind = "whole number" if whole else "number"
        raise ValueError(f"tone: {key} must be a {kind} from {low} to {high}, not {value!r}")
