"""The command line: what is typed becomes calls, what goes wrong becomes one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from voicegw.cli import backends, bench, doctor, keys, lists, say, serve, transcribe
from voicegw.cli.common import Refused
from voicegw.errors import VoicegwError

app = typer.Typer(
    name="voicegw",
    help="One OpenAI-compatible speech server in front of pluggable speech models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(serve.serve)
app.command()(say.say)
app.command()(transcribe.transcribe)
app.command()(lists.models)
app.command()(lists.voices)
app.command()(lists.config)
app.command()(lists.version)
app.command()(doctor.doctor)
app.add_typer(backends.backends_app, name="backends")
app.add_typer(keys.keys_app, name="keys")
app.add_typer(bench.bench_app, name="bench")


def open_standard_streams() -> None:
    """Give descriptors 0 to 2 something to be, where the caller closed them: else a socket would get their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 failed, 2 asked for wrongly (a flag, a setting), 130 interrupted (typer's).

    Args:
        arguments: Instead of the process's own.
    """
    open_standard_streams()
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="voicegw")
    except Refused as refusal:
        for line in refusal.lines:
            print(f"voicegw: {line}", file=sys.stderr)  # noqa: T201 - this is where the program speaks
        sys.exit(refusal.status)
    except VoicegwError as error:
        print(f"voicegw: {error.message}", file=sys.stderr)  # noqa: T201 - the same
        sys.exit(1)
