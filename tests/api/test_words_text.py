"""What is read aloud of a text, what is not, and the words and pauses of it in the caller's own terms."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.gateway import speech_body

PATH = "/v1/audio/speech"


def spoken(client: httpx.Client, text: str, **more: object) -> NDArray[np.int16]:
    response = client.post(PATH, json=speech_body(input=text, **more))
    assert response.status_code == 200, response.text
    assert "x-voicegw-ignored" not in response.headers
    return np.frombuffer(response.content, np.int16)


def words(client: httpx.Client, text: str, **more: object) -> list[dict[str, Any]]:
    asked = speech_body(input=text, stream_format="sse", timestamp_granularities=["word"], **more)
    told = [json.loads(line[6:]) for line in client.post(PATH, json=asked).text.split("\n") if line]
    return [word for event in told if event["type"] == "speech.audio.words" for word in event["words"]]


MARKED = "# one\n\n**two** [three](http://example.org/a/b) \U0001f600"


@pytest.mark.parametrize("clean", [None, "", "markdown", "Markdown"])
def test_marks_are_not_read_aloud(client: httpx.Client, clean: str | None) -> None:
    assert len(spoken(client, MARKED, clean=clean)) == 3 * 12_000


def test_nothing_is_taken_out_where_that_is_asked_for(client: httpx.Client) -> None:
    assert len(spoken(client, MARKED, clean="none")) > 3 * 12_000


@pytest.mark.parametrize("clean", ["html", 1, True, ["markdown"]])
def test_other_values_are_refused(client: httpx.Client, clean: object) -> None:
    response = client.post(PATH, json=speech_body(clean=clean))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "clean")


@pytest.mark.parametrize("text", ["---", "\U0001f600 \U0001f44d", "**", "[pause 2s]"])
def test_what_is_empty_without_its_marks_is_like_text_with_nothing_to_speak(client: httpx.Client, text: str) -> None:
    response = client.post(PATH, json=speech_body(input=text))
    assert response.content == bytes(4800)
    assert response.headers["x-voicegw-warning"] == "the text gave no audio, 100 ms of silence instead"


@pytest.mark.parametrize("speed", [1, 2, 4])
def test_a_pause_lasts_as_long_as_it_says_at_any_speed(client: httpx.Client, speed: int) -> None:
    pcm = spoken(client, "one [pause 1s] two", speed=speed)
    assert len(pcm) == pytest.approx(24_000 / speed + 24_000, abs=500)
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 500)
    assert np.diff(loud).max() == pytest.approx(24_000, abs=1000)


def test_a_pause_at_the_start_and_at_the_end(client: httpx.Client) -> None:
    pcm = spoken(client, "[pause 500ms] one [pause 250ms]")
    assert len(pcm) == 12_000 + 12_000 + 6_000
    assert not pcm[:12_000].any()
    assert not pcm[-6_000:].any()
    assert pcm[12_000:24_000].any()


def test_a_pause_at_the_start_does_not_hide_what_fails_before_any_audio(client: httpx.Client) -> None:
    asked = speech_body(model="faulty", input="[pause 1s] one", fail_after_chunks=0)
    assert client.post(PATH, json=asked).status_code == 500


def test_words_are_those_of_the_caller(client: httpx.Client) -> None:
    text = "[pause 500ms] **one** `two` [pause 1s] _thr_ee [four](http://example.org)!"
    assert words(client, text) == [
        {"word": "one", "start": 0.5, "end": 1.0, "source": "model"},
        {"word": "two", "start": 1.0, "end": 1.5, "source": "model"},
        {"word": "_thr_ee", "start": 2.5, "end": 3.0, "source": "model"},
        {"word": "four", "start": 3.0, "end": 3.5, "source": "model"},
    ]


def test_a_long_text_is_prepared_just_the_same(client: httpx.Client) -> None:
    text = "**one** two. " * 500
    assert len(spoken(client, text)) == 1000 * 12_000
    assert [word["word"] for word in words(client, text)] == ["one", "two"] * 500
