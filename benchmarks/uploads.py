"""Uploads: what the way to a recogniser costs, a crowd of them, clients that leave, and one that is far too large.

The recogniser is the scripted one of the tests, in a real worker: it reads all the audio and answers at once.

python -m benchmarks.uploads [overhead | crowd | left | large]...
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import Server, serving
from voicegw.bench import control
from voicegw.bench.client import Broken, Target
from voicegw.bench.measure import Spread
from voicegw.bench.uploads import TRANSCRIPTIONS, UploadLoad, UploadSummary, run, tone

ADAPTERS = Path(__file__).resolve().parents[1] / "tests" / "support" / "adapters"
CONFIG: dict[str, Any] = {
    "models": [{"id": "ears", "backend": "ears", "required": True}],
    "defaults": {"speech": "ears", "clone": None, "transcription": "ears"},
}
FIELDS = {"model": "whisper-1", "response_format": "json"}
CROWD, ROUNDS, LEAVING = 60, 5, 200
HEALTH_EVERY_S = 0.005
MB = 10**6


def load(target: Target, requests: int, concurrency: int, seconds: float = 10.0) -> UploadLoad:
    """Give uploads of a tone."""
    return UploadLoad(target, tone(seconds), FIELDS, requests, concurrency)


def row(title: str, spread: Spread) -> str:
    """Give a line of percentiles."""
    return f"{title:32} p50 {spread.p50:8.2f}  p95 {spread.p95:8.2f}  p99 {spread.p99:8.2f} ms"


def busy() -> str:
    """Tell how busy the machine was."""
    return f"load average {' '.join(f'{each:.1f}' for each in os.getloadavg())}"


@contextmanager
def bare() -> Iterator[Target]:
    """Run a server that reads the upload and answers with as many bytes."""
    with control.serving(1, 200) as (url, _):
        yield Target.of(url)


async def overhead() -> None:
    """Measure one upload of 10 s at a time, best of three, and the same bytes to a bare server."""
    with serving(CONFIG) as server, bare() as target:
        ours = await _best(server.target)
        theirs = await _best(target)
    print("a 10 s wav, one at a time, 200 uploads, best of three")
    print(row("voicegw", ours.total_ms))
    print(row("a bare uvicorn", theirs.total_ms))
    print(busy())


async def _best(target: Target) -> UploadSummary:
    await run(load(target, 10, 1))
    found = [await run(load(target, 200, 1)) for _ in range(3)]
    return min(found, key=lambda each: each.total_ms.p50)


async def crowd() -> None:
    """Measure 60 uploads at once, and what somebody gets who asks meanwhile whether the server lives."""
    with serving(CONFIG) as server, bare() as target:
        for name, each in (("voicegw", server.target), ("a bare uvicorn", target)):
            async with _asking(each) as asked:
                for _ in range(ROUNDS):
                    summary = await run(load(each, CROWD, CROWD))
            print(f"{CROWD} uploads of 10 s at once: {name}: {summary.outcomes} in {summary.wall_s:.2f} s")
            print(row("  those that were heard", summary.total_ms))
            print(row(f"  /health/live, {len(asked)} times", Spread.of(asked, 1000)))
        print(busy())


@asynccontextmanager
async def _asking(target: Target) -> AsyncGenerator[list[float], None]:
    """Ask whether the server lives, over and over, while the block runs; gives the seconds that each took."""
    took: list[float] = []
    reader, writer = await asyncio.open_connection(target.host, target.port)
    task = asyncio.create_task(_ask(reader, writer, took))
    try:
        yield took
    finally:
        task.cancel()
        await asyncio.wait((task,))
        writer.transport.abort()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, took: list[float]) -> None:
    while True:
        began = time.monotonic()
        writer.write(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        if b"content-length: " in head:
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        else:
            await reader.readuntil(b"0\r\n\r\n")
        took.append(time.monotonic() - began)
        await asyncio.sleep(HEALTH_EVERY_S)


async def left() -> None:
    """Have 200 clients leave, at all points of their uploads, and count what is left of them."""
    with serving(CONFIG) as server:
        await run(load(server.target, 20, 4))
        before = _holding(server)
        body = b"--b\r\ncontent-disposition: form-data; name=model\r\n\r\nears\r\n--b\r\n"
        body += b"content-disposition: form-data; name=file\r\n\r\n" + tone(30.0) + b"\r\n--b--\r\n"
        for _ in range(LEAVING // 20):
            await asyncio.gather(*(_leave(server.target, body, number / 19) for number in range(20)))
        live = await _live(server)
        after = _holding(server)
        again = await run(load(server.target, 20, 4))
    print(f"{LEAVING} uploads aborted: {live} requests left")
    for name, value in before.items():
        print(f"  {name}: {value} before, {after[name]} after")
    print(f"  after them: {again.outcomes}")
    print(busy())


async def _leave(target: Target, body: bytes, share: float) -> None:
    _, writer = await asyncio.open_connection(target.host, target.port)
    head = f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[: round(len(body) * share)])
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.transport.abort()


async def _live(server: Server) -> int:
    """Give the number of requests under way once it does not fall any more."""
    until = time.monotonic() + 10
    while True:
        live = int(server.health()[1]["live_requests"])
        if not live or time.monotonic() > until:
            return live
        await asyncio.sleep(0.01)


def _holding(server: Server) -> dict[str, int]:
    process = psutil.Process(server.process.pid)
    return {
        "MB of the gateway": process.memory_info().rss // MB,
        "open files": process.num_fds(),
        "threads": process.num_threads(),
        "processes": 1 + len(server.workers()),
    }


async def large() -> None:
    """Send 600 MB, announced or not, and see how much memory the gateway takes for it."""
    head = b"--b\r\ncontent-disposition: form-data; name=file\r\n\r\n"
    with serving(CONFIG) as server:
        for announced in (True, False):
            process = psutil.Process(server.process.pid)
            before = process.memory_info().rss
            status, highest = await _flood(server.target, head, process, announced=announced)
            how, more = "announced" if announced else "in chunks", (highest - before) / MB
            print(f"600 MB, {how}: {status}, memory +{more:.0f} MB")


async def _flood(target: Target, head: bytes, process: psutil.Process, *, announced: bool) -> tuple[str, int]:
    reader, writer = await asyncio.open_connection(target.host, target.port)
    kind = "content-length: 600000000" if announced else "transfer-encoding: chunked"
    form = "content-type: multipart/form-data; boundary=b"
    writer.write(f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: x\r\n{form}\r\n{kind}\r\n\r\n".encode())
    highest, answer = 0, asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    try:
        for number in range(600):
            data = head + bytes(MB) if not number else bytes(MB)
            writer.write(data if announced else b"%x\r\n%b\r\n" % (len(data), data))
            await writer.drain()
            highest = max(highest, process.memory_info().rss)
            if answer.done():
                break
    except ConnectionError:
        pass  # the server has had enough
    status = (await answer).split(b"\r\n")[0].decode()
    writer.transport.abort()
    return status, highest


PARTS: dict[str, Callable[[], Awaitable[None]]] = {"overhead": overhead, "crowd": crowd, "left": left, "large": large}


def main() -> None:
    """Measure and print what is named, or everything."""
    os.environ["PYTHONPATH"] = str(ADAPTERS)
    for name in sys.argv[1:] or PARTS:
        try:
            asyncio.run(PARTS[name]())  # type: ignore[arg-type]  # they are coroutines
        except Broken as error:
            print(f"{name}: {error}")


if __name__ == "__main__":
    main()
