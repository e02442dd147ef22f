"""One request and its answer as those see it who watch the gateway: times, counts, an outcome; never text, never a key.

The outermost layer makes an :class:`Exchange` of every request, whoever speaks for it notes what becomes of the speech,
and in the end it is counted, logged, and told to the traces where they are wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import structlog
from starlette.types import Scope

from voicegw.api.metrics import Metrics, ModelMetrics
from voicegw.api.probes import is_probe
from voicegw.api.templates import Templates
from voicegw.errors import VoicegwError

Outcome: TypeAlias = Literal["ok", "refused", "failed", "broken", "cancelled", "aborted"]
"""``refused`` tells the client why, and perhaps when to come back; ``failed`` is the server's fault; what is ``broken``
failed after the answer had begun. A client ended what is ``cancelled``, the server's own end what is ``aborted``."""

NOT_WAITED_FOR: Final = 499
_ERROR, _INTERNAL, _UNAVAILABLE, _TIMEOUT = 400, 500, 503, 504

_REASONS: Final = {401: "auth", 408: "stalled", 413: "too_large", 429: "queue_full", 503: "no_worker", 504: "deadline"}
_FINER_REASONS: Final = {
    (429, "rate_limit_exceeded"): "rate_limit",
    (429, "concurrency_limit_exceeded"): "concurrency",
    (503, "shutting_down"): "draining",
    (503, "uploads_full"): "uploads",
    (500, "poison_request"): "poison",
}
_log = structlog.get_logger("voicegw.api")


class Exchange:
    """One request and its answer; it watches the one speech or transcription in it.

    Times are monotonic seconds, 0 where something has not happened.

    Attributes:
        request_id: The client's own, or made here.
        method: Of HTTP, as it was sent.
        route: The template of its path.
        began_ns: When it began, by the wall clock.
        began: The same, monotonic.
        ended: When it was over.
        status: Sent to the client; 0 where nothing was.
        outcome: What became of it.
        error: What went wrong, unless the client left.
        model: Id of the model that was asked, "" where none was.
        transcribes: Whether it was asked to listen.
        characters: Length of the text to speak.
        asked_at: When the model was asked.
        admitted_at: When the first utterance got its slot.
        waited_s: Seconds of that in a worker's queue.
        heard_at: When the first audio existed.
        told_at: When the first text of a transcription did.
        audio_s: Seconds of audio that were made, or listened to.
        underruns: How often the model fell behind its listener.
    """

    def __init__(self, request_id: str, method: str, route: str, metrics: Metrics) -> None:
        self.request_id = request_id
        self.method = method
        self.route = route
        self.began_ns = time.time_ns()
        self.began = time.monotonic()
        self.ended = 0.0
        self.status = 0
        self.outcome: Outcome = "ok"
        self.error: Exception | None = None
        self.model = ""
        self.transcribes = False
        self.characters = 0
        self.asked_at = self.admitted_at = self.heard_at = self.told_at = 0.0
        self.waited_s = self.audio_s = 0.0
        self.underruns = 0
        self._metrics = metrics
        self._of_model: ModelMetrics  # once a model is asked

    def answered(self, status: int) -> None:
        """Note the status that is sent."""
        self.status = status
        if status >= _ERROR:
            ours = status >= _INTERNAL and status not in (_UNAVAILABLE, _TIMEOUT)
            self.outcome = "failed" if ours else "refused"

    def failed(self, error: Exception) -> None:
        """Note what went wrong, before it is answered."""
        self.error = error
        if self.status:
            self.outcome = "broken"

    def gone(self, outcome: Literal["cancelled", "aborted"]) -> None:
        """Note that nobody waits for the answer any more."""
        self.outcome = outcome

    def asked(self, model: str, characters: int) -> None:
        """Note which model is to speak."""
        self.model, self.characters = model, characters
        self.asked_at = time.monotonic()
        self._of_model = self._metrics.model(model)

    def listens(self, model: str) -> None:
        """Note which model is to listen."""
        self.asked(model, 0)
        self.transcribes = True

    def admitted(self, waited_s: float) -> None:
        """Note that it has a slot, or its first utterance has."""
        self.admitted_at, self.waited_s = time.monotonic(), waited_s
        self._of_model.queue_wait.observe(waited_s)

    def heard(self) -> None:
        """Note the first audio."""
        self.heard_at = time.monotonic()
        self._of_model.first_audio.observe(self.heard_at - self.asked_at)

    def made(self, audio_s: float, took_s: float | None) -> None:
        """Note the audio of an utterance."""
        self.audio_s += audio_s
        self._of_model.audio.inc(audio_s)
        if took_s is not None:
            self._of_model.rtf.observe(took_s / audio_s)

    def told(self) -> None:
        """Note the first text."""
        self.told_at = time.monotonic()
        self._of_model.first_text.observe(self.told_at - self.asked_at)

    def listened(self, audio_s: float, took_s: float | None) -> None:
        """Note the audio of a transcription."""
        self.audio_s += audio_s
        self._of_model.listened.inc(audio_s)
        if took_s is not None and audio_s:
            self._of_model.rtf.observe(took_s / audio_s)

    def ran_dry(self) -> None:
        """Note that the model fell behind."""
        self.underruns += 1
        self._of_model.underruns.inc()

    @property
    def code(self) -> str | None:
        """The machine-readable name of what went wrong."""
        return None if self.error is None else getattr(self.error, "code", VoicegwError.default_code)

    @property
    def reason(self) -> str | None:
        """Why it was rejected, one of :data:`voicegw.api.metrics.REASONS`; None where it was not."""
        if self.outcome not in ("refused", "failed"):
            return None
        return _FINER_REASONS.get((self.status, self.code or "")) or _REASONS.get(self.status)


