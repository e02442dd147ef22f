"""Applications that have what people say written: each sends what it sends, with the settings of the README."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai.types.audio import TranscriptionVerbose

from tests.apps import readme
from tests.apps.conftest import OBSIDIAN
from tests.apps.wire import Answer, ask, from_python
from tests.support.gateway import Gateway, serving
from tests.support.uploads import BOUNDARY, ears_installed, file, form, heard, listening_models, part, sound, wav
from voicegw.app import create_app
from voicegw.settings import Defaults, Server, Settings

SECTION = readme.LISTENING
AUDIO = sound(1.5)
SAID = heard(AUDIO)
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
AXIOS = {"Accept": "application/json, text/plain, */*", "User-Agent": "axios/1.13.2", **FORM}

variables = partial(readme.variables, section=SECTION)
fields = partial(readme.fields, section=SECTION)
arguments = partial(readme.arguments, section=SECTION)
document = partial(readme.document, section=SECTION)


@pytest.fixture(scope="module")
def listener() -> Iterator[Gateway]:
    """A server that listens, and lets Obsidian's pages ask."""
    settings = Settings(
        models=listening_models(deaf={"deaf": True}),
        defaults=Defaults(speech="ears", clone=None, transcription="ears"),
        server=Server(cors_origins=(OBSIDIAN,)),
    )
    with ears_installed(), serving(create_app(settings)) as running:
        yield running


def test_the_table_is_of_those_that_are_tested_here() -> None:
    apps = {"Open WebUI", "LibreChat", "LiveKit Agents", "Pipecat", "n8n", "Home Assistant, Wyoming OpenAI"}
    assert set(readme.rows(SECTION)) == {*apps, "Obsidian, Whisper"}


def chunked(url: str, headers: dict[str, str], body: bytes, size: int = 4096) -> Answer:
    """Post a body in chunks, as aiohttp does when it reads a file while it sends."""
    asked = urlsplit(url)
    connection = HTTPConnection(str(asked.hostname), asked.port, timeout=30)
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    connection.request("POST", asked.path, pieces, headers, encode_chunked=True)
    got = connection.getresponse()
    answer = Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
    connection.close()
    return answer


def open_webui(url: str, language: str | None, *, as_json: bool = False) -> Answer:
    """Transcribe what was recorded in the browser, as its server does; it tries languages until one is taken."""
    told = variables("Open WebUI", url)
    assert told["AUDIO_STT_ENGINE"] == "openai"
    headers = {
        "Authorization": f"Bearer {told['AUDIO_STT_OPENAI_API_KEY']}",
        "User-Agent": "Python/3.12 aiohttp/3.13.2",
    }
    endpoint = f"{told['AUDIO_STT_OPENAI_API_BASE_URL']}/audio/transcriptions"
    model = {"model": told["AUDIO_STT_MODEL"], **({"language": language} if language else {})}
    if as_json:
        body = {**model, "input_audio": {"data": b64encode(AUDIO).decode(), "format": "webm"}}
        return ask("POST", endpoint, {**headers, "Content-Type": "application/json"}, from_python(body))
    parts = [part(name, value, "Content-Type: text/plain; charset=utf-8") for name, value in model.items()]
    recording = part("file", AUDIO, "Content-Type: application/octet-stream", disposition='; filename="a1b2.webm"')
    return chunked(endpoint, {**headers, **FORM, "Transfer-Encoding": "chunked"}, form(*parts, recording))


@pytest.mark.parametrize("as_json", [False, True])
def test_open_webui(listener: Gateway, as_json: bool) -> None:
    answers = [open_webui(listener.url, language, as_json=as_json) for language in ("xx", "en", None)]
    assert [answer.status for answer in answers] == [400, 200, 200]
    assert {answer.json()["text"] for answer in answers[1:]} == {SAID}
    assert "it hears: en" in answers[0].json()["error"]["message"]


def test_librechat(listener: Gateway) -> None:
    told = document("LibreChat", listener.url)["speech"]["stt"]["openai"]
    recording = part("file", AUDIO, "Content-Type: audio/webm", disposition='; filename="audio.webm"')
    content = form(recording, part("model", told["model"]), part("language", "en"))
    answer = ask("POST", told["url"], {**AXIOS, "Authorization": f"Bearer {told['apiKey']}"}, content)
    assert (answer.status, answer.json()["text"]) == (200, SAID)


@pytest.mark.parametrize("model", [None, "gpt-4o-mini-transcribe"])
async def test_livekit(listener: Gateway, model: str | None) -> None:
    told = arguments("LiveKit Agents", listener.url)
    async with openai.AsyncOpenAI(base_url=told["base_url"], api_key=told["api_key"], max_retries=0) as client:
        asked = model or told["model"]
        form_of_answer: Any = "verbose_json" if asked == "whisper-1" else "json"
        answer = await client.audio.transcriptions.create(
            file=("file.wav", AUDIO, "audio/wav"), model=asked, language="en", prompt="", response_format=form_of_answer
        )
    assert answer.text == SAID
    if model is None:
        assert isinstance(answer, TranscriptionVerbose)
        assert (answer.language, answer.duration) == ("english", 1.5)


