"""``sample_rate``: the same speech at 8 to 48 kHz, where the format carries it."""

from __future__ import annotations

import io

import av
import httpx
import pytest

from tests.support.gateway import speech_body
from voicegw.audio.format import FORMATS, AudioFormat

PATH = "/v1/audio/speech"


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
def test_every_format_at_the_usual_rates(client: httpx.Client, target: AudioFormat, rate: int) -> None:
    response = client.post(PATH, json=speech_body(response_format=target.name, sample_rate=rate))
    assert response.status_code == 200
    assert response.headers["x-sample-rate"] == str(rate)
    assert "x-voicegw-ignored" not in response.headers
    if target.name == "pcm":
        assert len(response.content) == 2 * 1.5 * rate
        return
    with av.open(io.BytesIO(response.content), "r") as container:
        frames = list(container.decode(container.streams.audio[0]))
    assert sum(frame.samples for frame in frames) / frames[0].sample_rate == pytest.approx(
        1.5, abs=0.05 + 2300 / rate
    )  # frames are longer at low rates
    if target.name != "opus":  # its decoders always give 48 kHz
        assert frames[0].sample_rate == rate


@pytest.mark.parametrize(
    ("rate", "kind"), [("16000", "audio/pcm;rate=16000"), (None, "audio/pcm"), (24e3, "audio/pcm")]
)
def test_raw_samples_say_their_rate_where_it_is_not_the_usual(
    client: httpx.Client, rate: str | float | None, kind: str
) -> None:
    response = client.post(PATH, json=speech_body(sample_rate=rate))
    assert response.headers["content-type"] == kind


def test_a_known_length_is_announced_at_other_rates_too(client: httpx.Client) -> None:
    response = client.post(PATH, json=speech_body(input="...", sample_rate=8_000, response_format="wav"))
    assert response.headers["content-length"] == str(len(response.content)) == str(44 + 1600)


def test_with_speed(client: httpx.Client) -> None:
    response = client.post(PATH, json=speech_body(input="one " * 8, sample_rate=8_000, speed=4))
    assert len(response.content) == pytest.approx(16_000, rel=0.02)


@pytest.mark.parametrize("target", ["mp3", "pcm"])
@pytest.mark.parametrize("rate", [7_999, 48_001, 22_050.5, "x", True, [8000], {}, 0, -24_000])
def test_other_rates_are_refused(client: httpx.Client, target: str, rate: object) -> None:
    response = client.post(PATH, json=speech_body(sample_rate=rate, response_format=target))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "sample_rate")


@pytest.mark.parametrize(("target", "rate"), [("opus", 22_050), ("mp3", 9_000), ("aac", 47_999)])
def test_a_rate_that_the_format_lacks_is_refused_with_those_it_has(
    client: httpx.Client, target: str, rate: int
) -> None:
    response = client.post(PATH, json=speech_body(sample_rate=rate, response_format=target))
    assert response.status_code == 400
    assert "24000" in response.json()["error"]["message"]
    assert client.post(PATH, json=speech_body(sample_rate=rate, response_format="flac")).status_code == 200
