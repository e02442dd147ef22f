"""A bare server to compare with: uvicorn and raw ASGI, streaming as many bytes in as many pieces, and nothing else."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any


def application(pieces: int, size: int, gap_s: float = 0.0) -> Any:
    """Make the ASGI application that answers every POST with ``pieces`` pieces of ``size`` bytes, all else with none.

    One leaves every ``gap_s`` seconds, or all at once where that is 0; lateness is made up for.
    """
    piece = bytes(size)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        if scope["method"] != "POST":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"audio/pcm")]})
        due = asyncio.get_running_loop().time()
        for number in range(pieces):
            if gap_s and number:
                due += gap_s
                await asyncio.sleep(due - asyncio.get_running_loop().time())
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return app


def main() -> None:
    """Serve ``PIECES SIZE GAP_S``, see above, on a free port of the loopback interface, which is printed."""
    import uvicorn

    from voicegw.server import bind

    (sock,) = bind("127.0.0.1", 0)
    app = application(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve([sock]))


@contextmanager
def serving(pieces: int, size: int, gap_s: float = 0.0) -> Generator[tuple[str, int], None, None]:
    """Run the bare server in a process of its own while the block runs; gives its URL and process id."""
    command = [sys.executable, "-m", "voicegw.bench.control", str(max(1, pieces)), str(max(1, size)), str(gap_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter
    try:
        port = process.stdout.readline().strip() if process.stdout else ""
        if not port:
            raise RuntimeError("the bare server did not start")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        if process.stdout:
            process.stdout.close()


if __name__ == "__main__":
    main()
