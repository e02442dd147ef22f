"""What the commands share: settings, refusals, a server or an engine of their own to ask."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from voicegw.backend import ModelInfo
    from voicegw.engine.router import Router
    from voicegw.engine.spec import ModelSpec
    from voicegw.services.lexicon import LexiconFile
    from voicegw.settings import Settings
    from voicegw.settings_load import Loaded

_DESCRIBE_S: Final = 30.0

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file; else VOICEGW_CONFIG, ./voicegw.yaml, ./config/voicegw.yaml."),
]
UrlOption = Annotated[
    str | None, typer.Option("--url", envvar="VOICEGW_URL", help="A running server, such as http://127.0.0.1:8000.")
]
KeyOption = Annotated[str | None, typer.Option("--api-key", envvar="VOICEGW_API_KEY", help="Key for that server.")]


class Refused(Exception):
    """The program cannot do what it is asked; each line tells one reason to the person who asked."""

    def __init__(self, *lines: str, status: int = 1) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status


def settings_from(config: Path | None, overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Load the settings; what is wrong with them is refused with exit status 2."""
    from voicegw.settings_load import SettingsError, load

    try:
        return load(config, overrides)
    except SettingsError as error:
        raise Refused(*error.problems, status=2) from None


def lexicon_from(settings: Settings) -> LexiconFile | None:
    """Read the lexicon, if there is one; what is wrong with it is refused with exit status 2."""
    from voicegw.settings_load import SettingsError, lexicon_of

    try:
        return lexicon_of(settings)
    except SettingsError as error:
        raise Refused(*error.problems, status=2) from None


@asynccontextmanager
async def embedded(settings: Settings, specs: Sequence[ModelSpec]) -> AsyncGenerator[Router, None]:
    """Run models in this program's own workers while the block runs; those that are not installed are left out."""
    from voicegw import logs
    from voicegw.backend import discovery
    from voicegw.engine.router import Router
    from voicegw.engine.supervisor import Engine

    logs.configure("error", "console")
    present = discovery.present(specs)
    missing = {spec.id: spec.backend for spec in specs if spec not in present}
    engine = Engine(present, settings.limits.engine(), log_requests=False)
    try:
        await engine.start()
        yield Router(engine.pools, settings.all_aliases(), missing)
    finally:
        await engine.close()


def alone(spec: ModelSpec, *, load: bool) -> ModelSpec:
    """Give a model's entry for one worker, which loads at once or only describes."""
    return replace(spec, workers=1, devices=spec.devices[:1], preload=load)


async def described(settings: Settings, ids: Sequence[str]) -> dict[str, ModelInfo | str]:
    """Have workers describe models, without loading them; what cannot be described gives the reason."""
    from voicegw.errors import NotFound, VoicegwError

    specs = [alone(model.spec(), load=False) for model in settings.models if model.id in ids]
    if not specs:
        raise NotFound(f"there is no model {ids[0]!r}; there are: {', '.join(each.id for each in settings.models)}")
    found: dict[str, ModelInfo | str] = {}
    async with embedded(settings, specs) as router:
        for spec in specs:
            try:
                found[spec.id] = await router.resolve(spec.id).describe(_DESCRIBE_S)
            except VoicegwError as error:
                found[spec.id] = error.message
    return found


def endpoint(url: str, path: str) -> str:
    """Give the address of a path below ``/v1``, whether or not ``url`` ends with it already."""
    return f"{url.rstrip('/').removesuffix('/v1')}/v1/{path}"


def credentials(api_key: str | None) -> dict[str, str]:
    """Give the headers that carry the key."""
    return {"authorization": f"Bearer {api_key}"} if api_key else {}


def told_by(status: int, body: bytes) -> str:
    """Give what a server says against a request, from its OpenAI error object where it sent one."""
    import json

    try:
        return f"{json.loads(body)['error']['message']} (HTTP {status})"
    except (ValueError, KeyError, TypeError):
        return f"the server answered HTTP {status}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns under their heads, as wide as what they hold: easy to read, and for cut and awk."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