class Exchanges:
    """Makes the exchanges and tells of each when it is over.

    Args:
        templates: The routes.
        metrics: Where they are counted.
        trace: Told of each one, with its scope.
    """

    def __init__(
        self, templates: Templates, metrics: Metrics, trace: Callable[[Exchange, Scope], None] | None = None
    ) -> None:
        self._templates = templates
        self._metrics = metrics
        self._trace = trace

    def begin(self, scope: Scope, request_id: str) -> Exchange:
        """Make an exchange of a request."""
        return Exchange(request_id, scope["method"], self._templates.of(scope["path"]), self._metrics)

    def end(self, exchange: Exchange, scope: Scope) -> None:
        """Count it, log it, trace it. Of questions about the server itself only refusals are counted."""
        exchange.ended = time.monotonic()
        self._count(exchange, probe=is_probe(scope["path"]))
        if not is_probe(scope["path"]):
            _log.info("request", **_told(exchange))
            if self._trace is not None:
                self._trace(exchange, scope)

    def _count(self, exchange: Exchange, *, probe: bool) -> None:
        metrics, reason = self._metrics, exchange.reason
        if not probe:
            metrics.answered(exchange.route, exchange.status or NOT_WAITED_FOR)
        if reason is not None and not (probe and exchange.error is None):
            metrics.rejected(reason, exchange.model)
        elif exchange.outcome == "cancelled":
            metrics.cancelled(exchange.model)
        elif exchange.outcome == "broken":
            metrics.broken(exchange.model)


def _told(exchange: Exchange) -> dict[str, Any]:
    told: dict[str, Any] = {
        "request_id": exchange.request_id,
        "route": exchange.route,
        "status": exchange.status or NOT_WAITED_FOR,
        "outcome": exchange.outcome,
        "took_s": round(exchange.ended - exchange.began, 4),
    }
    if exchange.error is not None:
        told["code"] = exchange.code
    if exchange.model:
        told |= {"model": exchange.model, "characters": exchange.characters, "audio_s": round(exchange.audio_s, 3)}
    if exchange.admitted_at:
        told["queue_s"] = round(exchange.waited_s, 4)
    if exchange.heard_at:
        told |= {"ttfa_s": round(exchange.heard_at - exchange.asked_at, 4), "underruns": exchange.underruns}
    if exchange.told_at:
        told["first_text_s"] = round(exchange.told_at - exchange.asked_at, 4)
    return told
