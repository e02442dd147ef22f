"""LiveKit Agents 1.8.9: events unless the model is tts-1, decoded as one file; no retries of OpenAI's client."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai
import pytest

from tests.apps import readme
from tests.apps.conftest import KEY
from tests.apps.heard import mp3_frames, seconds
from tests.support.gateway import Gateway

APP = "LiveKit Agents"
BY_BYTES = ("tts-1", "tts-1-hd")
DECODABLE = {"audio/mpeg", "audio/aac", "audio/flac", "audio/wav", "audio/opus", "audio/pcm"}
"""Of our content types, those that its decoder knows."""


@dataclass
class Heard:
    """What its stream made of an answer."""

    media_type: str
    request_id: str
    audio: bytes = b""
    usage: list[tuple[int, int]] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take a line of events: everything but ``data: `` is passed over, and what is not JSON."""
        if line.startswith("data: "):
            event = json.loads(line[6:])
            if event["type"] == "speech.audio.delta":
                self.audio += base64.b64decode(event.get("delta", "") or event.get("audio", ""))
            elif event["type"] == "speech.audio.done":
                self.usage.append((event["usage"]["input_tokens"], event["usage"]["output_tokens"]))


@asynccontextmanager
async def its_client(url: str, key: str | None = None) -> AsyncIterator[openai.AsyncOpenAI]:
    told = readme.arguments(APP, url)
    http = httpx2.AsyncClient(
        timeout=httpx2.Timeout(connect=15.0, read=5.0, write=5.0, pool=5.0),
        follow_redirects=True,
        limits=httpx2.Limits(max_connections=50, max_keepalive_connections=50, keepalive_expiry=120),
    )
    async with openai.AsyncOpenAI(
        max_retries=0, api_key=key or told["api_key"], base_url=told["base_url"], http_client=http
    ) as client:
        yield client


async def synthesize(client: openai.AsyncOpenAI, url: str, text: str, **more: Any) -> Heard:
    told = readme.arguments(APP, url)
    asked = {"model": told["model"], "voice": told["voice"], "response_format": "mp3", "speed": 1.0, **more}
    async with client.audio.speech.with_streaming_response.create(
        input=text,
        stream_format="audio" if asked["model"] in BY_BYTES else "sse",
        timeout=httpx2.Timeout(30, connect=10),
        **asked,
    ) as stream:
        heard = Heard(stream.headers.get("content-type", "").split(";")[0].strip().lower(), stream.request_id or "")
        if heard.media_type == "text/event-stream":
            async for line in stream.iter_lines():
                heard.read(line)
        else:
            async for piece in stream.iter_bytes():
                heard.audio += piece
    return heard


async def test_events_are_one_mp3_with_what_it_cost(gateway: Gateway) -> None:
    async with its_client(gateway.url) as client:
        heard = await synthesize(client, gateway.url, "Hello there, how are you?", instructions="Warmly.")
    assert heard.media_type == "text/event-stream"
    assert heard.request_id
    assert mp3_frames(heard.audio) > 0
    assert seconds("mp3", heard.audio) > 1
    ((characters, spoken),) = heard.usage
    assert characters == len("Hello there, how are you?")
    assert spoken > 20


@pytest.mark.parametrize("target", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_bytes_of_a_type_that_it_decodes(gateway: Gateway, target: str) -> None:
    async with its_client(gateway.url) as client:
        heard = await synthesize(client, gateway.url, "Hello.", model="tts-1", response_format=target)
    assert heard.media_type in DECODABLE
    assert seconds(target, heard.audio) > 0.3


async def test_warming_up_leaves_a_connection_that_serves(gateway: Gateway) -> None:
    async with its_client(gateway.url) as client:
        with pytest.raises(openai.NotFoundError):  # it passes over this
            await client.get("/", cast_to=str)
        assert (await synthesize(client, gateway.url, "one", model="tone")).audio


async def test_errors_have_all_that_it_passes_on(gateway: Gateway, guarded: Gateway) -> None:
    async with its_client(guarded.url, "wrong") as stranger:
        with pytest.raises(openai.APIStatusError) as refused:
            await synthesize(stranger, guarded.url, "one")
    async with its_client(gateway.url) as client:
        with pytest.raises(openai.APIStatusError) as unknown:
            await synthesize(client, gateway.url, "one", voice="nobody")
    assert (refused.value.status_code, unknown.value.status_code) == (401, 400)
    for told in (refused.value, unknown.value):
        assert told.request_id
        assert told.message
        assert isinstance(told.body, dict)
    async with its_client(guarded.url, KEY) as friend:
        assert (await synthesize(friend, guarded.url, "one")).usage == [(3, 10)]