@pytest.mark.parametrize("more", [{}, {"include": ["logprobs"]}, {"keywords": ["Voicegw"], "temperature": 0.0}])
async def test_pipecat(listener: Gateway, more: dict[str, Any]) -> None:
    told = arguments("Pipecat", listener.url)
    async with openai.AsyncOpenAI(base_url=told["base_url"], api_key=told["api_key"]) as client:
        answer = await client.audio.transcriptions.create(
            file=("audio.wav", AUDIO, "audio/wav"), model=told["model"], language="en", **more
        )
        assert answer.text == SAID
        silence = await client.audio.transcriptions.create(file=("audio.wav", wav(bytes(6400))), model="deaf")
        assert silence.text == ""
        with pytest.raises(openai.BadRequestError):
            await client.audio.transcriptions.create(file=("audio.wav", AUDIO), model=told["model"], language="xx")


def test_n8n(listener: Gateway) -> None:
    told = fields("n8n", listener.url)
    parts = [part(name, value) for name, value in (("model", "whisper-1"), ("language", "en"), ("temperature", "0"))]
    recording = part("file", AUDIO, "Content-Type: audio/mpeg", disposition='; filename="data.mp3"')
    headers = {**AXIOS, "Authorization": f"Bearer {told['API Key']}"}
    answer = ask("POST", f"{told['Base URL']}/audio/transcriptions", headers, form(*parts, recording))
    assert (answer.status, answer.json()["text"]) == (200, SAID)
    assert answer.media_type == "application/json"


@pytest.mark.parametrize("stream", [True, False])
async def test_wyoming_openai(listener: Gateway, stream: bool) -> None:
    told = variables("Home Assistant, Wyoming OpenAI", listener.url)
    assert told["STT_MODELS"] == told["STT_STREAMING_MODELS"]
    async with openai.AsyncOpenAI(base_url=told["STT_OPENAI_URL"], api_key="none") as client:
        answer: Any = await client.audio.transcriptions.create(
            file=("audio.wav", AUDIO),
            model=told["STT_MODELS"],
            language="en",
            response_format="json",
            stream=stream,
            extra_body={"vad_filter": False, "segment_s": 1},
        )
        if not stream:
            assert answer.text == f"{heard(AUDIO, 0, 1)} {heard(AUDIO, 1)}"
            return
        events = [event async for event in answer]
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert events[-1].text == "".join(event.delta for event in events[:-1])


def test_obsidian(listener: Gateway) -> None:
    told = fields("Obsidian, Whisper", listener.url)
    assert OBSIDIAN in readme.rows(SECTION)["Obsidian, Whisper"]
    origin = {"Origin": OBSIDIAN}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = ask("OPTIONS", told["API URL"], {**origin, **asked})
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, OBSIDIAN)
    parts = [part("model", told["Model"]), part("language", ""), part("prompt", "")]
    recording = part("file", AUDIO, "Content-Type: audio/webm", disposition='; filename="2026-01-01.webm"')
    headers = {**AXIOS, **origin, "Authorization": f"Bearer {told['API KEY']}"}
    answer = ask("POST", told["API URL"], headers, form(recording, *parts))
    assert (answer.status, answer.json()["text"]) == (200, SAID)
    assert answer.headers["access-control-allow-origin"] == OBSIDIAN
    assert "x-voicegw-ignored" not in answer.headers


def test_litellm_asks_for_the_duration(listener: Gateway) -> None:
    with openai.OpenAI(base_url=f"{listener.url}/v1", api_key="none") as client:
        raw = client.audio.transcriptions.with_raw_response.create(
            file=("a.wav", AUDIO), model="whisper-1", response_format="verbose_json"
        )
    assert json.loads(raw.text)["duration"] == 1.5


def test_langchain_reads_the_text(listener: Gateway) -> None:
    """Its parser names the parts of a long recording, which it has split before, by attribute."""
    with openai.OpenAI(base_url=f"{listener.url}/v1", api_key="none") as client:
        told = client.audio.transcriptions.create(model="whisper-1", file=("part_0.mp3", AUDIO))
    assert told.text == SAID


def test_a_part_with_a_file_and_nothing_else_names_what_is_missing(listener: Gateway) -> None:
    answer = ask("POST", f"{listener.url}/v1/audio/transcriptions", FORM, form(file(AUDIO)))
    assert (answer.status, answer.json()["error"]["param"]) == (400, "model")
