"""The JSON of models and voices: the manifest as clients read it."""

from __future__ import annotations

from typing import Any, Final, Literal

from voicegw.api.described import Shape
from voicegw.api.openai.submitted import FORMATS as ANSWERS
from voicegw.audio.format import FORMATS
from voicegw.backend.manifest import ModelInfo, Parameter, VoiceInfo
from voicegw.engine.pool import ModelPool

_TASKS: Final = {"speech": "text-to-speech", "transcription": "automatic-speech-recognition"}


class VoiceEntry(Shape):
    """A voice; ``languages`` is empty where it speaks all those of its model."""

    id: str
    name: str
    languages: tuple[str, ...]
    gender: Literal["female", "male"] | None = None


class ListedVoice(VoiceEntry):
    """A voice in the list of many models'; with ``alias_of``, another name of one."""

    model: str
    alias_of: str | None = None


class ParameterEntry(Shape):
    """A parameter that the model declares, with its range."""

    name: str
    kind: Literal["float", "int", "bool", "str", "enum"]
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None


class LimitsEntry(Shape):
    """What the model takes; ``sample_s`` is the shortest and longest cloning sample in seconds."""

    input_chars: int
    slots: int
    sample_s: tuple[float, float] | None = None
    needs_transcript: bool = False


class ModelEntry(Shape):
    """A model. Until its worker has described it there is the state alone; ``speed`` is its native range."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "voicegw"
    alias_of: str | None = None
    state: str
    kind: str | None = None
    task: str | None = None
    sample_rate: int | None = None
    languages: tuple[str, ...] | None = None
    voices: tuple[VoiceEntry, ...] | None = None
    formats: tuple[str, ...] | None = None
    clones: bool | None = None
    speed: tuple[float, float] | None = None
    words: bool | None = None
    options: tuple[str, ...] | None = None
    ipa: bool | None = None
    streaming: bool | None = None
    determinism: str | None = None
    parameters: tuple[ParameterEntry, ...] | None = None
    limits: LimitsEntry | None = None
    licence: str | None = None
    revision: str | None = None


class ModelList(Shape):
    """All models, then their aliases."""

    object: Literal["list"] = "list"
    data: tuple[ModelEntry, ...]


class SpeechModel(Shape):
    """A name that ``/audio/speech`` takes as ``model``."""

    id: str
    state: str
    alias_of: str | None = None


class SpeechModels(Shape):
    """All of them."""

    models: tuple[SpeechModel, ...]


class VoiceList(Shape):
    """Voices, then their aliases."""

    voices: tuple[ListedVoice, ...]


def model_entry(pool: ModelPool, created: int, input_chars: int) -> ModelEntry:
    """Tell everything that is known of a model."""
    entry = ModelEntry(id=pool.model_id, created=created, state=pool.state.value)
    return entry if pool.info is None else entry.model_copy(update=_manifest(pool.info, input_chars))


def _manifest(info: ModelInfo, input_chars: int) -> dict[str, Any]:
    same = ("kind", "sample_rate", "languages", "clones", "speed", "words", "ipa", "streaming", "determinism")
    limits = info.limits
    return {
        **{name: getattr(info, name) for name in (*same, "licence", "revision")},
        "task": _TASKS.get(info.kind, info.kind),
        "voices": tuple(VoiceEntry(**voice_fields(voice)) for voice in info.voices),
        "formats": _formats(info),
        "options": info.options if info.kind == "transcription" else None,
        "parameters": tuple(_parameter(each) for each in info.parameters),
        "limits": LimitsEntry(
            input_chars=input_chars,
            slots=limits.slots,
            sample_s=limits.sample_s,
            needs_transcript=limits.needs_transcript,
        ),
    }


def _formats(info: ModelInfo) -> tuple[str, ...] | None:
    return {"speech": tuple(each.name for each in FORMATS), "transcription": ANSWERS["transcribe"]}.get(info.kind)


def _parameter(parameter: Parameter) -> ParameterEntry:
    return ParameterEntry(
        name=parameter.name,
        kind=parameter.kind,
        default=parameter.default,
        minimum=parameter.minimum,
        maximum=parameter.maximum,
        choices=parameter.choices or None,
    )


def voice_fields(voice: VoiceInfo) -> dict[str, Any]:
    """Give what every entry of a voice holds."""
    return {"id": voice.id, "name": voice.name, "languages": voice.languages, "gender": voice.gender}
