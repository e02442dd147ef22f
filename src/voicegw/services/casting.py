"""Who speaks: the voice, language and speed that a request gets from a model, and what is said about the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from voicegw.backend.manifest import ModelInfo, VoiceInfo
from voicegw.errors import InvalidRequest

OPENAI_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
)
"""The built-in voices of OpenAI, in the order of its documentation: names that clients send to any server."""

VoiceAliases: TypeAlias = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Model id to language tag (or ``*``) to alias to one of the model's voices."""

_LISTED_VOICES = 20


@dataclass(frozen=True, slots=True)
class Cast:
    """What a model is asked for.

    Attributes:
        voice: Built-in voice of the model; None where it has none.
        language: One of the model's own tags; None = the voice's own.
        speed: Within the model's native range; None = not to be mentioned.
        stretch: The factor by which its audio is then still to be sped up, the pitch kept.
        warnings: What the client asked for and does not get, one clause each.
    """

    voice: str | None
    language: str | None
    speed: float | None
    stretch: float = 1.0
    warnings: tuple[str, ...] = ()


def closest(language: str, tags: Sequence[str]) -> str | None:
    """Give the tag that serves ``language``: the same one, else one that extends it, else one of its base language.

    Tags are compared as BCP 47 has it, without regard to case; ``_`` counts as ``-``.
    """
    wanted = _plain(language)
    ranked = [(_distance(wanted, _plain(tag)), tag) for tag in tags]
    near = [each for each in ranked if each[0] < _STRANGER]
    return min(near, key=lambda each: each[0])[1] if near else None


_STRANGER = 3


def _distance(wanted: str, tag: str) -> int:
    if tag == wanted:
        return 0
    if tag.startswith(f"{wanted}-"):
        return 1
    return 2 if tag.partition("-")[0] == wanted.partition("-")[0] else _STRANGER


def _plain(tag: str) -> str:
    return tag.replace("_", "-").lower()


def speakers(info: ModelInfo, language: str | None) -> tuple[VoiceInfo, ...]:
    """List the model's voices of a language, those with the closest tag first; all voices where nobody speaks it."""
    if language is None:
        return info.voices
    wanted = _plain(language)
    exact = tuple(voice for voice in info.voices if any(_plain(tag) == wanted for tag in voice.languages))
    if exact:
        return exact
    found = tuple(voice for voice in info.voices if not voice.languages or closest(language, voice.languages))
    return found or info.voices


def cast(
    model_id: str,
    info: ModelInfo,
    *,
    voice: str | None,
    language: str | None,
    speed: float,
    default_language: str,
    aliases: VoiceAliases,
) -> Cast:
    """Choose voice, language and speed for a request.

    A voice of the model, by its id or else its name, wins over an alias; an alias that means a voice which the model
    lacks is passed over, and named in the warnings. The language is the request's, else the voice's, else the default
    one.

    Raises:
        InvalidRequest: ``voice`` is neither a voice of the model nor an alias; the message lists some.
    """
    tag = closest(language, info.languages) if language and info.languages else language
    chosen, passed_over = _voice(model_id, info, voice, language or default_language, aliases)
    lacking = (f"language {language} is not one of {model_id}, spoken all the same",) if language and not tag else ()
    native = _native_speed(info, speed)
    return Cast(
        chosen,
        tag or _voice_language(info, chosen, default_language),
        speed=None if native == 1 else native,
        stretch=speed / native,
        warnings=(*passed_over, *lacking),
    )


def _voice(
    model_id: str, info: ModelInfo, voice: str | None, language: str, aliases: VoiceAliases
) -> tuple[str | None, tuple[str, ...]]:
    """Choose a voice, and say so where an alias could not be followed."""
    if (own := _own(info, voice)) is not None:
        return own, ()
    configured = _configured(aliases.get(model_id, {}), language, voice)
    if configured in {each.id for each in info.voices}:
        return configured, ()
    if voice is not None and configured is None and voice not in OPENAI_VOICES:
        raise InvalidRequest(_unknown_voice(model_id, info, voice), param="voice", code="voice_not_found")
    found = _stand_in(info, voice, language)
    if configured is None:
        return found, ()
    return found, (f"voice {voice} means {configured}, which {model_id} lacks; {found or 'its only voice'} used",)


def _stand_in(info: ModelInfo, voice: str | None, language: str) -> str | None:
    """Choose among the voices of a language: one for each of OpenAI's names, the first one for all else."""
    candidates = speakers(info, language)
    place = OPENAI_VOICES.index(voice) if voice in OPENAI_VOICES else 0
    return candidates[place % len(candidates)].id if candidates else None


def _own(info: ModelInfo, voice: str | None) -> str | None:
    """Find a voice of the model by its id, else by its name: some clients send what a list shows to people."""
    known = {**{each.name: each.id for each in reversed(info.voices)}, **{each.id: each.id for each in info.voices}}
    return known.get(voice) if voice else None


def _configured(table: Mapping[str, Mapping[str, str]], language: str, alias: str | None) -> str | None:
    tag = closest(language, [key for key in table if key != "*"])
    for key in (tag, "*"):
        if alias is not None and key is not None and alias in table.get(key, {}):
            return table[key][alias]
    return None


def _unknown_voice(model_id: str, info: ModelInfo, voice: str) -> str:
    names = [each.id for each in info.voices][:_LISTED_VOICES]
    more = f" and {len(info.voices) - len(names)} more" if len(info.voices) > len(names) else ""
    listed = f"its voices: {', '.join(names)}{more}" if names else "it has no voices to choose from"
    return f"Voice {voice[:100]!r} is not known to model {model_id!r}; {listed}. The OpenAI voice names work as well."


def _voice_language(info: ModelInfo, voice: str | None, default: str) -> str | None:
    for each in info.voices:
        if each.id == voice and each.languages:
            return closest(each.languages[0], info.languages) if info.languages else each.languages[0]
    return closest(default, info.languages)


def _native_speed(info: ModelInfo, speed: float) -> float:
    """Give the part of a speed that is the model's own; 1 where its range, if any, leaves that out."""
    low, high = info.speed or (1.0, 1.0)
    return min(max(speed, low), high) if low <= 1 <= high else 1.0
