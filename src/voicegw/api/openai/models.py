"""``/v1/models``: what a client may put into ``model``."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from voicegw.engine.router import Router


def model_routes(router: Router) -> APIRouter:
    """Make the routes that list models and their aliases; all were created when the server started."""
    routes = APIRouter()
    created = int(time.time())

    def entry(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": created, "owned_by": "voicegw"}

    @routes.get("/v1/models")
    async def models() -> Response:
        """List every model, then every alias of one."""
        aliases = [alias for alias, model in router.aliases.items() if model in router.pools]
        return JSONResponse({"object": "list", "data": [entry(name) for name in (*router.pools, *aliases)]})

    @routes.get("/v1/models/{model:path}")
    async def model(model: str) -> Response:
        """Give one model or alias; 404 ``model_not_found`` where there is none."""
        router.resolve(model)
        return JSONResponse(entry(model))

    return routes
