"""As much of curl as the documentation uses, so that its commands run where no curl is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx


def main(argv: Sequence[str]) -> int:
    """Make the request; the exit status is 0, or 22 for an HTTP error under ``-f``."""
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-f", "--fail", action="store_true")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("-F", "--form", action="append", default=[])
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args(argv)
    headers = dict(header.split(": ", 1) for header in asked.header)
    fields = [field.split("=", 1) for field in asked.form]
    sent = {
        "content": asked.data,
        "data": {name: value for name, value in fields if not value.startswith("@")} or None,
        "files": {name: (value[1:], Path(value[1:]).read_bytes()) for name, value in fields if value.startswith("@")}
        or None,
    }
    method = "POST" if any(sent.values()) else "GET"
    answer = httpx.request(method, asked.url, headers=headers, timeout=60, **sent)
    if asked.fail and answer.is_error:
        return 22
    if asked.output:
        asked.output.write_bytes(answer.content)
    else:
        sys.stdout.buffer.write(answer.content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
