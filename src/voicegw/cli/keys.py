"""``voicegw keys``: a new key, or the hash of one, for the configuration, which holds no key itself."""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
from typing import Annotated, Final

import typer

from voicegw.cli.common import Refused

keys_app = typer.Typer(help="Make keys for clients.", no_args_is_help=True)

_PREFIX: Final = "sk-voicegw-"
_BYTES: Final = 32
_USABLE: Final = re.compile(r"[!-~]{8,512}")


@keys_app.command()
def new(
    name: Annotated[str, typer.Option(help="Whose key it is; stands in the configuration, for people.")] = "client",
) -> None:
    """Make a key, and the entry for server.api_keys that lets it in. The key is shown this once."""
    key = f"{_PREFIX}{secrets.token_urlsafe(_BYTES)}"
    typer.echo(key)
    typer.echo(f"{{sha256: {_digest(key)}, name: {name}}}")


@keys_app.command("hash")
def hashed() -> None:
    """Print the hash of a key, which is asked for, or read from a pipe: it would stay in the shell's history."""
    key = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    key = key.strip()
    if not _USABLE.fullmatch(key):
        raise Refused("a key is 8 to 512 printable ASCII characters without spaces", status=2)
    typer.echo(_digest(key))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
