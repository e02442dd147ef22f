"""``speed`` from 0.25 to 4: by the model as far as it goes, by stretching beyond, the pitch kept in any case."""

from __future__ import annotations

import io

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.gateway import speech_body
from voicegw.audio.format import FORMATS, AudioFormat

PATH = "/v1/audio/speech"
ONE_HZ = 440  # what the tone model says to "one"


def pitch(pcm: NDArray[np.int16]) -> float:
    """Give the frequency that is loudest."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * 24_000 / len(pcm))


def seconds(data: bytes) -> float:
    with av.open(io.BytesIO(data), "r") as container:
        frames = list(container.decode(container.streams.audio[0]))
    return sum(frame.samples for frame in frames) / frames[0].sample_rate


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.5, 1.5, 2, 3, "4"])
def test_duration_follows_and_pitch_does_not(client: httpx.Client, speed: float | str) -> None:
    response = client.post(PATH, json=speech_body(input="one " * 8, speed=speed))
    assert "x-voicegw-warning" not in response.headers
    assert "x-voicegw-ignored" not in response.headers
    pcm = np.frombuffer(response.content, np.int16)
    assert len(pcm) / 24_000 == pytest.approx(4 / float(speed), rel=0.02)
    assert pitch(pcm) == pytest.approx(ONE_HZ, abs=5)
    assert np.abs(pcm.astype(int)).max() > 10_000


@pytest.mark.parametrize("speed", [0.25, 4])
@pytest.mark.parametrize("target", FORMATS, ids=lambda target: str(target.name))
def test_every_format_is_stretched(client: httpx.Client, target: AudioFormat, speed: float) -> None:
    response = client.post(PATH, json=speech_body(input="one " * 4, speed=speed, response_format=target.name))
    assert response.status_code == 200
    if target.name != "pcm":
        assert seconds(response.content) == pytest.approx(2 / speed, abs=0.15)


def test_what_is_stretched_does_not_announce_a_length(client: httpx.Client) -> None:
    assert "content-length" not in client.post(PATH, json=speech_body(speed=4)).headers


@pytest.mark.parametrize("speed", [0.25, 4])
def test_streamed_equals_whole(client: httpx.Client, speed: float) -> None:
    asked = speech_body(input="one two three four", speed=speed)
    paced = client.post(PATH, json={**asked, "model": "faulty"}).content
    assert paced == client.post(PATH, json=asked).content


def test_silence_in_place_of_words_is_not_stretched(client: httpx.Client) -> None:
    response = client.post(PATH, json=speech_body(input="...", speed=0.25))
    assert response.content == bytes(4800)
    assert response.headers["content-length"] == "4800"


@pytest.mark.parametrize("speed", [0.2, 4.1, 0, -1, True, "fast", [1], "nan"])
def test_other_speeds_are_refused(client: httpx.Client, speed: object) -> None:
    response = client.post(PATH, json=speech_body(speed=speed))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "speed")
