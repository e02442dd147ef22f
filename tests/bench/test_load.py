"""The load, the bare server to compare with, and the cost of a server, on real processes."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace

import pytest

from tests.support.server import RunningServer, free_port
from voicegw.audio.format import PCM
from voicegw.bench.client import Target
from voicegw.bench.control import serving
from voicegw.bench.load import Load, run
from voicegw.bench.measure import Take
from voicegw.bench.watch import CannotWatch, Watch, listener

SPOKEN = {"model": "tone", "input": "one two", "response_format": "pcm"}


async def test_the_bare_server_sends_what_it_is_told() -> None:
    told: list[Take] = []
    with serving(3, 9_600) as (url, pid):
        assert Watch(pid).read().processes == 1
        summary = await run(Load(Target.of(url), {}, PCM, requests=5, concurrency=2), told.append)
    assert (summary.ok, summary.bytes_per_answer, len(told)) == (5, 28_800, 5)
    assert summary.audio_s == pytest.approx(5 * 0.6)
    assert told[0].made is None


async def test_a_pace_makes_a_listener_of_a_client() -> None:
    with serving(4, 4_800) as (url, _):
        load = Load(Target.of(url), {}, PCM, requests=1, concurrency=1, pace=2.0)
        summary = await run(load)
    assert summary.total_ms.p50 >= 1000 * 0.4 / 2 - 1  # it has listened to the last of 0.4 s at double speed


async def test_speech_is_measured(server: RunningServer) -> None:
    told: list[Take] = []
    load = Load(Target.of(server.url), SPOKEN, PCM, requests=4, concurrency=2)
    summary = await run(load, told.append)
    assert summary.ok == 4
    assert summary.audio_s == pytest.approx(4.0)
    for take in told:
        assert take.made is not None
        assert take.pieces[0][0] >= take.made >= take.sent - 1  # one clock
        assert take.ended >= take.pieces[-1][0]


async def test_refusals_are_counted_by_status(server: RunningServer) -> None:
    load = Load(Target.of(server.url), {**SPOKEN, "model": "x"}, PCM, requests=3, concurrency=8)
    summary = await run(load)
    assert (summary.ok, summary.outcomes, summary.audio_s) == (0, {"404": 3}, 0)
    nobody = replace(load, target=Target("127.0.0.1", free_port(), False, ""))
    assert (await run(nobody)).outcomes == {"refused": 3}


async def test_a_broken_answer_is_counted_and_the_next_one_gets_a_new_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as broken:
        port = broken.sockets[0].getsockname()[1]
        load = Load(Target("127.0.0.1", port, False, ""), SPOKEN, PCM, requests=2, concurrency=1)
        assert (await run(load)).outcomes == {"broken": 2}


def test_the_cost_of_a_server(server: RunningServer) -> None:
    assert listener(server.port) == server.process.pid
    cost = Watch(server.process.pid).read()
    assert cost.processes == 6
    assert cost.tree_rss > cost.gateway_rss > 0
    assert cost.gateway_cpu_s > 0


def test_what_cannot_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotWatch, match="no process of this machine is seen to listen"):
        listener(free_port())
    with pytest.raises(CannotWatch, match="there is no process"):
        Watch(2**22 + os.getpid())
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(CannotWatch, match="pip install psutil"):
        listener(1)
