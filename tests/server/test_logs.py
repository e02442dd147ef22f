"""What the gateway logs: one line per event, and no noise about streams that are broken off on purpose."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from voicegw import logs
from voicegw.errors import WorkerLost


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    handlers, level, filters = root.handlers[:], root.level, uvicorn.filters[:]
    yield
    root.handlers[:], uvicorn.filters[:] = handlers, filters
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def raised(error: BaseException) -> BaseException:
    """Give an error as it is caught: with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_json_lines_of_both_kinds_of_loggers(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger("voicegw.x").info("began", model="tone")
    structlog.get_logger("voicegw.x").debug("too fine")
    logging.getLogger("library").warning("careful with %s", "that")
    logging.getLogger("library").info("chatter")
    first, second = lines(capsys)
    assert (first["event"], first["model"], first["level"]) == ("began", "tone", "info")
    assert (second["event"], second["level"]) == ("careful with that", "warning")
    assert str(first["timestamp"]).endswith("Z")


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "console")
    structlog.get_logger().debug("began", model="tone")
    told = capsys.readouterr().err
    assert "began" in told
    assert "model=tone" in told


def test_an_exception_is_logged_without_the_values_of_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    spoken = "a secret to speak"
    structlog.get_logger().error("failed", exc_info=raised(ValueError("bad")))
    (line,) = lines(capsys)
    assert "ValueError: bad" in str(line["exception"])
    assert spoken not in str(line)


@pytest.mark.parametrize(
    "error",
    [
        WorkerLost("the worker died"),
        asyncio.CancelledError(),
        ConnectionResetError("gone"),
        ExceptionGroup("several", [WorkerLost("the worker died")]),
    ],
)
def test_a_stream_broken_off_on_purpose_is_one_line(capsys: pytest.CaptureFixture[str], error: BaseException) -> None:
    logs.configure("info", "json")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=raised(error))
    (line,) = lines(capsys)
    assert str(line["event"]).startswith("a response was broken off: ")
    assert "exception" not in line


def test_one_raised_from_such_an_error_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    error = RuntimeError("outer")
    error.__cause__ = WorkerLost("the worker died")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=raised(error))
    assert lines(capsys)[0]["event"] == "a response was broken off: WorkerLost: the worker died"


def test_a_bug_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=raised(KeyError("x")))
    (line,) = lines(capsys)
    assert "KeyError" in str(line["exception"])


def test_the_servers_word_for_an_unfinished_response_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("uvicorn.error").error("ASGI callable returned without completing response.")
    logging.getLogger("uvicorn.error").error("something else")
    assert [line["event"] for line in lines(capsys)] == ["something else"]


def test_what_is_wrong_with_a_form_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    with pytest.raises(FormParserError):
        MultipartParser(b"b", {}).write(b"no form")
    assert lines(capsys) == []
