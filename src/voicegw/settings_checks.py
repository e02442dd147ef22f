"""What settings can say that is well-formed and cannot be true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from voicegw.settings_values import DECODER_BYTES

if TYPE_CHECKING:
    from voicegw.settings import Server, Settings


def inconsistencies(settings: Settings) -> Iterator[str]:
    """Name what is well-formed but cannot be true, each as one line that begins with the key's path."""
    ids = [model.id for model in settings.models]
    if not ids:
        yield "models: at least one is needed"
        return
    for index, id_ in enumerate(ids):
        if id_ in ids[:index]:
            yield f"models[{index}].id: {id_!r} is the id of another model"
    for alias in settings.aliases:
        if alias in ids:
            yield f"aliases.{alias}: this is the id of a model; an alias needs a name of its own"
    for path, model in _references(settings):
        if model not in ids:
            yield f"{path}: there is no model {model!r} (models: {', '.join(ids)})"
    yield from _repeated_keys(settings.server)
    yield from _pairs(settings)


def _repeated_keys(server: Server) -> Iterator[str]:
    hashes = [key.sha256 for key in server.api_keys]
    for index, digest in enumerate(hashes):
        if digest in hashes[:index]:
            yield f"server.api_keys[{index}].sha256: another entry has the same"


def _references(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give every place that names a model, with the name it holds."""
    yield from ((f"aliases.{alias}", target) for alias, target in settings.aliases.items())
    yield from ((f"voice_aliases.{model}", model) for model in settings.voice_aliases)
    for kind in ("speech", "clone", "transcription"):
        model = getattr(settings.defaults, kind)
        if model is not None:
            yield f"defaults.{kind}", model


def _pairs(settings: Settings) -> Iterator[str]:
    server, limits = settings.server, settings.limits
    if server.tls_key and not server.tls_cert:
        yield "server.tls_cert: missing; server.tls_key is of no use without its certificate"
    if server.tls_cert and not server.tls_key:
        yield "server.tls_key: missing; server.tls_cert is of no use without its key"
    if limits.worker_hang_s <= limits.worker_ping_s:
        yield "limits.worker_hang_s: must be longer than limits.worker_ping_s"
    if limits.upload_memory_bytes < limits.upload_bytes:
        yield "limits.upload_memory_bytes: must not be less than limits.upload_bytes"
    needed = 2 * limits.upload_bytes + DECODER_BYTES
    if limits.decode_memory_bytes < needed:
        yield f"limits.decode_memory_bytes: must be at least {needed} for limits.upload_bytes as it is"
    if limits.restart_max_s < limits.restart_base_s:
        yield "limits.restart_max_s: must not be shorter than limits.restart_base_s"
