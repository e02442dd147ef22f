"""Pipecat 1.14.0: raw audio at 24 kHz in pieces of half a second, through OpenAI's client with its own retries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.apps import readme
from tests.apps.conftest import KEY
from tests.support.gateway import Gateway

APP = "Pipecat"
RATE = 24_000
PIECE_BYTES = RATE  # half a second, two bytes a sample
VOICES = [
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
]
"""It refuses any other name before it asks."""


async def heard(url: str, text: str, *, key: str | None = None, **more: Any) -> AsyncIterator[bytes]:
    """Ask as its service does, and give the audio of each of its frames."""
    told = readme.arguments(APP, url)
    asked = {"model": told["model"], "voice": told["voice"], "response_format": "pcm", **more}
    async with (
        openai.AsyncOpenAI(api_key=key or told["api_key"], base_url=told["base_url"]) as client,
        client.audio.speech.with_streaming_response.create(input=text, **asked) as response,
    ):
        assert response.status_code == 200
        async for piece in response.iter_bytes(PIECE_BYTES):
            yield piece


async def test_frames_of_half_a_second(guarded: Gateway) -> None:
    pieces = [piece async for piece in heard(guarded.url, "one two three four five", key=KEY)]
    assert {len(piece) for piece in pieces} == {PIECE_BYTES}
    assert len(pieces) == 5  # each word of a tone lasts half a second


async def test_speech_is_whole_samples_without_a_header(gateway: Gateway) -> None:
    pieces = [piece async for piece in heard(gateway.url, "Hello, I am here.", speed=1.2, instructions="Kindly.")]
    assert all(len(piece) == PIECE_BYTES for piece in pieces[:-1])
    audio = b"".join(pieces)
    assert len(audio) % 2 == 0
    assert audio[:4] != b"RIFF"
    assert 0.5 < len(audio) / 2 / RATE < 5


@pytest.mark.parametrize("voice", VOICES)
async def test_the_voices_that_it_lets_pass(guarded: Gateway, voice: str) -> None:
    assert [piece async for piece in heard(guarded.url, "one", key=KEY, voice=voice)]


async def test_a_bad_request_is_told_in_the_pipeline(gateway: Gateway) -> None:
    with pytest.raises(openai.BadRequestError, match=r"'speed' must be a number from 0\.25 to 4"):
        _ = [piece async for piece in heard(gateway.url, "one", speed=9)]
