"""The forms of an answer, letter by letter."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.transcription.conftest import Post
from tests.support.uploads import heard, sound, wav

AUDIO = sound(2.5)
FIRST, SECOND, THIRD = (heard(AUDIO, second, second + 1) for second in range(3))
SILENCE = wav(bytes(32_000))
TEXT = f"{FIRST} {SECOND} {THIRD}"
SECONDS = {"segment_s": "1"}
"""A segment for every second: the third one is half a second long."""


def body(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)
    told: dict[str, Any] = response.json()
    return told


def text(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    return response.text


def test_json(post: Post) -> None:
    usage = {
        "type": "tokens",
        "input_tokens": 1,
        "output_tokens": 2,
        "total_tokens": 3,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 1},
    }
    expected = {"text": TEXT, "languages": [{"code": "en"}], "usage": usage}
    assert body(post(AUDIO, **SECONDS)) == expected
    assert body(post(AUDIO, response_format="JSON", **SECONDS)) == expected


def test_json_of_a_model_without_tokens(post: Post) -> None:
    told = body(post(AUDIO, model="simple", **SECONDS))
    assert told["usage"] == {"type": "duration", "seconds": 3}
    assert told["text"] == TEXT


def test_text(post: Post) -> None:
    assert text(post(AUDIO, response_format="text", **SECONDS)) == f"{TEXT}\n"


def test_srt(post: Post) -> None:
    assert text(post(AUDIO, response_format="srt", **SECONDS)) == (
        f"1\n00:00:00,000 --> 00:00:01,000\n{FIRST}\n\n"
        f"2\n00:00:01,000 --> 00:00:02,000\n{SECOND}\n\n"
        f"3\n00:00:02,000 --> 00:00:02,500\n{THIRD}\n\n"
    )


def test_vtt(post: Post) -> None:
    assert text(post(AUDIO, response_format="vtt", **SECONDS)) == (
        "WEBVTT\n\n"
        f"00:00:00.000 --> 00:00:01.000\n{FIRST}\n\n"
        f"00:00:01.000 --> 00:00:02.000\n{SECOND}\n\n"
        f"00:00:02.000 --> 00:00:02.500\n{THIRD}\n\n"
    )


def segment(number: int, start: float, end: float, said: str) -> dict[str, Any]:
    return {
        "id": number,
        "seek": 100 * number,
        "start": start,
        "end": end,
        "text": f" {said}",
        "tokens": [1, 2, 3],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.5,
        "no_speech_prob": 0.01,
    }


SEGMENTS = [segment(0, 0.0, 1.0, FIRST), segment(1, 1.0, 2.0, SECOND), segment(2, 2.0, 2.5, THIRD)]
VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.5,
    "text": TEXT,
    "usage": {"type": "duration", "seconds": 3},
}


def test_verbose_json(post: Post) -> None:
    expected = {**VERBOSE, "segments": SEGMENTS}
    assert body(post(AUDIO, response_format="verbose_json", **SECONDS)) == expected
    asked = {"timestamp_granularities[]": "segment"}
    assert body(post(AUDIO, response_format="verbose_json", **asked, **SECONDS)) == expected


def test_verbose_json_with_words(post: Post) -> None:
    words = [
        {"word": "16000", "start": 0.0, "end": 0.333},
        {"word": "samples", "start": 0.333, "end": 0.667},
        {"word": FIRST.split()[2], "start": 0.667, "end": 1.0},
        {"word": "16000", "start": 1.0, "end": 1.333},
        {"word": "samples", "start": 1.333, "end": 1.667},
        {"word": SECOND.split()[2], "start": 1.667, "end": 2.0},
        {"word": "8000", "start": 2.0, "end": 2.167},
        {"word": "samples", "start": 2.167, "end": 2.333},
        {"word": THIRD.split()[2], "start": 2.333, "end": 2.5},
    ]
    alone = post(AUDIO, response_format="verbose_json", **{"timestamp_granularities[]": "word"}, **SECONDS)
    assert body(alone) == {**VERBOSE, "words": words}
    both = post(AUDIO, response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]}, **SECONDS)
    assert body(both) == {**VERBOSE, "words": words, "segments": SEGMENTS}


def test_a_model_without_such_numbers_gives_numbers_all_the_same(post: Post) -> None:
    response = post(AUDIO, model="simple", response_format="verbose_json", **{"timestamp_granularities[]": "word"})
    told = body(response)
    assert response.headers["x-voicegw-ignored"] == "timestamp_granularities"
    assert told["words"] == []
    response = post(sound(1.0), model="simple", response_format="verbose_json")
    (only,) = body(response)["segments"]
    assert list(only) == list(SEGMENTS[0])
    numbers = {name: only[name] for name in ("temperature", "avg_logprob", "no_speech_prob")}
    assert numbers == {"temperature": 0.0, "avg_logprob": 0.0, "no_speech_prob": 0.0}
    assert 0 < only["compression_ratio"] < 2
    assert only["tokens"] == []


@pytest.mark.parametrize(
    ("asked", "name"),
    [("de", "german"), ("pt", "portuguese"), ("pt-BR", "portuguese"), ("Mandarin", "chinese"), ("jv", "javanese")],
)
def test_languages_have_their_names(post: Post, asked: str, name: str) -> None:
    assert body(post(model="many", language=asked, response_format="verbose_json"))["language"] == name


def test_logprobs(post: Post) -> None:
    told = body(post(sound(1.0), **{"include[]": "logprobs"}))
    words = heard(sound(1.0)).split()
    assert told["logprobs"] == [{"token": word, "logprob": -0.5, "bytes": [*word.encode()]} for word in words]
    assert "logprobs" not in body(post(sound(1.0)))


def test_translation(post: Post) -> None:
    path = "/v1/audio/translations"
    told = body(post(sound(1.0), path, model="many", language="de", response_format="verbose_json", echo="true"))
    assert (told["task"], told["language"], told["duration"]) == ("translate", "english", 1.0)
    assert body(post(sound(1.0), path))["text"] == heard(sound(1.0))
    assert text(post(sound(1.0), path, response_format="text")) == f"{heard(sound(1.0))}\n"
    asked = json.JSONDecoder().raw_decode(body(post(sound(1.0), path, echo="true"))["text"])[0]
    assert asked["task"] == "translate"


@pytest.mark.parametrize("name", ["whisper-1", "gpt-transcribe", "gpt-4o-mini-transcribe-2025-12-15", "ears"])
def test_openais_names_mean_the_configured_model(post: Post, name: str) -> None:
    response = post(AUDIO, model=name, **SECONDS)
    assert (body(response)["text"], response.headers["x-voicegw-model"]) == (TEXT, "ears")


@pytest.mark.parametrize(
    ("form", "expected"),
    [("text", "\n"), ("srt", ""), ("vtt", "WEBVTT\n\n")],
)
def test_silence_is_no_failure(post: Post, form: str, expected: str) -> None:
    assert text(post(SILENCE, model="deaf", response_format=form)) == expected


def test_silence_in_json(post: Post) -> None:
    assert body(post(SILENCE, model="deaf"))["text"] == ""
    told = body(post(SILENCE, model="deaf", response_format="verbose_json"))
    assert (told["text"], told["segments"], told["duration"]) == ("", [], 1.0)
    assert body(post(SILENCE, model="deaf", **{"include[]": "logprobs"}))["logprobs"] == []


def test_an_answer_says_whose_it_is(post: Post) -> None:
    response = post()
    assert response.headers["x-voicegw-model"] == "ears"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-request-id"]
    assert "x-voicegw-ignored" not in response.headers
