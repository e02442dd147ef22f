"""Speakers and voice activity over HTTP, with recognisers and diarizers in memory."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from tests.support.ears import ByTurns, MemoryDecoder, MemoryEars, NotZero, counting
from tests.support.gateway import listening
from voicegw.api import errors
from voicegw.api.boundary import Boundary
from voicegw.api.exchange import Exchanges
from voicegw.api.limits import BodyLimit, BodySizes
from voicegw.api.metrics import Metrics
from voicegw.api.openai.transcribed import Intake
from voicegw.api.openai.transcriptions import transcription_routes
from voicegw.api.templates import Templates
from voicegw.api.uploads import UploadSpace
from voicegw.services.activity import Chunking
from voicegw.services.transcription import TranscriptionPolicy, TranscriptionService

PATH = "/audio/transcriptions"
ACTIVITY = NotZero()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    ears, sizes = MemoryEars(), BodySizes(2**20, 2**20)
    service = TranscriptionService(ears, MemoryDecoder(), TranscriptionPolicy(), ACTIVITY, ByTurns())
    app = FastAPI()
    errors.install(app)
    app.add_middleware(BodyLimit, sizes=sizes)
    app.add_middleware(Boundary, exchanges=Exchanges(Templates(), Metrics({"ears": "memory"})))
    app.include_router(transcription_routes(Intake(service, sizes, UploadSpace(2**22)), 100))
    with listening(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as made:
        yield made


def ask(client: httpx.Client, audio: bytes, **fields: object) -> httpx.Response:
    data = {"model": "ears", **{name.replace("__", "[]"): value for name, value in fields.items()}}
    return client.post(PATH, data=data, files={"file": audio})


def test_segments_have_speakers(client: httpx.Client) -> None:
    told = ask(client, counting(1.5), response_format="diarized_json").json()
    assert (told["task"], told["duration"], told["text"]) == ("transcribe", 1.5, "s1 s1001")
    assert {each["speaker"] for each in told["segments"]} == {"A", "B"}
    assert [each["id"] for each in told["segments"]] == ["seg_001", "seg_002"]


def test_known_speakers_have_their_names(client: httpx.Client) -> None:
    url = "data:audio/wav;base64," + b64encode(b"RIFF").decode()
    response = ask(
        client,
        counting(2.0),
        response_format="diarized_json",
        known_speaker_names__=["anna", "bert"],
        known_speaker_references__=[url, url],
    )
    assert {each["speaker"] for each in response.json()["segments"]} == {"anna", "bert"}
    assert "x-voicegw-ignored" not in response.headers


def test_speakers_in_events(client: httpx.Client) -> None:
    response = ask(client, counting(2.0), response_format="diarized_json", stream="true")
    told = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    assert [event["type"] for event in told] == [
        "transcript.text.delta",
        "transcript.text.segment",
        "transcript.text.delta",
        "transcript.text.segment",
        "transcript.text.done",
    ]
    assert told[0]["segment_id"] == told[1]["id"] == "seg_001"
    assert set(told[1]) == {"type", "id", "start", "end", "text", "speaker"}
    assert told[-1]["text"] == "s1 s1001"


def test_silence_is_left_out_as_it_is_asked_for(client: httpx.Client) -> None:
    audio = bytes(2000) + counting(1.0)
    asked = {"response_format": "verbose_json", "chunking_strategy[type]": "server_vad"}
    response = client.post(
        PATH,
        data={"model": "ears", **asked, "chunking_strategy[silence_duration_ms]": "500"},
        files={"file": audio},
    )
    told = response.json()
    assert [(each["start"], each["end"]) for each in told["segments"]] == [(1.0, 2.0)]
    assert told["duration"] == 2.0
    assert ACTIVITY.asked[-1] == (1000, Chunking(0.5, 300, 500))
    assert "x-voicegw-ignored" not in response.headers
    ask(client, audio, chunking_strategy="auto")
    assert ACTIVITY.asked[-1] == (1000, Chunking())
    count = len(ACTIVITY.asked)
    assert ask(client, audio).json()["text"] == "s0 s1"
    assert len(ACTIVITY.asked) == count
