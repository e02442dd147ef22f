"""The application: settings are turned into an engine, services and routes here, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from voicegw.api import errors
from voicegw.api.boundary import Boundary
from voicegw.api.health import health_routes
from voicegw.api.limits import BodyLimit, Gate, Traffic
from voicegw.api.openai.models import model_routes
from voicegw.api.openai.speech import speech_routes
from voicegw.audio.offloop import encoding_threads
from voicegw.backend import discovery
from voicegw.engine.router import Router
from voicegw.engine.supervisor import Engine
from voicegw.services.speech import SpeechPolicy, SpeechService
from voicegw.settings import Settings

log = structlog.get_logger("voicegw.app")


def create_app(settings: Settings) -> FastAPI:
    """Make the application; its lifespan starts the models and ends them.

    ``app.state`` holds ``engine``, ``traffic`` and ``router`` for the server that runs it.
    """
    engine, router = _engine(settings)
    traffic = Traffic()
    threads = encoding_threads()
    service = SpeechService(router, _policy(settings), threads)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        try:
            await engine.start()
            yield
        finally:
            await engine.close()
            threads.shutdown(wait=False, cancel_futures=True)

    # No documentation pages: they would load their scripts from elsewhere.
    app = FastAPI(title="voicegw", openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    app.state.engine, app.state.traffic, app.state.router = engine, traffic, router
    errors.install(app)
    app.add_middleware(BodyLimit, most=settings.limits.json_bytes)
    app.add_middleware(Gate, traffic=traffic)
    app.add_middleware(Boundary)  # added last: outermost
    for routes in (health_routes(router, traffic), model_routes(router), speech_routes(service)):
        app.include_router(routes)
    return app


def _engine(settings: Settings) -> tuple[Engine, Router]:
    """Make pools for the models whose backend is there, and remember the others to tell how to install them."""
    here = {backend.name for backend in discovery.installed()}
    specs = [model.spec() for model in settings.models]
    present = [spec for spec in specs if spec.python or spec.backend in here]
    missing = {spec.id: spec.backend for spec in specs if spec not in present}
    for model, backend in missing.items():
        log.warning("backend_not_installed", model=model, backend=backend, install=f"make install BACKENDS={backend}")
    engine = Engine(present, settings.limits.engine())
    return engine, Router(engine.pools, settings.all_aliases(), missing)


def _policy(settings: Settings) -> SpeechPolicy:
    return SpeechPolicy(
        language=settings.defaults.language,
        voice_aliases=settings.voice_aliases,
        input_chars=settings.limits.input_chars,
        first_audio_s=settings.limits.first_audio_s,
    )
