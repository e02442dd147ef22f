"""What the settings say, and whether it can be so: files, address, certificate, lexicon, models."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from voicegw.cli.common import Refused, described, settings_from
from voicegw.cli.doctor.finding import Check, Finding

if TYPE_CHECKING:
    from voicegw.backend import ModelInfo
    from voicegw.settings import Model, Settings

_EXPIRES_SOON_S: Final = 14 * 86_400
_ANSWER_S: Final = 2.0
_START_S: Final = 20.0
_LOOPBACK: Final = ("127.", "localhost", "::1", "[::1]")
_OURS: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Variables that a worker of another environment does not get."""

_PROBE: Final = """
import sys
print(sys.version.split()[0])
if sys.version_info < (3, 11):
    sys.exit()
import importlib.metadata, importlib.util
lacks = [name for name in ("numpy", "msgpack") if importlib.util.find_spec(name) is None]
print(",".join(lacks) or "-")
print(sys.argv[1] in [each.name for each in importlib.metadata.entry_points(group="voicegw.backends")])
"""
_ANSWERS: Final = 2


@dataclass(slots=True)
class Setup:
    """What is configured; ``infos`` holds the manifests of the models, or why there is none, once they were asked."""

    settings: Settings
    infos: dict[str, ModelInfo | str] = field(default_factory=dict)

    @property
    def devices(self) -> list[str]:
        """All devices that models name, each once."""
        return sorted({device for model in self.settings.models for device in model.devices})

    @property
    def workers(self) -> int:
        """How many workers will run."""
        return sum(workers_of(model) for model in self.settings.models)


def workers_of(model: Model) -> int:
    """Give how many workers a model has on all its devices."""
    return model.workers * max(1, len(model.devices))


def read(config: Path | None) -> tuple[Finding, Setup | None]:
    """Load the settings as the server would; nothing to look at where they cannot be used."""
    try:
        loaded = settings_from(config)
    except Refused as refusal:
        return Finding("settings", "problem", "; ".join(refusal.lines), "voicegw config shows what is in force"), None
    others = sorted({name for name in loaded.origins.values() if name != str(loaded.file)})
    also = f" and {', '.join(others)}" if others else ""
    return Finding("settings", "ok", f"{loaded.file or 'no file, the defaults'}{also}"), Setup(loaded.settings)


def address(given: Setup) -> Iterator[Finding]:
    """Is the port free, or who has it? And who can reach it?"""
    from voicegw.server import CannotListen, bind, url_of

    server = given.settings.server
    where = f"{server.host} port {server.port}"
    try:
        for each in bind(server.host, server.port):
            each.close()
        yield Finding("address", "ok", f"{where} is free" if server.port else f"{server.host}, any free port")
    except CannotListen as error:
        yield _taken(url_of(server, server.port), str(error))
    if not server.api_keys and not server.host.startswith(_LOOPBACK):
        found = f"{server.host} is open to the network, and everybody is served"
        yield Finding("keys", "warning", found, "voicegw keys new makes a key for server.api_keys")


def _taken(url: str, why: str) -> Finding:
    """Tell who has the port: this very server, perhaps."""
    import httpx

    try:
        answer = httpx.get(f"{url}/health/ready", timeout=_ANSWER_S, verify=False, trust_env=False)  # noqa: S501 - no secret
    except httpx.HTTPError:
        return Finding("address", "problem", why)
    if answer.headers.get("content-type") == "application/json" and "live_requests" in answer.json():
        found = f"a voicegw that runs already answers at {url}"
        return Finding("address", "warning", found, f"look at it with: voicegw doctor --url {url}")
    server = answer.headers.get("server", "another HTTP server")
    return Finding("address", "problem", f"{server} answers there", why)


def certificate(given: Setup) -> Iterator[Finding]:
    """Do certificate and key belong together, and for how long?"""
    server = given.settings.server
    if server.tls_cert is None or server.tls_key is None:
        return
    again = "get a new certificate, and name it and its key in server.tls_cert and server.tls_key"
    try:
        left = _valid_until(server.tls_cert, server.tls_key) - time.time()
    except ssl.SSLCertVerificationError as error:
        yield Finding("certificate", "problem", f"{server.tls_cert}: {error.verify_message}", again)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        found = f"{server.tls_cert} and {server.tls_key} cannot be used: {reason}"
        yield Finding("certificate", "problem", found, "both must be PEM, the key without a password")
    else:
        verdict = Finding("certificate", "ok", f"{server.tls_cert}, for {left / 86_400:.0f} more days")
        soon = Finding("certificate", "warning", f"{server.tls_cert} ends in {left / 86_400:.0f} days", again)
        yield verdict if left > _EXPIRES_SOON_S else soon


