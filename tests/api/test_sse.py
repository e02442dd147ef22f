"""``stream_format: sse``: one encoded stream in slices, its end with usage, failures told, and data lines alone."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import openai
import pytest
from starlette.types import Message

from tests.support.gateway import Gateway, speech_body
from voicegw.api import sse
from voicegw.audio.format import FORMATS, AudioFormat

PATH = "/v1/audio/speech"
WAIT_S = 20.0


def asking(**more: object) -> dict[str, object]:
    return speech_body(**{"stream_format": "sse", **more})


def events(lines: str) -> list[dict[str, Any]]:
    """Read a whole stream, strictly: data and empty lines alone, one object per line."""
    assert lines.endswith("\n\n")
    blocks = lines[:-2].split("\n\n")
    assert all(block.startswith("data: {") and "\n" not in block for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def audio(told: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(e["audio"], validate=True) for e in told if e["type"] == "speech.audio.delta")


@pytest.mark.parametrize("more", [{}, {"speed": 3}, {"timestamp_granularities": ["word"]}], ids=json.dumps)
@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
def test_deltas_are_slices_of_the_plain_stream(
    client: httpx.Client, target: AudioFormat, more: dict[str, object]
) -> None:
    asked = speech_body(input="one two three four", response_format=target.name, model="faulty", **more)
    told = events(client.post(PATH, json={**asked, "stream_format": "sse"}).text)
    assert sum(event["type"] == "speech.audio.delta" for event in told) > 2
    plain = client.post(PATH, json={**asked, "stream_format": "audio"})
    assert plain.headers["content-type"] == target.content_type
    assert audio(told) == plain.content


def test_form_and_headers(client: httpx.Client) -> None:
    response = client.post(PATH, json=asking(voice="low", stream_format="SSE"))
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-sample-rate"] == "24000"
    assert response.headers["x-voicegw-voice"] == "low"
    assert response.headers["x-request-id"]
    assert "content-length" not in response.headers
    assert "x-voicegw-ignored" not in response.headers
    told = events(response.text)
    assert {tuple(event) for event in told[:-1]} == {("type", "audio")}
    assert response.text.startswith('data: {"type":"speech.audio.delta","audio":"')


@pytest.mark.parametrize(("text", "seconds"), [("one two three", 1.5), ("...", 0.1), ("one", 0.5)])
def test_usage_counts_characters_and_pieces_of_50_ms(client: httpx.Client, text: str, seconds: float) -> None:
    (*_, done) = events(client.post(PATH, json=asking(input=text, response_format="mp3")).text)
    spoken = round(seconds * 20)
    usage = {"input_tokens": len(text), "output_tokens": spoken, "total_tokens": len(text) + spoken}
    assert done == {"type": "speech.audio.done", "usage": usage}


def test_usage_counts_what_is_heard(client: httpx.Client) -> None:
    (*_, done) = events(client.post(PATH, json=asking(input="one " * 8, speed=4, sample_rate=8000)).text)
    assert done["usage"]["output_tokens"] in (20, 21)


def test_no_line_is_longer_than_64_kib(client: httpx.Client) -> None:
    response = client.post(PATH, json=asking(input="one " * 100, sample_rate=48_000))
    assert max(map(len, response.text.splitlines())) < 65_536
    assert len(audio(events(response.text))) == 100 * 48_000


def test_deltas_leave_while_the_rest_is_made(client: httpx.Client) -> None:
    with client.stream("POST", PATH, json=asking(model="real-time", input="one " * 400)) as response:
        lines = response.iter_lines()
        assert next(lines).startswith('data: {"type":"speech.audio.delta"')  # of 200 s, made in real time


@pytest.mark.parametrize("value", ["events", "wav", 1, True, ["sse"]])
def test_other_stream_formats_are_refused(client: httpx.Client, value: object) -> None:
    response = client.post(PATH, json=speech_body(stream_format=value))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "stream_format")


@pytest.mark.parametrize("value", [None, "", "audio", "Audio"])
def test_audio_is_the_default(client: httpx.Client, value: str | None) -> None:
    response = client.post(PATH, json=speech_body(stream_format=value))
    assert response.headers["content-type"] == "audio/pcm"
    assert "x-voicegw-ignored" not in response.headers


@pytest.mark.parametrize(
    ("more", "status"),
    [({"model": "nix"}, 404), ({"voice": "nobody"}, 400), ({"model": "faulty", "fail_after_chunks": 0}, 500)],
)
def test_what_fails_before_the_first_byte_is_plain_http(
    client: httpx.Client, more: dict[str, object], status: int
) -> None:
    response = client.post(PATH, json=asking(**more))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("fault", ["fail_after_chunks", "crash_after_chunks"])
def test_a_failure_after_the_start_is_told_and_the_connection_breaks(client: httpx.Client, fault: str) -> None:
    lines: list[str] = []
    asked = asking(model="faulty", input="one two three four", **{fault: 8})
    with client.stream("POST", PATH, json=asked) as response, pytest.raises(httpx.RemoteProtocolError):
        lines.extend(response.iter_lines())
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    assert told[0]["type"] == "speech.audio.delta"
    code = {"fail_after_chunks": "backend_failed", "crash_after_chunks": "worker_lost"}[fault]
    assert (set(told[-1]), set(told[-1]["error"])) == ({"error"}, {"message", "type", "param", "code"})
    assert told[-1]["error"]["code"] == code
    assert "speech.audio.done" not in [event.get("type") for event in told]
    with client.stream("POST", PATH, json=asking(model="faulty")) as again:
        assert again.status_code == 200


def test_leaving_mid_stream_frees_the_slot(gateway: Gateway, client: httpx.Client) -> None:
    with client.stream("POST", PATH, json=asking(model="narrow", input="one " * 400)) as response:
        next(response.iter_lines())
    gateway.wait_idle()


@pytest.mark.parametrize("target", ["mp3", "pcm"])
def test_with_the_official_client(gateway: Gateway, target: str) -> None:
    asked: Any = {"model": "faulty", "voice": "alloy", "input": "one two three", "response_format": target}
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        with client.audio.speech.with_streaming_response.create(**asked, stream_format="sse") as response:
            assert response.headers["content-type"] == "text/event-stream"
            told = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
        plain = client.audio.speech.create(**asked).content
    assert audio(told) == plain
    assert told[-1]["type"] == "speech.audio.done"


class Wire:
    """What an application sends, and when it may go on."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.news = asyncio.Event()

    async def send(self, message: Message) -> None:
        assert message["more_body"]
        self.sent.append(message["body"])
        self.news.set()
        await self.open.wait()


