"""``stream=true``: what is heard comes while it is heard, and a failure is told before the connection breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.api.transcription.conftest import Post
from tests.support.gateway import Gateway
from tests.support.uploads import PATH, heard, sound, wav

AUDIO = sound(2.5)
FIRST, SECOND, THIRD = (heard(AUDIO, second, second + 1) for second in range(3))
SILENCE = wav(bytes(32_000))
TEXT = f"{FIRST} {SECOND} {THIRD}"
USAGE = {
    "type": "tokens",
    "input_tokens": 1,
    "output_tokens": 2,
    "total_tokens": 3,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 1},
}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """Give the events of a whole stream; AssertionError where its form is not the one that clients read."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-cache"
    assert response.text.endswith("\n\n")
    blocks = [block for block in response.text.split("\n\n") if block and not block.startswith(":")]
    assert all(block.startswith('data: {"') and "\n" not in block for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def asked(**more: str) -> dict[str, str]:
    return {"model": "ears", "stream": "true", "segment_s": "1", **more}


def test_deltas_add_up_to_the_text(post: Post) -> None:
    assert events(post(AUDIO, **asked())) == [
        {"type": "transcript.text.delta", "delta": FIRST},
        {"type": "transcript.text.delta", "delta": f" {SECOND}"},
        {"type": "transcript.text.delta", "delta": f" {THIRD}"},
        {"type": "transcript.text.done", "text": TEXT, "languages": [{"code": "en"}], "usage": USAGE},
    ]


@pytest.mark.parametrize("form", ["text", "srt", "vtt", "verbose_json"])
def test_events_are_the_same_in_every_format(post: Post, form: str) -> None:
    assert events(post(AUDIO, **asked(response_format=form))) == events(post(AUDIO, **asked()))


def test_a_model_without_tokens_has_no_usage(post: Post) -> None:
    *_, done = events(post(AUDIO, **asked(model="simple")))
    assert done == {"type": "transcript.text.done", "text": TEXT, "languages": [{"code": "en"}]}


def test_logprobs_come_with_their_delta_and_all_in_the_end(post: Post) -> None:
    *deltas, done = events(post(AUDIO, **asked(**{"include[]": "logprobs"})))
    assert [each["token"] for each in deltas[0]["logprobs"]] == FIRST.split()
    assert done["logprobs"] == [each for delta in deltas for each in delta["logprobs"]]


def test_silence_is_an_end_without_text(post: Post) -> None:
    (done,) = events(post(SILENCE, **asked(model="deaf")))
    assert (done["type"], done["text"]) == ("transcript.text.done", "")


def test_a_translation_in_events(post: Post) -> None:
    assert events(post(AUDIO, "/v1/audio/translations", **asked()))[-1]["text"] == TEXT


@contextmanager
def streaming(client: httpx.Client, audio: bytes, **more: str) -> Iterator[Iterator[str]]:
    files = {"file": ("a.wav", audio)}
    with client.stream("POST", PATH, data=asked(**more), files=files) as response:
        assert response.status_code == 200
        yield (line for line in response.iter_lines() if line and not line.startswith(":"))


def test_a_segment_leaves_as_soon_as_it_is_final(gateway: Gateway, client: httpx.Client) -> None:
    """The model stops after two segments: they are there all the same."""
    with streaming(client, AUDIO, model="narrow", hang_after="2") as lines:
        told = [json.loads(next(lines).removeprefix("data: ")) for _ in range(2)]
        assert [event["delta"] for event in told] == [FIRST, f" {SECOND}"]
        assert gateway.app.state.traffic.live == 1
    gateway.wait_idle()


@pytest.mark.parametrize(("fault", "code"), [("raise_after", "backend_failed"), ("crash_after", "worker_lost")])
def test_a_failure_mid_stream_is_told_and_breaks_the_connection(
    client: httpx.Client, post: Post, fault: str, code: str
) -> None:
    lines: list[str] = []
    with streaming(client, AUDIO, model="narrow", **{fault: "1"}) as more, pytest.raises(httpx.RemoteProtocolError):
        lines.extend(more)
    told = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert told[0] == {"type": "transcript.text.delta", "delta": FIRST}
    assert set(told[-1]) == {"error"}
    assert set(told[-1]["error"]) == {"message", "type", "param", "code"}
    assert told[-1]["error"]["code"] == code
    assert "secret" not in "".join(lines)
    assert post(AUDIO, model="narrow").status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "code"), [("raise_after", 500, "backend_failed"), ("crash_after", 502, "worker_lost")]
)
def test_a_failure_before_anything_was_heard_has_a_status(post: Post, fault: str, status: int, code: str) -> None:
    for stream in ("true", "false"):
        response = post(AUDIO, **{**asked(model="narrow", stream=stream), fault: "0"})
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert post(AUDIO, model="narrow").status_code == 200


def test_a_failure_in_the_middle_is_no_half_answer_without_a_stream(post: Post) -> None:
    response = post(AUDIO, model="narrow", segment_s="1", raise_after="1")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "backend_failed")
    assert post(AUDIO, model="narrow", segment_s="1", no_done="true").status_code == 500


def test_a_model_that_takes_long_keeps_the_connection_open(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegw.api.sse.KEEP_ALIVE_S", 0.05)
    files = {"file": ("a.wav", AUDIO)}
    with client.stream("POST", PATH, data=asked(model="narrow", hang_after="0"), files=files) as response:
        assert response.status_code == 200
        lines = (line for line in response.iter_lines() if line)
        assert [next(lines) for _ in range(2)] == [": keep-alive"] * 2
