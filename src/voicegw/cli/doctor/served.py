"""A running server, asked from outside: does it answer, is it ready, how are its models, does it speak?"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from voicegw.cli.common import Refused, credentials, endpoint, told_by
from voicegw.cli.doctor.finding import Check, Finding

if TYPE_CHECKING:
    import httpx

    from voicegw.audio.format import AudioFormat

_TEXT: Final = "Hello."
_ANSWER_S: Final = 10.0
_SPEECH_S: Final = 60.0
_OK, _UNAVAILABLE, _NOT_FOUND = 200, 503, 404
_SERVING: Final = ("ready", "unloaded", "described")
_COMING: Final = ("declared", "loading")


@dataclass(slots=True)
class Server:
    """The server that is asked, and with which key; ``answers`` once it has answered."""

    url: str
    api_key: str | None = None
    answers: bool = False

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """Send one request; a path below the root, or below ``/v1`` with a body.

        Raises:
            Refused: There is no answer.
        """
        import httpx

        root = self.url.rstrip("/").removesuffix("/v1")
        url = f"{root}/{path}" if body is None else endpoint(self.url, path)
        method, within = ("GET", _ANSWER_S) if body is None else ("POST", _SPEECH_S)
        headers = credentials(self.api_key)
        try:
            return httpx.request(method, url, json=body, headers=headers, timeout=within, trust_env=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Refused(str(error) or type(error).__name__) from None


def answers(server: Server) -> Iterator[Finding]:
    """Is there a server, and is it one of speech?"""
    try:
        answer = server.ask("health")
    except Refused as error:
        yield Finding("server", "problem", f"no answer from {server.url}: {error}", "start it, or correct --url")
        return
    server.answers = answer.status_code == _OK and answer.text == "OK"
    if server.answers:
        yield Finding("server", "ok", f"{server.url} answers")
    else:
        found = f"{server.url} is another server: HTTP {answer.status_code} to GET /health"
        yield Finding("server", "problem", found, "correct --url, or the proxy before the server")


def models(server: Server) -> Iterator[Finding]:
    """Does it take work, and how are its models?"""
    if not server.answers:
        return
    told = server.ask("health/ready").json()
    if told["status"] == "ready":
        yield Finding("ready", "ok", f"takes work; {told['live_requests']} requests under way")
    else:
        advice = "wait for its models" if told["status"] == "not ready" else "it is being stopped; start it again"
        yield Finding("ready", "problem", f"takes no work: {told['status']}", advice)
    yield from (_model(name, entry) for name, entry in told["models"].items())


def _model(name: str, entry: Mapping[str, Any]) -> Finding:
    told = f"{entry['state']} {entry['detail'] or ''}".strip()
    if entry["state"] in _SERVING:
        return Finding(f"model {name}", "ok", told)
    if entry["state"] in _COMING:
        return Finding(f"model {name}", "warning", told, "wait")
    return Finding(f"model {name}", "problem", told, "the server's log says more; voicegw doctor on its machine, too")


def speech(server: Server) -> Iterator[Finding]:
    """Does it speak, in every format?"""
    from voicegw.audio.format import FORMATS

    if server.answers:
        yield from (_speech(server, target) for target in FORMATS)


def _speech(server: Server, target: AudioFormat) -> Finding:
    name = f"speech {target.name}"
    body = {"model": "tts-1", "voice": "alloy", "input": _TEXT, "response_format": target.name}
    begun = time.monotonic()
    try:
        answer = server.ask("audio/speech", body)
    except Refused as error:
        return Finding(name, "problem", f"broke off: {error}", "the server's log says why")
    took = time.monotonic() - begun
    if answer.status_code != _OK:
        advice = "give a key: --api-key, or VOICEGW_API_KEY" if answer.status_code in (401, 403) else ""
        return Finding(name, "problem", told_by(answer.status_code, answer.content), advice)
    seconds = _length(answer.content, target)
    if not seconds:
        return Finding(
            name, "problem", f"{len(answer.content)} bytes that are no {target.name}", "ask it without proxy"
        )
    spoken = f"{answer.headers.get('x-voicegw-model', '?')}: {seconds:.1f} s of audio in {took:.2f} s"
    return Finding(name, "ok", spoken)


def _length(data: bytes, target: AudioFormat) -> float:
    """Give the seconds of an audio file; 0 where it is none."""
    import av

    from voicegw.audio.format import OUTPUT_RATE, PCM

    if target is PCM:
        return 0.0 if len(data) % 2 else len(data) / 2 / OUTPUT_RATE
    try:
        with av.open(io.BytesIO(data), "r") as container:
            return float(sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0)))
    except (av.FFmpegError, IndexError):
        return 0.0


def metrics(server: Server) -> Iterator[Finding]:
    """Can it be watched? That is optional: where there are no metrics, nothing is said."""
    if not server.answers:
        return
    answer = server.ask("metrics")
    if answer.status_code == _OK:
        series = sum(bool(line) and not line.startswith("#") for line in answer.text.splitlines())
        yield Finding("metrics", "ok", f"{series} values at /metrics")
    elif answer.status_code != _NOT_FOUND:
        yield Finding("metrics", "warning", f"cannot be read: {told_by(answer.status_code, answer.content)}")


CHECKS: Final[tuple[Check[Server], ...]] = (
    ("server", answers),
    ("ready", models),
    ("speech", speech),
    ("metrics", metrics),
)
