"""Half-sent heads and bodies at a byte a second: when does the server close them, and whom else do they delay?

python -m benchmarks.stalls [HEADS BODIES]

A bare uvicorn gets the same in the same run; and both are asked for their health without any of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness import body, serving, whole
from voicegw.bench import control
from voicegw.bench.client import Broken, Target
from voicegw.bench.load import SPEECH
from voicegw.bench.measure import Spread
from voicegw.transport.descriptors import room_for

WITHIN_S = 15.0
HEALTH = "/health/live"
_HEALTH_EVERY_S = 0.01
_SPEECH_EVERY_S = 0.1
_CALM_S = 3.0


@dataclass(slots=True)
class Figures:
    """What was seen.

    Attributes:
        stalled: Connections that stalled.
        closed_s: For each that the server closed, seconds since it was opened.
        calm_s: How long each question for health took before.
        health_s: How long each took meanwhile.
        speech_s: How long each request for a second of speech took meanwhile, from connecting to its last byte.
        failed: Requests that were not answered with 200, or not whole.
    """

    stalled: int = 0
    closed_s: list[float] = field(default_factory=list)
    calm_s: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    speech_s: list[float] = field(default_factory=list)
    failed: int = 0


async def measure(
    target: Target, heads: int, bodies: int, *, speech: bool, calm_s: float = _CALM_S, within_s: float = WITHIN_S
) -> Figures:
    """Ask for health in peace, then stall on so many connections, until all are closed or it takes too long."""
    figures = Figures(stalled=heads + bodies)
    async with _asking(figures, lambda: _health(target, figures.calm_s), _HEALTH_EVERY_S):
        await asyncio.sleep(calm_s)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_asking(figures, lambda: _health(target, figures.health_s), _HEALTH_EVERY_S))
        if speech:
            await stack.enter_async_context(_asking(figures, lambda: _speech(target, figures), _SPEECH_EVERY_S))
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
                for number in range(heads + bodies):
                    group.create_task(_stall(target, figures, number if number < heads else None))
    return figures


async def _stall(target: Target, figures: Figures, number: int | None) -> None:
    """Send a part of a head, or where there is no number a head and then a byte a second; wait for the end."""
    whole_head = f"POST {SPEECH} HTTP/1.1\r\nhost: {target.host}\r\ncontent-length: 100000\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(target.host, target.port)
    opened = time.monotonic()
    writer.write(whole_head if number is None else whole_head[: number % (len(whole_head) - 2)])
    crawl = asyncio.create_task(_crawl(writer)) if number is None else None
    try:
        with suppress(OSError):
            while await reader.read(2**16):
                pass
        figures.closed_s.append(time.monotonic() - opened)
    finally:
        if crawl:
            crawl.cancel()
        writer.transport.abort()


async def _crawl(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" ")
        await asyncio.sleep(1)


@asynccontextmanager
async def _asking(figures: Figures, ask: Callable[[], Awaitable[None]], every_s: float) -> AsyncGenerator[None, None]:
    """Ask again and again while the block runs."""

    async def again() -> None:
        while True:
            try:
                await ask()
            except (Broken, OSError):
                figures.failed += 1
            await asyncio.sleep(every_s)

    task = asyncio.create_task(again())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _health(target: Target, took_s: list[float]) -> None:
    """Connect and ask for health, as an orchestrator does."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        writer.write(f"GET {HEALTH} HTTP/1.1\r\nhost: {target.host}\r\nconnection: close\r\n\r\n".encode())
        if not (await reader.read()).startswith(b"HTTP/1.1 200"):
            raise Broken("the server does not live")
    finally:
        writer.transport.abort()
    took_s.append(time.monotonic() - began)


async def _speech(target: Target, figures: Figures) -> None:
    began = time.monotonic()
    status, audio = await whole(target, body(words=2))
    if (status, len(audio)) != (200, 48_000):
        raise Broken("that is no second of speech")
    figures.speech_s.append(time.monotonic() - began)


def told(name: str, figures: Figures) -> str:
    """Say what was seen, in milliseconds and seconds."""
    last = f"the last after {max(figures.closed_s):.1f} s" if figures.closed_s else "none"
    lines = [f"{name}: {len(figures.closed_s)} of {figures.stalled} closed within {WITHIN_S:g} s, {last}"]
    for what, values in (
        ("health before", figures.calm_s),
        ("health meanwhile", figures.health_s),
        ("a second of speech meanwhile", figures.speech_s),
    ):
        if values:
            spread = Spread.of(values, 1000)
            lines.append(f"  {what}, ms: p50 {spread.p50:.1f}, p99 {spread.p99:.1f} ({len(values)} answers)")
    return "\n".join([*lines, f"  failed: {figures.failed}"])


async def _all(heads: int, bodies: int, config: dict[str, Any]) -> None:
    for round_ in range(3):
        print(f"round {round_ + 1}, load average {os.getloadavg()[0]:.1f}")
        with serving(config) as server:
            print(told("voicegw", await measure(server.target, heads, bodies, speech=True)))
    with control.serving(1, 17) as (url, _):
        print(told("bare uvicorn", await measure(Target.of(url), heads, bodies, speech=False)))


def main() -> None:
    """Measure and print."""
    heads, bodies = (int(each) for each in sys.argv[1:3]) if len(sys.argv) > 2 else (1000, 200)
    if room_for(heads + bodies) < heads + bodies:
        raise SystemExit("there may be too few open files: ulimit -n")
    asyncio.run(_all(heads, bodies, {}))


if __name__ == "__main__":
    main()
