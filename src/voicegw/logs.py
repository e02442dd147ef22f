"""Logging of the gateway: one line per event on stderr, never with a key or spoken text."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import structlog

from voicegw.errors import VoicegwError

_DELIBERATE = (VoicegwError, asyncio.CancelledError, ConnectionError)
_UNFINISHED = "ASGI callable returned without completing response."


class Lines:
    """Where lines of the log go: stderr while somebody reads it; a reader who is gone is no reason to fail."""

    def write(self, text: str) -> int:
        """Write, or drop what nobody will read."""
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(level: Literal["debug", "info", "warning", "error"], form: Literal["json", "console"]) -> None:
    """Send what structlog and the standard library's loggers say to stderr, in one form."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        structlog.processors.format_exc_info,  # no variables of the frames: they hold what people say
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "console":
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Lines())),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(Lines())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a broken form is its sender's affair
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.filters[:] = [broken_stream_in_one_line]


def broken_stream_in_one_line(record: logging.LogRecord) -> bool:
    """Filter for the HTTP server's log: streams that are broken off on purpose are no news, or one line.

    The application has logged its own failures already; a cancelled task is one that a shutdown has cut off.
    """
    if record.getMessage() == _UNFINISHED:
        return False
    error = record.exc_info[1] if record.exc_info else None
    cause = next((each for each in _causes(error) if isinstance(each, _DELIBERATE)), None) if error else None
    if cause is not None:
        record.exc_info = record.exc_text = None
        record.msg, record.args = f"a response was broken off: {type(cause).__name__}: {cause}".rstrip(": "), ()
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception, the members of groups, and what each was raised from."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _causes(member)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)
