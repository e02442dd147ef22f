"""The application: settings are turned into an engine, services and routes here, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import metadata

import structlog
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from voicegw.api import errors
from voicegw.api.arrival import Pace, Patience
from voicegw.api.auth import Key, Keys
from voicegw.api.boundary import Boundary
from voicegw.api.cors import Cors
from voicegw.api.docs import docs_routes
from voicegw.api.exchange import Exchanges
from voicegw.api.gauges import Gauges
from voicegw.api.health import health_routes
from voicegw.api.limits import BodyLimit, BodySizes, Gate, Traffic
from voicegw.api.methods import Methods
from voicegw.api.metrics import Metrics, metric_routes
from voicegw.api.openai.azure import azure_routes
from voicegw.api.openai.models import model_routes
from voicegw.api.openai.speech import speech_routes
from voicegw.api.openai.transcribed import Intake
from voicegw.api.openai.transcriptions import transcription_routes
from voicegw.api.openai.voices import voice_routes
from voicegw.api.templates import Templates
from voicegw.api.tracing import Tracing
from voicegw.api.uploads import UploadSpace
from voicegw.audio.decode import Decoder
from voicegw.audio.offloop import encoding_threads
from voicegw.backend import discovery
from voicegw.engine.router import Router
from voicegw.engine.supervisor import Engine
from voicegw.services.results import Results
from voicegw.services.speech import SpeechPolicy, SpeechService
from voicegw.services.transcription import TranscriptionPolicy, TranscriptionService
from voicegw.settings import Limits, Settings
from voicegw.settings_load import lexicon_of

log = structlog.get_logger("voicegw.app")

DECODER = "decode"
"""Id of the model that makes audio of uploads."""
_DOCUMENT = "/openapi.json"

_PREFIXES = ("/v1", "", "/openai/v1", "/openai")
"""Below which OpenAI's routes are: as OpenAI has them, as some clients leave the version out, as Azure has them."""


def create_app(settings: Settings) -> FastAPI:
    """Make the application; its lifespan starts the models and ends them.

    ``app.state`` holds ``engine``, ``traffic``, ``router``, ``uploads`` and ``decoder`` for the server that runs it.

    Raises:
        CannotTrace: Tracing is on, and OpenTelemetry not installed.
        SettingsError: The lexicon cannot be used.
    """
    engine, router = _engine(settings)
    decoder = Decoder(settings.limits.decode_spec(), settings.limits.decode_engine(), settings.limits.decoded_s)
    traffic = Traffic()
    threads = encoding_threads()
    lexicon, results = lexicon_of(settings), _results(settings.limits)
    service = SpeechService(router, _policy(settings), threads, lexicon=lexicon, results=results)
    metrics = Metrics({model: pool.spec.backend for model, pool in router.pools.items()})
    metrics.registry.register(Gauges(router.pools, traffic))
    tracing = Tracing(settings.tracing.endpoint, settings.tracing.flush_s) if settings.tracing.enabled else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        try:
            await engine.start()
            await decoder.start()
            yield
        finally:
            await asyncio.gather(engine.close(), decoder.close(), *([tracing.close()] if tracing else []))
            threads.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title="voicegw",
        version=metadata.version("voicegw"),
        summary="One OpenAI-compatible speech server in front of pluggable speech models",
        openapi_url=_DOCUMENT,
        docs_url=None,  # those of the framework load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        # The framework's own would tell query strings and errors to whatever the environment names.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.engine, app.state.traffic, app.state.router = engine, traffic, router
    app.state.uploads = UploadSpace(settings.limits.upload_memory_bytes)
    app.state.decoder = decoder
    errors.install(app)
    templates = _add_routes(app, settings, service, _intake(settings, router, decoder, app.state.uploads), metrics)
    _add_layers(app, settings, Exchanges(templates, metrics, tracing.ended if tracing else None))
    return app


