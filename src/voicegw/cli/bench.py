"""``voicegw bench``: what the server does under load."""

from __future__ import annotations

import typer

bench_app = typer.Typer(help="Measure a running server.", no_args_is_help=True)


@bench_app.callback()
def bench() -> None:
    """Measure a running server."""