async def test_silence_is_filled_with_comments() -> None:
    wire = Wire()
    async with asyncio.timeout(WAIT_S), sse.event_stream(wire.send, quiet_s=0.01) as stream:
        await stream.write(b"data: 1\n\n")
        while len(wire.sent) < 4:
            wire.news.clear()
            await wire.news.wait()
        await stream.write(b"data: 2\n\n")
    assert wire.sent[0] == b"data: 1\n\n"
    assert set(wire.sent[1:4]) == {b": keep-alive\n\n"}
    assert b"data: 2\n\n" in wire.sent
    ended = len(wire.sent)
    await asyncio.sleep(0.05)
    assert len(wire.sent) == ended


async def test_a_client_that_does_not_read_gets_no_comments() -> None:
    wire = Wire()
    async with asyncio.timeout(WAIT_S), sse.event_stream(wire.send, quiet_s=0.01) as stream:
        wire.open.clear()
        writing = asyncio.create_task(stream.write(b"data: 1\n\n"))
        await asyncio.sleep(0.1)
        assert wire.sent == [b"data: 1\n\n"]
        wire.open.set()
        await writing


def test_ten_seconds_are_silence() -> None:
    assert sse.KEEP_ALIVE_S == 10


def test_an_event_is_one_line_of_ascii_whatever_it_holds() -> None:
    data = sse.event({"word": "a\n\r\u2028\x85é\0", "n": 1})
    assert data.endswith(b"\n\n")
    assert len(data.decode("ascii").splitlines()) == 2
    assert b": " not in data.removeprefix(b"data: ")
    assert json.loads(data.removeprefix(b"data: "))["word"] == "a\n\r\u2028\x85é\0"
