"""Work for a client ends when the client goes away, whether or not it has been sent anything yet."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from starlette.types import Receive

from voicegw.errors import Cancelled


async def while_connected(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Run ``work``, and cancel it as soon as the client goes away; nothing of it runs on after this returns.

    The body of the request must have been read: from then on ``receive`` has nothing to give but the end.

    Raises:
        Cancelled: The client went away first.
        Exception: What ``work`` raises.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.wait((task, watch))
    if not task.cancelled():
        return task.result()  # it ended in spite of all: the answer was out when the connection closed
    raise Cancelled("the client went away")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
