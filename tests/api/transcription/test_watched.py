"""Transcriptions are counted, logged and traced as speech is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.transcription.conftest import Post
from tests.support.gateway import Gateway, wait_until
from tests.support.scraped import Counted
from tests.support.uploads import PATH, sound
from voicegw.api.exchange import Exchange
from voicegw.api.metrics import Metrics
from voicegw.api.tracing import _phases

AUDIO = sound(2.0)
EARS = {"model": "ears", "backend": "ears"}
NARROW = {"model": "narrow", "backend": "ears"}


@pytest.fixture
def counted(gateway: Gateway, client: httpx.Client) -> Counted:
    gateway.wait_idle()
    return Counted(client)


def test_what_is_listened_to_is_counted_by_model_and_route(counted: Counted, post: Post) -> None:
    for path in (PATH, "/audio/transcriptions", "/openai/deployments/ears/audio/transcriptions"):
        assert post(AUDIO, path, model="whisper-1").status_code == 200
    assert post(AUDIO, stream="true").status_code == 200
    assert post(AUDIO, "/audio/translations").status_code == 200
    counted.wait("voicegw_requests_total", 4, route=PATH, code="200")
    counted.wait("voicegw_requests_total", 1, route="/v1/audio/translations", code="200")
    assert counted.more("voicegw_listened_seconds_total", **EARS) == pytest.approx(10.0)
    for name in ("time_to_first_text_seconds", "queue_wait_seconds", "rtf"):
        assert counted.more(f"voicegw_{name}_count", **EARS) == 5
    for name in ("rejected", "cancelled", "broken", "audio_seconds"):
        assert counted.more(f"voicegw_{name}_total") == 0


def test_what_is_refused_or_breaks_is_counted(counted: Counted, client: httpx.Client, post: Post) -> None:
    assert post(AUDIO, temperature="7").status_code == 400
    fields = {"model": "narrow", "stream": "true", "segment_s": "1", "raise_after": "1"}
    with (
        client.stream("POST", PATH, data=fields, files={"file": AUDIO}) as response,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        response.read()
    counted.wait("voicegw_broken_total", 1, **NARROW)
    counted.wait("voicegw_requests_total", 1, route=PATH, code="400")
    assert counted.more("voicegw_listened_seconds_total", **NARROW) == pytest.approx(2.0)
    assert counted.more("voicegw_rtf_count", **NARROW) == 0
    over = post(bytes(2**21))
    assert over.status_code == 413
    counted.wait("voicegw_rejected_total", 1, reason="too_large")


@pytest.fixture
def lines(gateway: Gateway) -> Iterator[list[Any]]:
    gateway.wait_idle()
    with capture_logs() as logs:
        yield logs


def test_one_line_that_says_nothing_of_what_was_said(lines: list[Any], post: Post) -> None:
    assert post(AUDIO, prompt="swordfish").status_code == 200
    wait_until(lambda: any(line["event"] == "request" for line in lines), "the line")
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["route"], line["model"], line["audio_s"], line["outcome"]) == (PATH, "ears", 2.0, "ok")
    assert 0 <= line["first_text_s"] <= line["took_s"]
    assert "swordfish" not in str(lines)


def test_what_a_transcription_goes_through() -> None:
    exchange = Exchange("id", "POST", PATH, Metrics({"ears": "ears"}))
    exchange.listens("ears")
    exchange.ended = exchange.asked_at + 4
    assert [*_phases(exchange)] == [("transcription.queue", exchange.asked_at, exchange.ended)]
    exchange.admitted(0.5)
    exchange.told()
    exchange.listened(3.0, 0.5)
    names = [name for name, *_ in _phases(exchange)]
    assert names == ["transcription.queue", "transcription.first_text", "transcription.listening"]
