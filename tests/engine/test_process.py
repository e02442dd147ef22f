"""How worker processes begin and end, whatever becomes of the worker, the engine or the gateway."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import venv
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engine.kit import (
    ADAPTERS,
    GUARD_S,
    LIMITS,
    audio,
    children,
    one_model,
    running,
    say,
    speak,
    spec,
    until,
    voice,
)
from voicegw.backend import RequestMeta, Utterance
from voicegw.engine import process
from voicegw.engine.spec import EngineLimits, ModelSpec, ModelState
from voicegw.engine.supervisor import Engine
from voicegw.errors import PoisonRequest, Unavailable, WorkerLost

FAKES = {
    "ends": "ended before it listened",
    "never listens": "did not listen within",
    "says something else": "ended before it listened",
    "talks without end": "could not be run",
    "lies": "cannot be reached",
    "is killed before it greets": "the worker died",
    "never greets": "said nothing within",
    "speaks another protocol": "speaks protocol 99, not 1",
    "talks garbage": "over the limit",
}


@pytest.mark.parametrize(("mode", "why"), FAKES.items(), ids=FAKES.keys())
async def test_a_process_that_is_no_good_worker_is_ended_and_the_reason_told(
    mode: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "START_S", 1.0)
    monkeypatch.setattr(process, "STOP_S", 0.1)
    python = tmp_path / "python"
    fake = Path(__file__).with_name("fake_worker.py")
    python.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, str(fake), mode])}\n")
    python.chmod(0o755)
    limits = EngineLimits(ping_s=0.05, load_s=0.7, restart_base_s=0.01, restart_max_s=100.0, crashes=1)
    async with one_model(limits, python=str(python), ready=False) as pool:
        await until(lambda: pool.state is ModelState.FAILED)
        assert why in pool.detail
        with pytest.raises(Unavailable):
            await speak(pool, say())
        assert not [p for p in psutil.Process().children(recursive=True) if "fake_worker" in " ".join(p.cmdline())]


async def test_loading_that_blocks_the_worker_is_waited_for() -> None:
    limits = EngineLimits(ping_s=0.05, hang_s=0.2, restart_base_s=0.01)
    async with one_model(limits, load_blocks_s=0.7) as pool:
        assert len(audio(await speak(pool, say()))) == 720
        assert pool.workers[0]._crashes.in_a_row == 0
        assert not pool.workers[0]._crashes.times


@pytest.mark.parametrize("how", ["load_s", "load_blocks_s"])
async def test_loading_that_takes_too_long_is_given_up(how: str) -> None:
    limits = EngineLimits(ping_s=0.05, load_s=0.5, restart_base_s=0.01, restart_max_s=100.0, crashes=1)
    async with one_model(limits, ready=False, **{how: 1000}) as pool:
        await until(lambda: pool.state is ModelState.FAILED)
        assert "0.5 s" in pool.detail
        assert not children()


async def test_the_end_of_the_engine_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    me = psutil.Process()

    async def life() -> None:
        async with running(
            spec("a", workers=2), spec("b", preload=False), spec("c", load_s=1000), ready=False
        ) as engine:
            pool = engine.pools["a"]
            await until(lambda: pool.state is ModelState.READY and engine.pools["b"].state is ModelState.DESCRIBED)
            stream = pool.synthesize(say(hang_after=1))
            await anext(stream)
            listening = asyncio.ensure_future(anext(stream))
            waiting = asyncio.create_task(speak(engine.pools["c"], say()))
            assert engine.active_streams() == 1
            await asyncio.sleep(0)
            await engine.close()
            with pytest.raises(WorkerLost):
                await listening
            with pytest.raises(Unavailable) as caught:
                await waiting
            assert caught.value.code == "shutting_down"
            for pool in engine.pools.values():
                with pytest.raises(Unavailable):
                    await speak(pool, say())
            await engine.close()

    await life()
    before, threads = me.num_fds(), me.num_threads()
    await life()
    assert not children()
    assert me.num_fds() <= before
    assert me.num_threads() <= threads
    assert not [name for name in os.listdir(tmp_path) if name.startswith("voicegw-")]  # noqa: PTH208 - no need to wait


async def test_the_end_comes_while_workers_start() -> None:
    for pause in (0.0, 0.005, 0.05, 0.1):
        async with running(spec("a", workers=2), ready=False):
            await asyncio.sleep(pause)
        assert not children()


async def test_the_end_comes_while_a_process_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_S", 0.3)
    async with running(spec(preload=False, close_s=1000), ready=False) as engine:
        await until(lambda: engine.pools["m"].info is not None)
        assert len(children()) == 1
        await engine.close()
        assert not children()


async def test_a_worker_that_does_not_end_by_itself_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_S", 0.1)
    async with one_model(close_s=1000):
        assert len(children()) == 1
    assert not children()


async def test_sockets_of_former_lives_are_removed() -> None:
    async with one_model() as pool:
        for _ in range(3):
            with pytest.raises((WorkerLost, PoisonRequest)):
                await speak(pool, say("boom", crash_after=0))
        await until(lambda: pool.state is ModelState.READY)
        run_dir = pool.workers[0]._run_dir
        assert len(list(run_dir.glob("w0.*"))) == 1


async def test_an_engine_that_was_never_started_closes() -> None:
    engine = Engine([spec()], LIMITS)
    assert engine.active_streams() == 0
    assert engine.pools["m"].state is ModelState.DECLARED
    await engine.close()


GATEWAY = """
import asyncio, sys
from tests.engine.kit import *

