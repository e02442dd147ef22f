"""``timestamp_granularities: ["word"]``: events with the times of words, from real models."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import openai
import pytest

from tests.support.gateway import Gateway, serving, speech_body
from voicegw.app import create_app
from voicegw.settings import Model, Settings

PATH = "/v1/audio/speech"
TEXT = "one two, three - caf\u00e9!"
WORDS = ["one", "two", "three", "caf\u00e9"]


def asking(**more: object) -> dict[str, object]:
    return speech_body(**{"stream_format": "sse", "timestamp_granularities": ["word"], "input": TEXT, **more})


def events(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n") if line]


def words(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [word for event in told if event["type"] == "speech.audio.words" for word in event["words"]]


def seconds(told: list[dict[str, Any]]) -> float:
    """Give the length of the PCM."""
    return (
        sum(len(base64.b64decode(event["audio"])) for event in told if event["type"] == "speech.audio.delta") / 48_000
    )


def check_order(found: list[dict[str, Any]]) -> None:
    times = [time for word in found for time in (word["start"], word["end"])]
    assert times
    assert all(before <= after for before, after in pairwise(times))


def test_a_tone_model_tells_the_exact_times(client: httpx.Client) -> None:
    told = events(client.post(PATH, json=asking()))
    assert words(told) == [
        {"word": word, "start": at / 2, "end": at / 2 + 0.5, "source": "model"} for at, word in enumerate(WORDS)
    ]
    assert told[-1]["type"] == "speech.audio.done"


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 4])
def test_at_another_speed(client: httpx.Client, speed: float) -> None:
    told = events(client.post(PATH, json=asking(input="one two three four", speed=speed)))
    check_order(words(told))
    for at, word in enumerate(words(told)):
        assert word["start"] == pytest.approx(at / 2 / speed, abs=0.06)
        assert word["end"] == pytest.approx((at + 1) / 2 / speed, abs=0.06)


def test_words_come_before_the_delta_that_holds_their_end(client: httpx.Client) -> None:
    told = events(client.post(PATH, json=asking(model="faulty", input="one " * 10)))
    sent, pending = 0.0, [word["end"] for word in words(told)]
    for event in told:
        if event["type"] == "speech.audio.delta":
            sent += len(base64.b64decode(event["audio"])) / 48_000
            assert not pending or pending[0] >= sent
        elif event["type"] == "speech.audio.words":
            del pending[: len(event["words"])]
    assert not pending
    assert sum(event["type"] == "speech.audio.words" for event in told) > 5


def test_long_input_counts_on_over_its_segments(client: httpx.Client) -> None:
    text = " ".join(f"This is sentence number {number}, one of many." for number in range(60))
    found = words(events(client.post(PATH, json=asking(input=text))))
    assert [word["start"] for word in found] == [at / 2 for at in range(len(found))]
    assert [word["word"] for word in found] == text.replace(",", "").replace(".", "").split()


@pytest.mark.parametrize(
    "more",
    [
        {"timestamp_granularities": "word"},
        {"timestamp_granularities": None, "timestamp_granularities[]": ["word"]},
        {"timestamp_granularities": None, "timestamp_granularities[]": "word"},
    ],
    ids=json.dumps,
)
def test_how_else_it_is_asked_for(client: httpx.Client, more: dict[str, object]) -> None:
    response = client.post(PATH, json=asking(**more))
    assert len(words(events(response))) == len(WORDS)
    assert "x-voicegw-ignored" not in response.headers


@pytest.mark.parametrize("value", [None, [], ""])
def test_nothing_asked_for_is_nothing_told(client: httpx.Client, value: object) -> None:
    assert not words(events(client.post(PATH, json=asking(timestamp_granularities=value))))


@pytest.mark.parametrize("value", ["segment", ["word", "segment"], [["word"]], 1, True, {"word": 1}])
@pytest.mark.parametrize("form", ["sse", "audio"])
def test_other_values_are_refused(client: httpx.Client, value: object, form: str) -> None:
    response = client.post(PATH, json=asking(timestamp_granularities=value, stream_format=form))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "timestamp_granularities")


def test_without_events_it_is_named(client: httpx.Client) -> None:
    for name in ("timestamp_granularities", "timestamp_granularities[]"):
        response = client.post(PATH, json=speech_body(**{name: ["word"]}))
        assert response.headers["x-voicegw-ignored"] == "timestamp_granularities"


@pytest.fixture(scope="module")
def espeak() -> Iterator[Gateway]:
    with serving(create_app(Settings(models=(Model(id="espeak", backend="espeak", required=True),)))) as running:
        yield running


@pytest.mark.parametrize("more", [{}, {"speed": 3.5}, {"speed": 0.25}, {"sample_rate": 16_000}], ids=str)
def test_espeak_with_the_official_client(espeak: Gateway, more: dict[str, Any]) -> None:
    text = "Hello there, this is a test. It has two sentences, and some more words to say in 2024."
    extra = {"timestamp_granularities": ["word"]} | {k: v for k, v in more.items() if k != "speed"}
    asked: Any = {"model": "espeak", "voice": "alloy", "input": text, "response_format": "pcm"}
    asked |= {k: v for k, v in more.items() if k == "speed"}
    with (
        openai.OpenAI(base_url=f"{espeak.url}/v1", api_key="none", max_retries=0) as client,
        client.audio.speech.with_streaming_response.create(**asked, stream_format="sse", extra_body=extra) as response,
    ):
        told = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    found = words(told)
    check_order(found)
    assert [word["word"] for word in found] == text.replace(",", "").replace(".", "").split()
    assert {word["source"] for word in found} == {"model"}
    length = seconds(told) * 24_000 / int(response.headers["x-sample-rate"])
    assert 0.6 * length < found[-1]["end"] <= length
    assert told[-1]["usage"]["output_tokens"] == pytest.approx(20 * length, abs=1)
