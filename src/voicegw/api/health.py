"""What an orchestrator asks: does the process live, and should it be sent work."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from voicegw.api.described import Shape, answers, headers_of
from voicegw.api.limits import Traffic
from voicegw.engine.pool import ModelPool
from voicegw.engine.router import Router
from voicegw.engine.spec import ModelState


class Live(Shape):
    """The process lives."""

    status: Literal["live"]


class ModelHealth(Shape):
    """How one model is; ``detail`` is the progress of loading, or why it failed."""

    state: str
    detail: str
    required: bool


class Readiness(Shape):
    """Whether the server should be sent work, and how every model is."""

    status: Literal["ready", "not ready", "draining"]
    live_requests: int
    models: dict[str, ModelHealth]


def health_routes(router: Router, traffic: Traffic) -> APIRouter:
    """Make the routes below ``/health``; they are answered without a key, and while the server drains.

    Ready means: not draining, and every required model serves; where none is required, at least one does.
    """
    routes = APIRouter(tags=["health"])
    unready = {"model": Readiness, "description": "It should not be sent work.", "headers": headers_of(200)}

    @routes.get("/health", response_class=PlainTextResponse, responses=answers())
    async def health() -> str:
        """Answer ``OK``: the text by which some clients recognise a speech server."""
        return "OK"

    @routes.get("/health/live", response_model=Live, responses=answers())
    async def live() -> Response:
        """Answer 200 while the event loop runs."""
        return JSONResponse({"status": "live"})

    @routes.get("/health/ready", response_model=Readiness, responses={**answers(), 503: unready})
    async def ready(response: Response) -> Readiness:
        """Answer 200 when the server should be sent work, else 503; the body says how every model is."""
        fit = not traffic.draining and serves(router)
        response.status_code = HTTPStatus.OK if fit else HTTPStatus.SERVICE_UNAVAILABLE
        return Readiness(
            status="ready" if fit else "draining" if traffic.draining else "not ready",
            live_requests=traffic.live,
            models={model: _told(pool) for model, pool in router.pools.items()},
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


def _told(pool: ModelPool) -> ModelHealth:
    return ModelHealth(state=pool.state.value, detail=pool.detail, required=pool.spec.required)
