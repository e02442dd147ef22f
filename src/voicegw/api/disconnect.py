"""Work for a client ends when the client goes away, whether or not it has been sent anything yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from starlette.types import Receive

from voicegw.errors import Cancelled


class Listener:
    """The client that work is done for.

    Args:
        finishes: Asked when it goes away: whether the work is to come to its own end, which is near.

    Attributes:
        gone: Whether it has gone away.
    """

    def __init__(self, finishes: Callable[[], bool] = lambda: False) -> None:
        self.finishes = finishes
        self.gone = False


async def while_connected(
    receive: Receive, work: Coroutine[None, None, None], listener: Listener | None = None
) -> None:
    """Run ``work``, and cancel it as soon as the client goes away; nothing of it runs on after this returns.

    The body of the request must have been read: from then on ``receive`` has nothing to give but the end.

    Args:
        receive: Of the ASGI server.
        work: What is done.
        listener: Told when the client goes away; nobody, where the work has nothing to know of it.

    Raises:
        Cancelled: The client went away first.
        Exception: What ``work`` raises.
    """
    listener = listener or Listener()
    task = asyncio.ensure_future(work)
    watch = asyncio.create_task(_gone(receive, listener))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and listener.finishes():
            await asyncio.wait((task,))
        if task.done():
            return task.result()
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.wait((task, watch))
    if not task.cancelled():
        return task.result()  # it ended in spite of all: the answer was out when the connection closed
    raise Cancelled("the client went away")


async def _gone(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.gone = True