async def main():
    async with one_model(**eval(sys.argv[1])) as pool:
        stream = pool.synthesize(say(**eval(sys.argv[2])))
        await anext(stream)
        print("speaking", flush=True)
        await anext(stream)

asyncio.run(main())
"""


async def _outlived(fields: dict[str, Any], script: dict[str, Any]) -> None:
    """Kill a gateway whose worker is speaking, and wait until the worker is gone too."""
    root = Path(__file__).parents[2]
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", GATEWAY, repr(fields), repr(script)),
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ['PYTHONPATH']}"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert gateway.stdout is not None
    while await gateway.stdout.readline() != b"speaking\n":  # after lines of the log
        assert gateway.returncode is None
    workers = psutil.Process(gateway.pid).children(recursive=True)
    assert workers
    await asyncio.sleep(0.05)
    gateway.kill()
    await gateway.communicate()
    await until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in workers))


async def test_workers_end_when_the_gateway_is_killed() -> None:
    async with asyncio.timeout(GUARD_S):
        await asyncio.gather(
            _outlived({}, {"hang_after": 1}),
            _outlived({}, {"block_after": 1}),  # the event loop never comes back
            _outlived({"thread_s": 1000}, {"hang_after": 1}),  # the interpreter would wait for the thread
        )


async def test_signals_of_the_terminal_do_not_reach_workers() -> None:
    async with one_model() as pool:
        (worker,) = children()
        assert os.getpgid(worker.pid) == worker.pid != os.getpgid(0)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(worker.pid, number)
        assert len(audio(await speak(pool, say()))) == 720
        assert [p.pid for p in children()] == [worker.pid]


async def test_another_interpreter_serves(bare_python: Path, tmp_path: Path) -> None:
    other = tmp_path / "venv"
    venv.create(other, with_pip=False, symlinks=True)
    (site,) = other.glob("lib/python*/site-packages")
    (bare,) = bare_python.parents[1].glob("lib/python*/site-packages")
    (site / "more.pth").write_text(f"{bare}\n{ADAPTERS}\n")
    async with one_model(python=str(other / "bin" / "python")) as pool:
        assert len(audio(await speak(pool, say(float=True, words=True), voice()))) == 720
        (worker,) = children()
        assert worker.cmdline()[0] == str(other / "bin" / "python")
        (entry,) = [e for e in worker.environ()["PYTHONPATH"].split(os.pathsep) if e]
        assert os.listdir(entry) == ["voicegw"]  # noqa: PTH208 - no need to wait


def test_what_a_worker_is_told() -> None:
    config = process.worker_config(
        ModelSpec("m", "b", memory_fraction=0.5, parameters={"x": 1}),
        "cuda:1",
        "unix:///s",
        LIMITS,
        load=False,
        log_requests=True,
    )
    assert config["parameters"] == {"x": 1, "device": "cuda:1", "memory_fraction": 0.5}
    plain = process.worker_config(ModelSpec("m", "b"), None, "unix:///s", LIMITS, load=True, log_requests=False)
    assert plain["parameters"] == {}
    assert Utterance(RequestMeta("r"), "x").parameters == {}
