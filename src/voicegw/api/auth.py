"""Who may ask, and on whose account: keys are known by their hashes only, and appear in no log and no answer."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicegw.api.allowance import Allowance
from voicegw.api.probes import METRICS, is_health
from voicegw.errors import Unauthorized

_DISCOVERY = re.compile(r"(/openai)?(/v1)?/(models(/.+)?|audio/(models|voices))|/docs(/.*)?|/redoc|/openapi\.json")
_BEARER = re.compile(rb"bearer +(\S+) *", re.IGNORECASE)
_POLICY_VIOLATION = 1008


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is known here.

    Attributes:
        sha256: Of the key, in hexadecimal; the key itself is nowhere.
        tenant: Whose requests these are: those with the same one share a place in the round of fairness.
        concurrent: Requests at the same time; None = any number.
        requests_per_minute: None = any number.
    """

    sha256: str
    tenant: str
    concurrent: int | None = None
    requests_per_minute: int | None = None


class Keys:
    """ASGI middleware: 401 without a known key, 429 beyond what it is granted.

    It puts the key's tenant into ``scope["state"]["tenant"]``, and the headers that say what is left of its allowance
    into ``scope["state"]["headers"]``, from where every answer gets them.

    Args:
        app: The application.
        keys: All of them; () lets everybody in.
        public_discovery: Whether models, voices and documentation are listed without a key. Health always is.
        public_metrics: Whether ``/metrics`` is answered without one.
    """

    def __init__(
        self, app: ASGIApp, keys: Sequence[Key], *, public_discovery: bool = True, public_metrics: bool = True
    ) -> None:
        self._app = app
        self._known = [(key.sha256.lower(), key, Allowance(key.concurrent, key.requests_per_minute)) for key in keys]
        self._public_discovery = public_discovery
        self._public_metrics = public_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if not self._known or scope["type"] == "lifespan" or self._open(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._counted(scope, receive, send)
        elif self._find(given(scope)) is None:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await self._app(scope, receive, send)

    def _open(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET":
            return False
        path = scope["path"]
        if path == METRICS:
            return self._public_metrics
        return is_health(path) or (self._public_discovery and _DISCOVERY.fullmatch(path) is not None)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        key, allowance = self._identified(scope)
        state = scope.setdefault("state", {})
        state["tenant"] = key.tenant
        try:
            allowance.enter()
        finally:
            state["headers"] = [*allowance.headers()]
        place = _Place(allowance, send)
        try:
            await self._app(scope, receive, place.send)
        finally:
            place.leave()

    def _identified(self, scope: Scope) -> tuple[Key, Allowance]:
        key = given(scope)
        found = self._find(key)
        if found is None:
            wrong = "Incorrect API key provided." if key else "You did not provide an API key."
            raise Unauthorized(f"{wrong} Send it in the header 'Authorization: Bearer KEY', or 'api-key: KEY'.")
        return found

    def _find(self, key: bytes) -> tuple[Key, Allowance] | None:
        """Find a key, in a time that tells nothing of how much of it was right: every known one is compared."""
        digest = hashlib.sha256(key).hexdigest()
        matching = [(each, allowance) for sha256, each, allowance in self._known if hmac.compare_digest(sha256, digest)]
        return matching[0] if matching and key else None


class _Place:
    """What one answer takes of an allowance, given back with its last byte.

    Not after it: whoever asks again as soon as the answer is whole would find it still counted.
    """

    def __init__(self, allowance: Allowance, send: Send) -> None:
        self._allowance: Allowance | None = allowance
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.leave()
        await self._send(message)

    def leave(self) -> None:
        """Give it back; safe to call again."""
        if self._allowance is not None:
            self._allowance.leave()
            self._allowance = None


def given(scope: Scope) -> bytes:
    """Give the key that a request carries, as OpenAI's clients send it or as Azure's do; empty where it has none."""
    headers = dict(reversed(scope["headers"]))
    bearer = _BEARER.fullmatch(headers.get(b"authorization", b""))
    return bearer[1] if bearer else bytes(headers.get(b"api-key", b"")).strip()
