"""``/audio/voices``: what a client may put into ``voice``."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter

from voicegw.api.described import answers
from voicegw.api.openai.shapes import ListedVoice, VoiceList, voice_fields
from voicegw.backend.manifest import ModelInfo, VoiceInfo
from voicegw.engine.pool import ModelPool
from voicegw.engine.router import Router
from voicegw.errors import InvalidRequest
from voicegw.services.casting import OPENAI_VOICES, VoiceAliases, cast, closest


def voice_routes(router: Router, default_model: str, default_language: str, aliases: VoiceAliases) -> APIRouter:
    """Make the route that lists voices.

    Args:
        router: The models.
        default_model: Where no model is asked for, aliases of voices are listed for this one only: the others' would
            have the same names.
        default_language: Of an alias, where the request names no language.
        aliases: Further names of voices.
    """
    routes = APIRouter(tags=["audio"])

    @routes.get("/audio/voices", responses=answers(401, 404, 429, 503), response_model_exclude_none=True)
    async def voices(model: str | None = None, language: str | None = None) -> VoiceList:
        """List the voices of all models, or of one, and then the other names by which they are known.

        Among these are OpenAI's thirteen, with the voice that each of them means. With a language, only the voices
        that speak it are listed.
        """
        asked = [router.resolve(model)] if model else [*router.pools.values()]
        own = [voice for pool in asked for voice in _voices(pool, language)]
        named = router.resolve(model) if model else router.pools.get(default_model)
        others = _others(named, language, default_language, aliases) if named is not None else ()
        return VoiceList(voices=(*own, *others))

    return routes


def _voices(pool: ModelPool, language: str | None) -> Iterator[ListedVoice]:
    info = pool.info
    for voice in info.voices if info else ():
        if info is not None and _speaks(info, voice, language):
            yield ListedVoice(model=pool.model_id, **voice_fields(voice))


def _speaks(info: ModelInfo, voice: VoiceInfo, language: str | None) -> bool:
    tags = voice.languages or info.languages
    return not language or not tags or closest(language, tags) is not None


def _others(
    pool: ModelPool, language: str | None, default_language: str, aliases: VoiceAliases
) -> Iterator[ListedVoice]:
    """Give the aliases of a model's voices, each with what a request in that language would get."""
    info = pool.info
    if info is None:
        return
    own = {voice.id: voice for voice in info.voices}
    tables = aliases.get(pool.model_id, {}).values()
    names = dict.fromkeys((*(alias for table in tables for alias in table), *OPENAI_VOICES))
    for name in (name for name in names if name not in own):
        voice = own.get(_meant(pool.model_id, info, name, language or default_language, aliases) or "")
        if voice is not None and _speaks(info, voice, language):
            fields = {**voice_fields(voice), "id": name, "name": name.title()}
            yield ListedVoice(model=pool.model_id, alias_of=voice.id, **fields)


def _meant(model_id: str, info: ModelInfo, alias: str, language: str, aliases: VoiceAliases) -> str | None:
    """Give the voice that an alias means; None where it means none in that language."""
    try:
        chosen = cast(model_id, info, voice=alias, language=None, speed=1.0, default_language=language, aliases=aliases)
    except InvalidRequest:
        return None
    return chosen.voice
