"""The worker process: owns one model, listens on one address, ends when its supervisor's pipe closes.

Started as ``python -m voicegw.engine.worker``. Its whole configuration is one JSON line on standard input; it answers
with the line ``listening`` on standard output once gateways may connect. Standard library, numpy and msgpack only.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from voicegw.backend import discovery
from voicegw.engine import codec, wire
from voicegw.engine.runtime import Runtime, failure
from voicegw.engine.serving import log_line
from voicegw.engine.spec import EngineLimits, ModelState

CLOSE_S = 2.0
"""Seconds that an adapter may take to give everything back before the process ends all the same."""

EXIT_S = 1.0
"""Seconds more for the interpreter to end, threads of the adapter included, before it is made to."""


class _Broken:
    """Stands where the model should be when its adapter cannot even be described: says so to every gateway."""

    sealed = False

    def __init__(self, model_id: str, why: str) -> None:
        self._hello = {
            "protocol": wire.PROTOCOL,
            "model": model_id,
            "info": None,
            "state": ModelState.FAILED.value,
            "detail": why,
        }

    def attach(self) -> wire.Connection:
        """Answer a gateway with the reason, and with nothing else."""
        return wire.Connection(lambda _f: None, lambda _e: None, lambda made: made.send(["hello", self._hello]))

    async def close(self) -> None:
        """Have nothing to give back."""


def _make(config: Mapping[str, Any]) -> Runtime | _Broken:
    model_id = str(config["model"])
    try:
        cls = discovery.load(str(config["backend"]))
        info = codec.checked(cls.describe(config["parameters"]))
        backend = cls(config["parameters"])
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything; the gateway is told what it was
        stack = traceback.format_tb(error.__traceback__)
        log_line("describe_failed", model=model_id, error=repr(error), stack=stack)
        return _Broken(model_id, failure(error))
    limits = codec.build(EngineLimits, config["limits"])
    return Runtime(model_id, backend, info, limits, log_requests=bool(config.get("log_requests", True)))


def _watch(pipe: int, ended: Callable[[], object]) -> None:
    """Tell the end of the supervisor's pipe, then see to it that the process ends, whatever the model is doing.

    Runs in a thread of its own: neither an event loop that a model blocks nor a thread that never returns may outlive
    the supervisor, which may not be there any more to kill.
    """
    os.set_blocking(pipe, True)
    with suppress(OSError):
        while os.read(pipe, 4096):
            pass
    with suppress(RuntimeError):  # the loop is closed already
        ended()
    time.sleep(CLOSE_S + EXIT_S)
    os._exit(1)


async def serve(config: Mapping[str, Any], stdin: Any, stdout: Any) -> bool:
    """Run the worker until ``stdin`` ends, and give whether it has been sealed.

    Args:
        config: ``address``, ``model``, ``backend``, ``parameters``, ``limits``, ``load``, ``log_requests``.
        stdin: The supervisor's pipe; its end is the order to stop.
        stdout: Told ``listening`` once; everything else printed goes to stderr.
    """
    loop, orphaned = asyncio.get_running_loop(), asyncio.Event()
    told = (stdin.fileno(), lambda: loop.call_soon_threadsafe(orphaned.set))
    threading.Thread(target=_watch, args=told, name="supervisor's pipe", daemon=True).start()
    runtime = _make(config)
    server = await wire.listen(str(config["address"]), runtime.attach)
    stdout.write("listening\n")
    stdout.close()
    loading = None
    if isinstance(runtime, Runtime) and config.get("load", True):
        loading = asyncio.create_task(runtime.load(server.close))
        loading.add_done_callback(lambda _t: gc.freeze())
    await orphaned.wait()
    server.close()
    if loading is not None:
        loading.cancel()
    with suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(CLOSE_S):
            await runtime.close()
    return runtime.sealed


def main() -> None:
    """Read the configuration and serve. Signals meant for the gateway's group are not ours to obey."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    config = json.loads(sys.stdin.readline())
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not look like our answer
    if asyncio.run(serve(config, sys.stdin, stdout)):
        os._exit(0)  # what libraries do at the end may want to open something


if __name__ == "__main__":
    main()
