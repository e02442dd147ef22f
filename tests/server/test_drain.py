"""How the server ends: live streams are finished byte for byte, or cut off so that nobody takes them for whole."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing

import pytest

from benchmarks import drain
from benchmarks.harness import body, serving, stream, survivors, tone_config, whole
from voicegw.bench.client import Broken


async def test_the_first_signal_lets_live_streams_finish() -> None:
    figures = await drain.measure(4, words=2)
    assert (figures.exact, figures.broken, figures.wrong) == (4, 0, 0)
    assert (figures.ready, figures.refused, figures.retry_after) == (503, 503, True)
    assert (figures.exit_status, figures.orphans) == (0, 0)


async def test_the_second_signal_cuts_them_off() -> None:
    figures = await drain.measure(4, words=2, signals=2)
    assert (figures.exact, figures.broken, figures.wrong) == (0, 4, 0)
    assert (figures.exit_status, figures.orphans) == (1, 0)


async def test_the_deadline_cuts_them_off() -> None:
    streams = 2
    config = {**tone_config(slots=streams, rtf=1.0), "limits": {"drain_s": 0.2}}
    with serving(config) as server:
        children = server.children()
        started = asyncio.Semaphore(0)

        async def listen() -> None:
            async with stream(server.target, body(words=100)) as connection, aclosing(connection.body()) as pieces:
                await anext(pieces)
                started.release()
                async for _ in pieces:
                    pass

        listeners = [asyncio.create_task(listen()) for _ in range(streams)]
        for _ in range(streams):
            await started.acquire()
        server.signal()
        heard = await asyncio.gather(*listeners, return_exceptions=True)
        assert [type(each) for each in heard] == [Broken] * streams
        assert await asyncio.to_thread(server.wait) == 1
        assert survivors(children) == []


async def test_a_slow_listener_gets_the_last_byte() -> None:
    long = body(words=200)  # 4.8 MB: more than the sockets' buffers hold
    with serving(tone_config(slots=2)) as server:
        _, reference = await whole(server.target, long)
        async with stream(server.target, long) as connection, aclosing(connection.body()) as pieces:
            parts = [await anext(pieces)]
            server.signal()
            await asyncio.sleep(0.3)
            parts += [piece async for piece in pieces]
        assert b"".join(parts) == reference
        assert await asyncio.to_thread(server.wait) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_connection_holds_nothing_up(number: signal.Signals) -> None:
    with serving(tone_config()) as server:
        children = server.children()
        async with stream(server.target, body(words=1)) as connection:
            assert len(b"".join([piece async for piece in connection.body()])) == 24_000
            assert connection.reusable
            server.signal(number)
            assert await asyncio.to_thread(server.wait) == 0
        assert survivors(children) == []
