"""The official client, as people use it."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.support.gateway import Gateway

SIZE = 3 * 24_000


@pytest.fixture
def sync(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_sync(sync: openai.OpenAI) -> None:
    speech = sync.audio.speech.create(model="tts-1", voice="alloy", input="one two three", response_format="pcm")
    assert len(speech.content) == SIZE


def test_mp3_without_a_format(sync: openai.OpenAI) -> None:
    speech = sync.audio.speech.create(model="gpt-4o-mini-tts", voice="coral", input="one", instructions="Cheerfully.")
    assert speech.response.headers["content-type"] == "audio/mpeg"
    assert speech.response.headers["x-voicegw-ignored"] == "instructions"
    assert speech.content[0] == 0xFF


def test_streaming(sync: openai.OpenAI) -> None:
    with sync.audio.speech.with_streaming_response.create(
        model="faulty", voice="marin", input="one two three", response_format="pcm", extra_body={"language": "en"}
    ) as speech:
        pieces = list(speech.iter_bytes(1024))
        assert speech.headers["x-voicegw-model"] == "faulty"
    assert sum(map(len, pieces)) == SIZE
    assert len(pieces) > 10


async def test_async(gateway: Gateway) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        whole = await client.audio.speech.create(
            model="tts-1-hd", voice="low", input="one two three", response_format="wav", speed=1.0
        )
        assert whole.content[:4] == b"RIFF"
        size = 0
        async with client.audio.speech.with_streaming_response.create(
            model="tone", voice={"id": "high"}, input="one two three", response_format="pcm"
        ) as speech:
            async for piece in speech.iter_bytes():
                size += len(piece)
        assert size == SIZE


def test_errors_are_the_clients_own_kinds(sync: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="nothing to speak") as bad:
        sync.audio.speech.create(model="tone", voice="alloy", input=" ")
    assert (bad.value.param, bad.value.code, bad.value.type) == ("input", "empty_input", "invalid_request_error")
    assert bad.value.request_id
    with pytest.raises(openai.NotFoundError) as unknown:
        sync.audio.speech.create(model="nix", voice="alloy", input="one")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        sync.models.retrieve("nix")


def test_a_broken_stream_is_never_taken_for_a_whole_one(sync: openai.OpenAI) -> None:
    with pytest.raises(openai.APIConnectionError):
        sync.audio.speech.create(
            model="faulty", voice="alloy", input="one two", response_format="pcm", extra_body={"fail_after_chunks": 8}
        )


def test_models(sync: openai.OpenAI) -> None:
    assert "tone" in [model.id for model in sync.models.list()]
    assert sync.models.retrieve("org/tone-large").id == "org/tone-large"
