"""``voicegw backends``: what can speak, and whether it keeps the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from voicegw.cli.common import Refused, table

if TYPE_CHECKING:
    from voicegw.backend.conformance import CheckResult

CATALOGUE: Final[Mapping[str, str]] = {
    "espeak": "espeak-ng: over a hundred languages and voices, no download",
    "tone": "a tone per word with exact word times, for tests and load tests",
}
"""The backends that voicegw comes with, each a distribution of its own named ``voicegw-<name>``."""

backends_app = typer.Typer(help="The backends: what speaks.", invoke_without_command=True)


@backends_app.callback()
def backends(context: typer.Context) -> None:
    """List the backends that are installed, and those that could be."""
    if context.invoked_subcommand is not None:
        return
    from voicegw.backend import discovery

    found = discovery.installed()
    rows = [(each.name, each.version, each.licence, each.summary) for each in found]
    table(("backend", "version", "licence", "what it is"), rows)
    absent = {name: what for name, what in CATALOGUE.items() if name not in {each.name for each in found}}
    for name, what in absent.items():
        typer.echo(f"not installed: {name} ({what}); make install BACKENDS={name}, or pip install voicegw-{name}")


@backends_app.command("check")
def check_command(
    name: Annotated[str, typer.Argument(help="An installed backend.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="A setting of the backend, as name=value; repeatable.")
    ] = None,
) -> None:
    """Run the conformance checks on a backend: does it keep the contract?"""
    from voicegw.backend.conformance import check_backend

    try:
        results = asyncio.run(check_backend(name, _parameters(parameter or []), report=_tell_check))
    except LookupError as error:
        raise Refused(str(error)) from None
    failed = sum(not result.passed for result in results)
    typer.echo(f"{name}: {len(results) - failed} of {len(results)} checks passed")
    if failed:
        raise typer.Exit(1)


def _tell_check(result: CheckResult) -> None:
    verdict = "FAIL" if not result.passed else "ok" if result.applicable else "-"
    typer.echo(f"{verdict:4} {result.name} ({result.seconds:.1f} s) {result.message}".rstrip())


def _parameters(given: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value``; values are read as YAML, so that 3 is a number and true a truth."""
    import yaml

    pairs = [each.partition("=") for each in given]
    for name, separator, _ in pairs:
        if not (name and separator):
            raise Refused(f"a parameter is written name=value, not {name!r}", status=2)
    return {name: yaml.safe_load(value) for name, _, value in pairs}
