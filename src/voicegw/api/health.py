"""What an orchestrator asks: does the process live, and should it be sent work."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from voicegw.api.limits import Traffic
from voicegw.engine.pool import ModelPool
from voicegw.engine.router import Router
from voicegw.engine.spec import ModelState


def health_routes(router: Router, traffic: Traffic) -> APIRouter:
    """Make the routes below ``/health``; they are answered without a key, and while the server drains.

    Ready means: not draining, and every required model serves; where none is required, at least one does.
    """
    routes = APIRouter()

    @routes.get("/health")
    async def health() -> Response:
        """Answer ``OK``: the text by which some clients recognise a speech server."""
        return PlainTextResponse("OK")

    @routes.get("/health/live")
    async def live() -> Response:
        """Answer 200 while the event loop runs."""
        return JSONResponse({"status": "live"})

    @routes.get("/health/ready")
    async def ready() -> Response:
        """Answer 200 when the server should be sent work, else 503; the body says how every model is."""
        fit = not traffic.draining and serves(router)
        status = "ready" if fit else "draining" if traffic.draining else "not ready"
        models = {model: _told(pool) for model, pool in router.pools.items()}
        return JSONResponse(
            {"status": status, "live_requests": traffic.live, "models": models},
            HTTPStatus.OK if fit else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return routes


def serves(router: Router) -> bool:
    """Tell whether the models that matter can answer."""
    required = [pool for pool in router.pools.values() if pool.spec.required]
    if required:
        return all(_answers(pool) for pool in required)
    return any(_answers(pool) for pool in router.pools.values())


def _answers(pool: ModelPool) -> bool:
    """Tell whether a request would be served: also by a model that is out of memory until somebody wants it."""
    if pool.state is ModelState.DESCRIBED:
        return not pool.spec.preload
    return pool.state in (ModelState.READY, ModelState.UNLOADED)


def _told(pool: ModelPool) -> dict[str, Any]:
    return {"state": pool.state.value, "detail": pool.detail, "required": pool.spec.required}