def _valid_until(cert: Path, key: Path) -> float:
    """Shake hands with the certificate in memory, trusting it alone; gives the end of its validity in seconds of POSIX.

    Raises:
        ssl.SSLError: They do not fit together, are no PEM, or a client would refuse the certificate.
        OSError: A file cannot be read.
        ValueError: The key has a password.
    """

    def no_password() -> str:
        raise ValueError("the key has a password")

    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.load_cert_chain(cert, key, no_password)
    theirs.check_hostname = False
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    theirs.load_verify_locations(cert)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = theirs.wrap_bio(down, up), ours.wrap_bio(up, down, server_side=True)
    done: set[ssl.SSLObject] = set()
    while client not in done:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue  # the other side's turn
    told: Any = client.getpeercert()
    return float(ssl.cert_time_to_seconds(told["notAfter"]))


def lexicon(given: Setup) -> Iterator[Finding]:
    """Can the lexicon be read?"""
    from voicegw.settings_load import SettingsError, lexicon_of

    settings = given.settings
    try:
        if lexicon_of(settings):
            yield Finding("lexicon", "ok", str(settings.lexicon))
    except SettingsError as error:
        yield Finding("lexicon", "problem", str(error).removeprefix("lexicon: "))


def models(given: Setup) -> Iterator[Finding]:
    """Is every model's backend there, and can it be described, in a worker process as the server does?"""
    from voicegw.backend import discovery

    settings = given.settings
    present = discovery.present(settings.models)
    for model in settings.models:
        if model not in present:
            needed = model.required or model.id == settings.defaults.speech
            advice = f"make install BACKENDS={model.backend}, or pip install voicegw-{model.backend}"
            found = f"its backend {model.backend} is not installed"
            yield Finding(f"model {model.id}", "problem" if needed else "warning", found, advice)
    fit = []
    for model in present:
        trouble = _interpreter(model)
        if trouble:
            yield trouble
        else:
            fit.append(model.id)
    given.infos = asyncio.run(described(settings, fit)) if fit else {}
    yield from (_manifest(model, given.infos[model.id]) for model in present if model.id in fit)


def _manifest(model: Model, info: ModelInfo | str) -> Finding:
    name = f"model {model.id}"
    if isinstance(info, str):
        return Finding(name, "problem", info, "correct its entry in models, above all its parameters")
    with_voices = f", {len(info.voices)} voices" if info.voices else ""
    return Finding(name, "ok", f"{model.backend} {info.revision}: {info.kind}{with_voices}")


def _interpreter(model: Model) -> Finding | None:
    """Give what is wrong with the interpreter that an entry names."""
    if model.python is None:
        return None
    found, advice = _asked(str(model.python), model.backend)
    return Finding(f"model {model.id}", "problem", f"{model.python} {found}", advice) if found else None


def _asked(python: str, backend: str) -> tuple[str, str]:
    """Run an interpreter as a worker's; give what is wrong with it and what to do, or two empty texts."""
    env = {name: value for name, value in os.environ.items() if name not in _OURS}
    command = [python, "-c", _PROBE, backend]
    other = "name a Python of 3.11 or later in models[].python"
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=_START_S, check=False)  # noqa: S603 - theirs
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be run: {getattr(error, 'strerror', None) or error}", other
    version, *more = done.stdout.split() or ["?"]
    if len(more) != _ANSWERS:
        told = done.stderr.strip().splitlines()
        return (
            f"is Python {version}" if version != "?" else f"is no Python: {told[-1] if told else 'it says nothing'}",
            other,
        )
    lacks, has = more
    if lacks != "-":
        return f"lacks {lacks}", f"{python} -m pip install {lacks.replace(',', ' ')}"
    if has != "True":
        return f"has no backend {backend}", f"{python} -m pip install --no-deps voicegw-{backend}"
    return "", ""


CHECKS: Final[tuple[Check[Setup], ...]] = (
    ("address", address),
    ("certificate", certificate),
    ("lexicon", lexicon),
    ("models", models),
)
