"""``POST /v1/audio/speech`` over a real connection: what comes back, in every format, and the headers with it."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.support.gateway import speech_body
from voicegw.audio.format import FORMATS, AudioFormat

PATH = "/v1/audio/speech"


def decoded(data: bytes) -> tuple[float, int]:
    """Give seconds and rate of an encoded file."""
    with av.open(io.BytesIO(data), "r") as container:
        frames = list(container.decode(container.streams.audio[0]))
    return sum(frame.samples for frame in frames) / frames[0].sample_rate, frames[0].sample_rate


@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
def test_every_format_holds_the_words(client: httpx.Client, target: AudioFormat) -> None:
    response = client.post(PATH, json=speech_body(response_format=target.name))
    assert response.status_code == 200
    assert response.headers["content-type"] == target.content_type
    if target.name == "pcm":
        assert len(response.content) == 3 * 24_000
        return
    seconds, _ = decoded(response.content)
    assert seconds == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
def test_streamed_equals_whole(client: httpx.Client, target: AudioFormat) -> None:
    asked = speech_body(response_format=target.name, input="one two three four")
    with client.stream("POST", PATH, json={**asked, "model": "faulty"}) as response:  # paced: chunk by chunk
        assert response.headers["transfer-encoding"] == "chunked"
        pieces = list(response.iter_raw())
    assert len(pieces) > 1
    whole = client.post(PATH, json=asked).content
    cut = 44 if target.name == "wav" else 0
    assert b"".join(pieces)[cut:] == whole[cut:]


def test_mp3_is_the_default(client: httpx.Client) -> None:
    body = speech_body()
    del body["response_format"]
    assert client.post(PATH, json=body).headers["content-type"] == "audio/mpeg"
    assert client.post(PATH, json={**body, "response_format": None}).headers["content-type"] == "audio/mpeg"
    assert client.post(PATH, json={**body, "response_format": "FLAC"}).headers["content-type"] == "audio/flac"


def test_a_streamed_wav_begins_with_a_whole_header(client: httpx.Client) -> None:
    with client.stream("POST", PATH, json=speech_body(model="faulty", response_format="wav")) as response:
        first, *_ = response.iter_raw()
    assert "content-length" not in response.headers
    assert first[:8] == b"RIFF\xff\xff\xff\xff"
    assert first[40:44] == b"\xff\xff\xff\xff"
    assert len(first) > 44


def test_first_audio_leaves_long_before_the_last_is_made(client: httpx.Client) -> None:
    with client.stream("POST", PATH, json=speech_body(model="real-time", input="one " * 400)) as response:
        assert response.status_code == 200
        assert next(response.iter_raw())  # 200 s of audio, made in real time


def test_long_input_is_one_stream_without_a_step_at_its_seams(client: httpx.Client) -> None:
    text = " ".join(f"This is sentence number {number}, one of many." for number in range(100))
    response = client.post(PATH, json=speech_body(input=text))
    pcm = np.frombuffer(response.content, np.int16).astype(int)
    words = len(text.split())
    assert len(pcm) == words * 12_000
    one = np.frombuffer(client.post(PATH, json=speech_body(input=" ".join(text.split()[:8]))).content, np.int16)
    assert np.abs(np.diff(pcm)).max() <= 1.5 * np.abs(np.diff(one.astype(int))).max()


def test_headers_of_a_stream(client: httpx.Client) -> None:
    headers = client.post(PATH, json=speech_body(voice="alloy"), headers={"x-request-id": "my.id-1_A"}).headers
    assert headers["x-request-id"] == "my.id-1_A"
    assert int(headers["openai-processing-ms"]) >= 0
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-sample-rate"] == "24000"
    assert headers["x-voicegw-model"] == "tone"
    assert headers["x-voicegw-voice"] == "tone"
    assert 0 < float(headers["x-voicegw-first-audio-at"]) < time.monotonic()
    assert "x-voicegw-warning" not in headers
    assert "x-voicegw-ignored" not in headers


@pytest.mark.parametrize("name", ["a b", "x" * 129, "käse", ""])
def test_a_request_id_that_is_not_well_formed_is_replaced(client: httpx.Client, name: str) -> None:
    response = client.post(PATH, json=speech_body(), headers={b"x-request-id": name.encode()})
    assert response.status_code == 200
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "more",
    [
        {"voice": None},
        {"voice": ""},
        {"voice": "marin"},
        {"voice": {"id": "tone"}},
        {"speed": "1"},
        {"speed": None},
        {"speed": 1.5},
        {"language": "de"},
        {"language": ""},
        {"stream_format": "audio"},
        {"input": "\ud800 one"},
        {"input": "one \x00\x07 two \u202e \U0001f600"},
        {"model": "tts-1"},
        {"model": "gpt-4o-mini-tts-2025-12-15"},
        {"model": "org/tone-large"},
    ],
    ids=json.dumps,
)
def test_what_clients_really_send_is_taken(client: httpx.Client, more: dict[str, Any]) -> None:
    response = client.post(PATH, content=json.dumps(speech_body(**more)))
    assert response.status_code == 200, response.text
    assert response.content
    assert "x-voicegw-ignored" not in response.headers


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"])
def test_json_is_taken_whatever_its_content_type(client: httpx.Client, kind: str) -> None:
    content = json.dumps(speech_body())
    assert client.post(PATH, content=content, headers={"content-type": kind}).status_code == 200
    assert client.post(PATH, content=b"\xef\xbb\xbf" + content.encode()).status_code == 200


def test_a_language_that_the_model_lacks_is_spoken_and_named(client: httpx.Client) -> None:
    response = client.post(PATH, json=speech_body(language="sw_KE"))
    assert len(response.content) == 72_000
    assert response.headers["x-voicegw-warning"] == "language sw-KE is not one of tone, spoken all the same"


def test_text_without_words_is_silence_and_says_so(client: httpx.Client) -> None:
    response = client.post(PATH, json=speech_body(input="...!?"))
    assert response.content == bytes(4800)
    assert response.headers["x-voicegw-warning"] == "the text gave no audio, 100 ms of silence instead"
    assert response.headers["content-length"] == "4800"
    assert "x-voicegw-first-audio-at" not in response.headers
    wav = client.post(PATH, json=speech_body(input="...!?", response_format="wav"))
    assert decoded(wav.content)[0] == pytest.approx(0.1)
    assert wav.content[40:44] == (4800).to_bytes(4, "little")


def test_what_has_no_effect_is_named(client: httpx.Client) -> None:
    more = {"instructions": "None", "temperature": 0.3, "nothing": None}
    response = client.post(PATH, json=speech_body(**more))
    assert response.status_code == 200
    assert response.headers["x-voicegw-ignored"] == "instructions, temperature"


def test_hostile_names_do_not_reach_the_headers(client: httpx.Client) -> None:
    hostile = {"a\r\nset-cookie: x": 1, "": 2, "ключ": 3, "x" * 5000: 4, "\ud800": 5}
    response = client.post(PATH, content=json.dumps(speech_body(**hostile)))
    assert response.headers["x-voicegw-ignored"] == f"a__set-cookie__x, _, ____, {'x' * 64}, _"
    assert "set-cookie" not in response.headers
    many = {f"k{number}": number for number in range(5000)}
    named = client.post(PATH, json=speech_body(**many)).headers["x-voicegw-ignored"]
    assert named.endswith("k19, and_4980_more")


def test_declared_parameters_reach_the_model(client: httpx.Client) -> None:
    response = client.post(PATH, json=speech_body(model="faulty", fail_after_chunks=0))
    assert response.status_code == 500
    refused = client.post(PATH, json=speech_body(model="faulty", fail_after_chunks=-1))
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "fail_after_chunks")
    assert "fail_after_chunks" in client.post(PATH, json=speech_body(fail_after_chunks=0)).headers["x-voicegw-ignored"]
