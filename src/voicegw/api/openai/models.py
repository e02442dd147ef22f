"""``/models``: what a client may put into ``model``, and what each of these can do."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fastapi import APIRouter

from voicegw.api.described import answers
from voicegw.api.openai.shapes import ModelEntry, ModelList, SpeechModel, SpeechModels, model_entry
from voicegw.engine.pool import ModelPool
from voicegw.engine.router import Router


def model_routes(router: Router, input_chars: int) -> APIRouter:
    """Make the routes that list models and their aliases; all were created when the server started.

    Args:
        router: The models.
        input_chars: Characters that one request may hold.
    """
    routes = APIRouter(tags=["models"])
    created = int(time.time())

    @routes.get("/models", responses=answers(401, 429, 503), response_model_exclude_none=True)
    async def models() -> ModelList:
        """List every model with its manifest, then every alias of one."""
        entries = [model_entry(pool, created, input_chars) for pool in router.pools.values()]
        aliases = [
            ModelEntry(id=alias, created=created, state=pool.state.value, alias_of=pool.model_id)
            for alias, pool in _aliases(router)
        ]
        return ModelList(data=(*entries, *aliases))

    @routes.get("/models/{model:path}", responses=answers(401, 404, 429, 503), response_model_exclude_none=True)
    async def model(model: str) -> ModelEntry:
        """Give the manifest of one model, or of the one that an alias means."""
        pool = router.resolve(model)
        entry = model_entry(pool, created, input_chars)
        return entry.model_copy(update={"id": model, "alias_of": pool.model_id} if model != pool.model_id else {})

    @routes.get("/audio/models", responses=answers(401, 429, 503), response_model_exclude_none=True)
    async def speech_models() -> SpeechModels:
        """List the models that speak, then their aliases; the form that some applications look for."""
        named = [*((pool.model_id, pool) for pool in router.pools.values()), *_aliases(router)]
        return SpeechModels(models=tuple(_speech_model(name, pool) for name, pool in named if _speaks(pool)))

    return routes


def _aliases(router: Router) -> Iterator[tuple[str, ModelPool]]:
    return ((alias, router.pools[model]) for alias, model in router.aliases.items() if model in router.pools)


def _speaks(pool: ModelPool) -> bool:
    """Tell whether a model speaks; one that nobody has described yet may."""
    return pool.info is None or pool.info.kind == "speech"


def _speech_model(name: str, pool: ModelPool) -> SpeechModel:
    return SpeechModel(id=name, state=pool.state.value, alias_of=pool.model_id if name != pool.model_id else None)
