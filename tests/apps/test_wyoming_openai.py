"""Home Assistant, by the bridge Wyoming OpenAI: it finds out what it talks to, lists voices, reads wave streams."""

from __future__ import annotations

import asyncio
import struct
import wave
from io import BytesIO
from typing import Any, cast

import openai
from openai import omit
from openai._models import FinalRequestOptions

from tests.apps import readme
from tests.support.gateway import Gateway

APP = "Home Assistant, Wyoming OpenAI"
PIECE_BYTES = 2048
AT_ONCE = 3
"""Sentences that it has spoken at the same time."""


class Client(openai.AsyncOpenAI):
    """OpenAI's client as it bends it: without a key there is no ``Authorization`` at all."""

    def __init__(self, url: str) -> None:
        super().__init__(api_key="", base_url=readme.variables(APP, url)["TTS_OPENAI_URL"], _enforce_credentials=False)

    async def _prepare_options(self, options: FinalRequestOptions) -> FinalRequestOptions:
        options = await super()._prepare_options(options)
        options.headers = {**cast("dict[str, Any]", options.headers or {}), "Authorization": omit}
        return options

    async def probe(self, path: str) -> tuple[int, str]:
        """Ask as it does behind the back of the client: relative to the base URL, with no header of the client's."""
        answer = await self._client.get(path)
        return answer.status_code, answer.text


async def sentence(client: Client, model: str, voice: str, text: str) -> bytes:
    """Give the samples of a sentence, the format being that of the first piece."""
    async with client.audio.speech.with_streaming_response.create(
        model=model, voice=voice, input=text, response_format="wav"
    ) as response:
        pieces = [piece async for piece in response.iter_bytes(chunk_size=PIECE_BYTES)]
    with wave.open(BytesIO(pieces[0]), "rb") as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (24_000, 2, 1)
    size = struct.unpack_from("<I", pieces[0], 40)[0]
    assert size in (0xFFFFFFFF, sum(map(len, pieces)) - 44)
    return b"".join(pieces)[44:]


async def test_it_takes_us_for_a_server_that_lists_voices(gateway: Gateway, guarded: Gateway) -> None:
    for url in (gateway.url, guarded.url):
        async with Client(url) as client:
            assert (await client.probe("/readyz"))[0] != 200  # it would be LocalAI
            assert await client.probe("../../health") == (200, "OK")


async def test_voices_are_found_at_the_model_and_speak_by_name(gateway: Gateway) -> None:
    told = readme.variables(APP, gateway.url)
    assert told["TTS_STREAMING_MODELS"] == told["TTS_MODELS"]
    async with Client(gateway.url) as client:
        answer = await client._client.get(f"/models/{told['TTS_MODELS']}")
        voices = [voice["name"] for voice in answer.json()["voices"]]
        assert len(voices) > 100
        for voice in (voices[0], voices[-1]):
            assert len(await sentence(client, told["TTS_MODELS"], voice, "Lights on.")) > 12_000


async def test_sentences_at_the_same_time(gateway: Gateway) -> None:
    texts = ["one", "two three", "four five six", "seven"]
    gate = asyncio.Semaphore(AT_ONCE)

    async def spoken(client: Client, text: str) -> bytes:
        async with gate:
            return await sentence(client, "tone", "Low", text)

    async with Client(gateway.url) as client:
        found = await asyncio.gather(*(spoken(client, text) for text in texts))
    assert [len(audio) for audio in found] == [24_000 * len(text.split()) for text in texts]
