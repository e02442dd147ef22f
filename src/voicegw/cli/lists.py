"""The commands that tell what there is: models, voices, settings, the version."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicegw.cli.common import (
    ConfigOption,
    KeyOption,
    Refused,
    UrlOption,
    credentials,
    described,
    endpoint,
    settings_from,
    table,
    told_by,
)

if TYPE_CHECKING:
    from voicegw.backend import ModelInfo

_VOICE_HEAD: Final = ("model", "voice", "name", "languages", "gender")
_SECRET: Final = re.compile(r"(^|_)(key|token|secret|password)s?$", re.IGNORECASE)


def models(url: UrlOption = None, api_key: KeyOption = None, config: ConfigOption = None) -> None:
    """List the models: a server's with --url, else those of the settings."""
    if url:
        _served_models(_asked(endpoint(url, "models"), api_key)["data"])
        return
    settings = settings_from(config).settings
    infos = asyncio.run(described(settings, [model.id for model in settings.models]))
    backend_of = {model.id: model.backend for model in settings.models}
    rows = [(id_, backend_of[id_], *_told(info)) for id_, info in infos.items()]
    table(("model", "backend", "kind", "languages", "voices", "clones", "licence"), rows)
    for alias, model in settings.all_aliases().items():
        typer.echo(f"{alias} = {model}")


def voices(
    model: Annotated[str | None, typer.Option(help="Only this model's.")] = None,
    language: Annotated[str | None, typer.Option(help="Only those that speak it, such as es or pt-BR.")] = None,
    url: UrlOption = None,
    api_key: KeyOption = None,
    config: ConfigOption = None,
) -> None:
    """List the voices: a server's with --url, else those of the models of the settings."""
    if url:
        query = {"model": model or "", "language": language or ""}
        _served_voices(_asked(endpoint(url, "audio/voices"), api_key, query)["voices"])
        return
    settings = settings_from(config).settings
    wanted = [settings.all_aliases().get(model, model)] if model else [entry.id for entry in settings.models]
    rows = [
        (id_, voice.id, voice.name, " ".join(voice.languages), voice.gender or "")
        for id_, info in asyncio.run(described(settings, wanted)).items()
        if not isinstance(info, str)
        for voice in info.voices
        if not language or any(_speaks(tag, language) for tag in voice.languages or info.languages)
    ]
    table(_VOICE_HEAD, rows)


def config(config: ConfigOption = None) -> None:
    """Show the settings that are in force, as YAML, and where each comes from that is not the default."""
    import yaml

    from voicegw.settings import Settings
    from voicegw.settings_load import leaves

    loaded = settings_from(config)
    tree = loaded.settings.model_dump(mode="json")
    typer.echo(f"# {loaded.file or 'no file: the defaults'}")
    typer.echo(yaml.safe_dump(_masked(tree), sort_keys=False, allow_unicode=True), nl=False)
    usual = dict(leaves(Settings().model_dump(mode="json")))
    for path, value in leaves(tree):
        if path in loaded.origins and (path not in usual or usual[path] != value):
            typer.echo(f"# {path}: from {loaded.origins[path]}")


def version() -> None:
    """Show the version."""
    from importlib import metadata

    typer.echo(f"voicegw {metadata.version('voicegw')}")


def _served_models(entries: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            entry["id"],
            entry["state"],
            entry.get("kind", ""),
            str(len(entry.get("languages", ()))),
            str(len(entry.get("voices", ()))),
            "yes" if entry.get("clones") else "no",
            entry.get("licence", ""),
        )
        for entry in entries
        if "alias_of" not in entry
    ]
    table(("model", "state", "kind", "languages", "voices", "clones", "licence"), rows)
    _aliases(entries)


def _served_voices(entries: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (entry["model"], entry["id"], entry["name"], " ".join(entry["languages"]), entry.get("gender", ""))
        for entry in entries
        if "alias_of" not in entry
    ]
    table(_VOICE_HEAD, rows)
    _aliases(entries)


def _aliases(entries: Sequence[Mapping[str, Any]]) -> None:
    for entry in entries:
        if "alias_of" in entry:
            typer.echo(f"{entry['id']} = {entry['alias_of']}")


def _asked(url: str, api_key: str | None, query: Mapping[str, str] | None = None) -> Any:
    import httpx

    try:
        answer = httpx.get(url, params=query, headers=credentials(api_key), timeout=30, trust_env=False)
    except httpx.TransportError as error:
        raise Refused(f"no answer from {url}: {error}") from None
    if answer.is_error:
        raise Refused(told_by(answer.status_code, answer.content))
    return answer.json()


def _told(info: ModelInfo | str) -> tuple[str, ...]:
    if isinstance(info, str):
        return (info, "", "", "", "")
    return (
        info.kind,
        str(len(info.languages)),
        str(len(info.voices)),
        "yes" if info.clones else "no",
        info.licence,
    )


def _speaks(tag: str, wanted: str) -> bool:
    tag, wanted = tag.lower(), wanted.lower()
    return tag == wanted or tag.startswith(f"{wanted}-")


def _masked(tree: Any, name: str = "") -> Any:
    """Hide what is a secret by its name: a backend's parameters may hold some."""
    if isinstance(tree, dict):
        return {key: _masked(value, str(key)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_masked(value, name) for value in tree]
    return "***" if tree is not None and name != "tls_key" and _SECRET.search(name) else tree
