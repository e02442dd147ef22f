"""``voicegw doctor``: what is wrong with this machine, this configuration or a running server, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from voicegw.cli.common import ConfigOption, KeyOption, UrlOption

if TYPE_CHECKING:
    from pathlib import Path

    from voicegw.cli.doctor.finding import Finding


def doctor(
    url: UrlOption = None,
    api_key: KeyOption = None,
    config: ConfigOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at what the server needs, or with --url at a running one; exit 1 where something is wrong."""
    found = []
    for finding in _findings(url, api_key, config):
        found.append(finding)
        if not as_json:
            typer.echo(_told(finding))
    well = all(finding.verdict != "problem" for finding in found)
    if as_json:
        typer.echo(json.dumps({"ok": well, "findings": [asdict(finding) for finding in found]}, indent=2))
    if not well:
        raise typer.Exit(1)


def _findings(url: str | None, api_key: str | None, config: Path | None) -> Iterator[Finding]:
    from voicegw.cli.doctor import machine, served, setup
    from voicegw.cli.doctor.finding import examined

    if url:
        yield from examined(served.CHECKS, served.Server(url, api_key))
        return
    finding, given = setup.read(config)
    yield finding
    if given is not None:
        yield from examined(setup.CHECKS, given)
    yield from examined(machine.CHECKS, given)


def _told(finding: Finding) -> str:
    advice = f"; {finding.advice}" if finding.advice else ""
    return f"{finding.verdict:8} {finding.check:12} {finding.found}{advice}"
