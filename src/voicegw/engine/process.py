"""Starting and ending one worker process: its group, its pipe, its address, its interpreter."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import voicegw
from voicegw.engine.spec import EngineLimits, ModelSpec
from voicegw.errors import Unavailable

START_S = 30.0
"""Seconds that a process may take from its start until it listens."""

STOP_S = 3.0
"""Seconds that a process may take to end by itself once its pipe is closed."""

DUMP_S = 0.3
"""Seconds that a hung process is given to write its stacks."""


def worker_config(
    spec: ModelSpec, device: str | None, address: str, limits: EngineLimits, *, load: bool, log_requests: bool
) -> dict[str, Any]:
    """Give what a worker of this model reads from its standard input."""
    extra = {"device": device, "memory_fraction": spec.memory_fraction}
    parameters = {**spec.parameters, **{k: v for k, v in extra.items() if v is not None}}
    return {
        "address": address,
        "model": spec.id,
        "backend": spec.backend,
        "parameters": parameters,
        "limits": dataclasses.asdict(limits),
        "load": load,
        "log_requests": log_requests,
    }


def environment(python: str | None, run_dir: Path) -> dict[str, str]:
    """Give a worker's environment. Another interpreter finds this very voicegw on its path and no more."""
    env = dict(os.environ)
    if python is not None:
        shelf = run_dir / "path"
        shelf.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            (shelf / "voicegw").symlink_to(Path(voicegw.__file__).parent, target_is_directory=True)
        env["PYTHONPATH"] = str(shelf)
        env.pop("VIRTUAL_ENV", None)
        env.pop("PYTHONHOME", None)
    return env


class WorkerProcess:
    """A running worker. It leads a session of its own, so that terminal signals never reach it."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self.name = name

    @classmethod
    async def start(cls, config: Mapping[str, Any], python: str | None, run_dir: Path) -> WorkerProcess:
        """Start a worker and wait until it listens.

        Raises:
            Unavailable: It cannot be started, ends at once, or does not listen within :data:`START_S`.
        """
        program = python or sys.executable
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                "-P",
                "-m",
                "voicegw.engine.worker",
                str(config["model"]),  # for whoever looks at a list of processes
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment(python, run_dir),
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"the interpreter {program!r} cannot be started: {error.strerror}") from error
        worker = cls(process, str(config["model"]))
        try:
            await worker._hand_over(config)
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def _hand_over(self, config: Mapping[str, Any]) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Unavailable("the worker has no pipes")
        stdin.write(json.dumps(config).encode() + b"\n")
        try:
            async with asyncio.timeout(START_S):
                line = await stdout.readline()
        except TimeoutError:
            raise Unavailable(f"the worker did not listen within {START_S:.0f} s") from None
        if line.strip() != b"listening":
            raise Unavailable("the worker ended before it listened; its output says why")

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for its end and give the exit code, negative for a signal."""
        return await self._process.wait()

    async def death(self) -> str:
        """Give in brackets the signal or the exit status by which it ended; "" where it has not within a moment."""
        with suppress(TimeoutError, ValueError):  # the second for a signal that has no name
            async with asyncio.timeout(DUMP_S):
                code = await self._process.wait()
                return f" ({signal.Signals(-code).name})" if code < 0 else f" (exit status {code})"
        return ""

    async def stop(self) -> None:
        """Close its pipe, give it :data:`STOP_S` to end, then kill its group."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        await self.kill()

    async def dump_and_kill(self) -> None:
        """Have a hung process write the stacks of its threads to stderr, then kill its group."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
            await asyncio.sleep(DUMP_S)
        await self.kill()

    async def kill(self) -> None:
        """Kill the whole group, children of the adapter too, and reap."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
