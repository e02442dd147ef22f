"""``/metrics``: what the gateway does, counted as it happens, for Prometheus and whatever reads its format.

Labels are ids of configured models, names of backends, templates of routes, and the reasons listed here: nothing that a
client can make up, no voice, no key, no tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from voicegw.api.probes import METRICS

FIRST_AUDIO_S: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5)
FIRST_TEXT_S: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
QUEUE_WAIT_S: Final = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
RTF: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 5)

REASONS: Final = {
    False: ("auth", "too_large", "rate_limit", "concurrency", "draining", "uploads"),
    True: ("queue_full", "deadline", "no_worker", "poison"),
}
"""Why requests are rejected: before a model is known, and where one is."""

_MODEL: Final = ("model", "backend")
_OPENMETRICS: Final = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """What is counted of one model."""

    first_audio: Histogram
    first_text: Histogram
    queue_wait: Histogram
    rtf: Histogram
    audio: Counter
    listened: Counter
    underruns: Counter


class Metrics:
    """Everything that is counted, in a registry of its own.

    Args:
        backends: Model id to the name of its backend, for all models.
    """

    def __init__(self, backends: Mapping[str, str]) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._backends = backends
        self._requests = self._counter("voicegw_requests", "Answers by route and status.", "route", "code")
        self._rejected = self._counter("voicegw_rejected", "Requests turned away before any audio.", "reason", *_MODEL)
        self._cancelled = self._counter("voicegw_cancelled", "Clients that left before all was said.", *_MODEL)
        self._broken = self._counter("voicegw_broken", "Answers broken off by a failure.", *_MODEL)
        self._models = self._of_models()
        for model in ("", *backends):  # a series that begins at 0 shows its first event
            self._cancelled.labels(*self._labels(model))
            self._broken.labels(*self._labels(model))
            for reason in REASONS[bool(model)]:
                self._rejected.labels(reason, *self._labels(model))

    def model(self, model: str) -> ModelMetrics:
        """Give what is counted of a model, by its id."""
        return self._models[model]

    def answered(self, route: str, status: int) -> None:
        """Count an answer; 499 stands for one that nobody waited for."""
        self._requests.labels(route, status).inc()

    def rejected(self, reason: str, model: str) -> None:
        """Count a request that was turned away; the model is "" where none was known yet."""
        self._rejected.labels(reason, *self._labels(model)).inc()

    def cancelled(self, model: str) -> None:
        """Count a client that left."""
        self._cancelled.labels(*self._labels(model)).inc()

    def broken(self, model: str) -> None:
        """Count an answer that was broken off."""
        self._broken.labels(*self._labels(model)).inc()

    def _labels(self, model: str) -> tuple[str, str]:
        return model, self._backends.get(model, "")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, _MODEL, buckets=buckets, registry=self.registry)

    def _of_models(self) -> dict[str, ModelMetrics]:
        first_audio = self._histogram(
            "voicegw_time_to_first_audio_seconds", "From a request for speech to its first audio.", FIRST_AUDIO_S
        )
        queue_wait = self._histogram("voicegw_queue_wait_seconds", "Waiting for a slot in a worker.", QUEUE_WAIT_S)
        first_text = self._histogram(
            "voicegw_time_to_first_text_seconds", "From a request for a transcription to what is heard.", FIRST_TEXT_S
        )
        rtf = self._histogram("voicegw_rtf", "A model's time for audio made or listened to, by its length.", RTF)
        audio = self._counter("voicegw_audio_seconds", "Audio made.", *_MODEL)
        listened = self._counter("voicegw_listened_seconds", "Audio listened to.", *_MODEL)
        underruns = self._counter("voicegw_underruns", "Times that a model fell behind a listener.", *_MODEL)
        return {
            model: ModelMetrics(
                first_audio=first_audio.labels(model, backend),
                first_text=first_text.labels(model, backend),
                queue_wait=queue_wait.labels(model, backend),
                rtf=rtf.labels(model, backend),
                audio=audio.labels(model, backend),
                listened=listened.labels(model, backend),
                underruns=underruns.labels(model, backend),
            )
            for model, backend in self._backends.items()
        }


def metric_routes(metrics: Metrics) -> APIRouter:
    """Make the route; it is answered while the server drains."""
    routes = APIRouter()

    @routes.get(METRICS, response_class=Response)
    async def scrape(request: Request) -> Response:
        """Give the metrics as text, in the form of OpenMetrics to whoever knows it."""
        accepted = request.headers.get("accept", "")
        encode, content_type = choose_encoder(f"{_OPENMETRICS}; version=1.0.0" if _OPENMETRICS in accepted else "")
        return Response(encode(metrics.registry), headers={"content-type": content_type})

    return routes
