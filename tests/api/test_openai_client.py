"""OpenAI's client for Python, as people use it: every way to ask for speech and to read it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.support.gateway import Gateway, wait_until

SIZE = 3 * 24_000
TEXT = "one two three"
ASKED: dict[str, Any] = {"model": "tone", "voice": "low", "input": TEXT, "response_format": "pcm"}
STEADY: dict[str, Any] = {**ASKED, "model": "faulty"}
"""Of a model that takes its time."""
ENDLESS: dict[str, Any] = {**ASKED, "model": "real-time", "input": "one " * 400}


@pytest.fixture
def sync(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_whole(sync: openai.OpenAI, tmp_path: Path) -> None:
    speech = sync.audio.speech.create(**ASKED)
    assert len(speech.content) == SIZE
    assert speech.read() == speech.content
    assert b"".join(speech.iter_bytes(1000)) == speech.content
    speech.write_to_file(tmp_path / "speech.pcm")
    assert (tmp_path / "speech.pcm").read_bytes() == speech.content


def test_mp3_without_a_format(sync: openai.OpenAI) -> None:
    speech = sync.audio.speech.create(model="gpt-4o-mini-tts", voice="coral", input="one", instructions="Cheerfully.")
    assert speech.response.headers["content-type"] == "audio/mpeg"
    assert speech.response.headers["x-voicegw-ignored"] == "instructions"
    assert speech.content[0] == 0xFF


@pytest.mark.parametrize(("voice", "spoken"), [("High", "high"), ({"id": "low"}, "low"), ("cedar", "tone")], ids=str)
def test_voices(sync: openai.OpenAI, voice: Any, spoken: str) -> None:
    speech = sync.audio.speech.create(**{**ASKED, "voice": voice})
    assert speech.response.headers["x-voicegw-voice"] == spoken


def test_streamed(sync: openai.OpenAI) -> None:
    with sync.audio.speech.with_streaming_response.create(**STEADY, extra_body={"language": "en"}) as speech:
        pieces = list(speech.iter_bytes(1024))
        assert speech.headers["x-voicegw-model"] == "faulty"
    assert sum(map(len, pieces)) == SIZE
    assert len(pieces) > 10


async def test_streamed_as_it_comes(client: openai.AsyncOpenAI) -> None:
    async with client.audio.speech.with_streaming_response.create(**STEADY) as speech:
        sizes = [len(piece) async for piece in speech.iter_bytes()]
    assert sum(sizes) == SIZE
    assert len(sizes) > 1


def test_streamed_into_a_file(sync: openai.OpenAI, tmp_path: Path) -> None:
    with sync.audio.speech.with_streaming_response.create(**STEADY) as speech:
        speech.stream_to_file(tmp_path / "speech.pcm")
    assert (tmp_path / "speech.pcm").stat().st_size == SIZE


async def test_streamed_into_a_file_from_the_loop(client: openai.AsyncOpenAI, tmp_path: Path) -> None:
    async with client.audio.speech.with_streaming_response.create(**STEADY) as speech:
        await speech.stream_to_file(tmp_path / "speech.pcm")
    assert (tmp_path / "speech.pcm").stat().st_size == SIZE


def test_raw_response(sync: openai.OpenAI) -> None:
    raw = sync.audio.speech.with_raw_response.create(**ASKED, speed=1.0)
    assert (raw.status_code, raw.headers["content-type"], raw.retries_taken) == (200, "audio/pcm", 0)
    assert len(raw.parse().content) == SIZE
    assert len(raw.content) == SIZE


async def test_raw_response_from_the_loop(client: openai.AsyncOpenAI) -> None:
    raw = await client.audio.speech.with_raw_response.create(**{**ASKED, "response_format": "wav"})
    assert raw.parse().content[:4] == b"RIFF"


async def test_events_line_by_line(client: openai.AsyncOpenAI) -> None:
    asked = {**STEADY, "response_format": "mp3", "stream_format": "sse"}
    async with client.audio.speech.with_streaming_response.create(**asked) as speech:
        assert speech.request_id
        events = [json.loads(line.removeprefix("data: ")) async for line in speech.iter_lines() if line]
    assert [event["type"] for event in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]
    whole = await client.audio.speech.create(**asked)
    assert whole.text.count("\n\n") == whole.text.count("data: {") > 1


def test_extras(sync: openai.OpenAI) -> None:
    speech = sync.audio.speech.create(
        **ASKED,
        speed=1.25,
        extra_body={"speed": 0.5, "temperature": 0.7, "nested": {"a": [1, None]}},
        extra_query={"q": ["1", "2"], "trace": "yes"},
        extra_headers={"x-request-id": "mine-1", "traceparent": "00-0-0-00"},
    )
    assert len(speech.content) == 2 * SIZE  # the extra body wins
    assert speech.response.headers["x-voicegw-ignored"] == "temperature, nested"
    assert speech.response.headers["x-request-id"] == "mine-1"
    assert speech.response.url.query == b"q%5B%5D=1&q%5B%5D=2&trace=yes"
    with pytest.raises(openai.BadRequestError) as strict:
        sync.audio.speech.create(**ASKED, instructions="Softly.", extra_headers={"x-voicegw-strict": "1"})
    assert strict.value.param == "instructions"


def test_what_a_client_may_always_send(gateway: Gateway) -> None:
    with openai.OpenAI(
        base_url=gateway.url,  # the version left out
        api_key="none",
        organization="org-1",
        project="proj-1",
        default_headers={"x-team": "speech", "accept-encoding": "gzip, deflate, br, zstd"},
        default_query={"api-version": "preview"},
    ) as made:
        raw = made.audio.speech.with_raw_response.create(**ASKED)
    assert raw.http_request.headers["openai-organization"] == "org-1"
    assert "content-encoding" not in raw.headers
    assert len(raw.content) == SIZE


def test_two_variables_are_all_it_needs(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{gateway.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with openai.OpenAI() as made:
        assert len(made.audio.speech.create(**ASKED).content) == SIZE


def test_every_answer_has_a_request_id(sync: openai.OpenAI) -> None:
    first = sync.models.list()._request_id
    second = sync.audio.speech.with_raw_response.create(**ASKED).request_id
    with pytest.raises(openai.APIStatusError) as failed:
        sync.audio.speech.create(**{**ASKED, "input": " "})
    ids = {first, second, failed.value.request_id}
    assert len(ids) == 3
    assert all(each and each.startswith("req_") for each in ids)


def test_models(sync: openai.OpenAI) -> None:
    assert "tone" in [model.id for model in sync.models.list()]
    assert sync.models.retrieve("org/tone-large").id == "org/tone-large"


def test_azures_client_with_a_deployment_of_its_own(gateway: Gateway) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=gateway.url,
        azure_deployment="faulty",
        azure_ad_token_provider=lambda: "none",
        api_version="preview",
    ) as azure:
        raw = azure.audio.speech.with_raw_response.create(**ASKED)
    assert raw.url.path == "/openai/deployments/faulty/audio/speech"
    assert raw.headers["x-voicegw-model"] == "tone"  # the body's


async def test_azures_client_from_the_loop(gateway: Gateway) -> None:
    async with openai.AsyncAzureOpenAI(azure_endpoint=gateway.url, api_key="none", api_version="preview") as azure:
        async with azure.audio.speech.with_streaming_response.create(**STEADY) as speech:
            assert sum([len(piece) async for piece in speech.iter_bytes()]) == SIZE
        assert speech.http_request.headers["api-key"] == "none"


def test_a_stream_that_is_left_early_stops_the_model(gateway: Gateway, sync: openai.OpenAI) -> None:
    with sync.audio.speech.with_streaming_response.create(**ENDLESS) as speech:
        pieces = speech.iter_bytes()
        assert next(pieces)  # of 200 s, made in real time
        assert gateway.app.state.engine.active_streams() == 1
    gateway.wait_idle()


async def test_a_task_that_is_cancelled_stops_the_model(gateway: Gateway, client: openai.AsyncOpenAI) -> None:
    speaking = asyncio.create_task(client.audio.speech.create(**ENDLESS))
    await asyncio.to_thread(wait_until, lambda: gateway.app.state.engine.active_streams() == 1)
    speaking.cancel()
    await asyncio.wait((speaking,))
    await asyncio.to_thread(gateway.wait_idle)


def test_a_stream_that_breaks_is_never_taken_for_a_whole_one(sync: openai.OpenAI) -> None:
    broken = {**STEADY, "extra_body": {"fail_after_chunks": 8}}
    with pytest.raises(openai.APIConnectionError):
        sync.audio.speech.create(**broken)
    with (
        sync.audio.speech.with_streaming_response.create(**broken) as speech,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        speech.read()
