"""Files that commands write: each appears under its name only when it is whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from voicegw.cli.common import Refused


@contextmanager
def opened(path: Path | None) -> Generator[BinaryIO, None, None]:
    """Open the output; a file appears under its name only when it is whole."""
    if path is None:
        yield sys.stdout.buffer
        return
    if not path.parent.is_dir():
        raise Refused(f"there is no folder {str(path.parent)!r}")
    direct = path.exists() and not path.is_file()  # /dev/null, a named pipe
    written = path if direct else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with written.open("wb") as file:
            yield file
        if not direct:
            written.replace(path)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from None
    finally:
        if not direct:
            written.unlink(missing_ok=True)