def _add_layers(app: FastAPI, settings: Settings, exchanges: Exchanges) -> None:
    """Add what a request passes through on its way to a route; what is added last is the outermost."""
    server = settings.server
    keys = [Key(key.sha256, key.account(), key.concurrent, key.requests_per_minute) for key in server.api_keys]
    app.add_middleware(Keys, keys=keys, public_discovery=server.public_discovery, public_metrics=server.public_metrics)
    pace = Pace(settings.limits.body_idle_s, settings.limits.body_bytes_per_s)
    app.add_middleware(Patience, pace=pace, traffic=app.state.traffic)
    app.add_middleware(BodyLimit, sizes=_sizes(settings))
    app.add_middleware(Gate, traffic=app.state.traffic)
    app.add_middleware(Methods)
    app.add_middleware(Boundary, exchanges=exchanges)
    if server.cors_origins:
        app.add_middleware(Cors, origins=server.cors_origins)


def _add_routes(
    app: FastAPI, settings: Settings, service: SpeechService, intake: Intake, metrics: Metrics
) -> Templates:
    """Add what can be asked for, and give the templates under which it is counted."""
    router: Router = app.state.router
    defaults = settings.defaults
    templates = Templates()
    key = [Depends(HTTPBearer(auto_error=False, scheme_name="API key"))] if settings.server.api_keys else []
    listing = [] if settings.server.public_discovery else key
    versioned = (
        (speech_routes(service, settings.limits.input_chars), key),
        (transcription_routes(intake, settings.limits.input_chars), key),
        (model_routes(router, settings.limits.input_chars), listing),
        (voice_routes(router, defaults.speech, defaults.language, settings.voice_aliases), listing),
    )
    for routes, needed in (
        (health_routes(router, app.state.traffic), []),
        (metric_routes(metrics), [] if settings.server.public_metrics else key),
        (docs_routes(app.title), []),
    ):
        app.include_router(routes, dependencies=needed)
        templates.add(routes)
    for prefix in _PREFIXES:
        shown = prefix == _PREFIXES[0]
        for routes, needed in versioned:
            app.include_router(routes, prefix=prefix, include_in_schema=shown, dependencies=needed)
            templates.add(routes, prefix, shown=_PREFIXES[0])
    azure = azure_routes(service, intake)
    app.include_router(azure, include_in_schema=False)
    templates.add(azure, shown=_PREFIXES[0])
    templates.add_path(_DOCUMENT, _DOCUMENT)
    return templates


def _engine(settings: Settings) -> tuple[Engine, Router]:
    """Make pools for the models whose backend is there, and remember the others to tell how to install them."""
    specs = [model.spec() for model in settings.models]
    present = discovery.present(specs)
    missing = {spec.id: spec.backend for spec in specs if spec not in present}
    for model, backend in missing.items():
        log.warning("backend_not_installed", model=model, backend=backend, install=f"make install BACKENDS={backend}")
    engine = Engine(present, settings.limits.engine())
    return engine, Router(engine.pools, settings.all_aliases(), missing, settings.without_model())


def _intake(settings: Settings, router: Router, decoder: Decoder, uploads: UploadSpace) -> Intake:
    limits = settings.limits
    policy = TranscriptionPolicy(limits.input_chars, limits.decoded_s, limits.first_audio_s)
    service = TranscriptionService(router, decoder, policy)
    return Intake(service, _sizes(settings), uploads)


def _sizes(settings: Settings) -> BodySizes:
    return BodySizes(settings.limits.json_bytes, settings.limits.upload_bytes)


def _policy(settings: Settings) -> SpeechPolicy:
    return SpeechPolicy(
        language=settings.defaults.language,
        voice_aliases=settings.voice_aliases,
        input_chars=settings.limits.input_chars,
        first_audio_s=settings.limits.first_audio_s,
    )


def _results(limits: Limits) -> Results | None:
    return Results(limits.result_cache_bytes, limits.result_cache_s) if limits.result_cache_s else None
