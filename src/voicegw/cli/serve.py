"""``voicegw serve``."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any

import typer

from voicegw.backend import discovery
from voicegw.cli.common import ConfigOption, Refused, settings_from
from voicegw.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    config: ConfigOption = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; then let live streams finish, unless asked a second time."""
    given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    overrides: dict[str, Any] = {"server": given} if given else {}
    settings = settings_from(config, overrides).settings
    from voicegw import server
    from voicegw.api.tracing import CannotTrace
    from voicegw.settings_load import SettingsError

    def announce(url: str) -> None:
        with suppress(OSError):  # nobody reads it; that is no reason not to serve
            typer.echo(f"voicegw listens on {url}; try:\n{curl_line(url, first_model(settings))}")

    try:
        status = server.run(settings, announce)
    except (server.CannotListen, CannotTrace) as error:
        raise Refused(str(error)) from None
    except SettingsError as error:
        raise Refused(*error.problems, status=2) from None
    raise typer.Exit(status)


def first_model(settings: Settings) -> str:
    """Name a model that can be tried: the default one, or the first whose backend is installed."""
    ready = [model.id for model in discovery.present(settings.models)]
    usual = settings.defaults.speech
    return usual if usual in ready or not ready else ready[0]


def curl_line(url: str, model: str) -> str:
    """Give a command that can be pasted into a shell and leaves speech in a file."""
    body = json.dumps({"model": model, "voice": "alloy", "input": "Hello from your own machine."})
    insecure = " -k" if url.startswith("https") else ""
    return f"curl -s{insecure} {url}/v1/audio/speech -H 'Content-Type: application/json' -d '{body}' -o hello.mp3"
