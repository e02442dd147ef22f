"""Whatever is posted to the speech route, the answer is speech or a refusal in OpenAI's form, never a failure."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import speech_body

PATH = "/v1/audio/speech"

ODD: tuple[Any, ...] = (
    0,
    -1,
    1.5,
    1e308,
    10**400,
    True,
    False,
    [],
    ["tone"],
    {},
    {"id": None},
    {"id": 1},
    {"id": ["x"]},
    {"name": "tone"},
    "",
    " ",
    "\x00",
    "\ud800",
    "x" * 10_000,
    "../../etc/passwd",
    "a\r\nb: c",
    "\u202enoitcejni",
    "<audio src='x'>",
    "%s%n",
    "nan",
    "Infinity",
    "1e400",
    "٣",
    "None",
)
FIELDS = ("model", "input", "voice", "response_format", "speed", "language", "instructions", "stream_format", "extra")

BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \n",
    "null": b"null",
    "number": b"1",
    "string": b'"x"',
    "array": b"[]",
    "array of objects": b'[{"model":"tone"}]',
    "half an object": b'{"model": "tone", "input": ',
    "two objects": b"{}{}",
    "single quotes": b"{'model': 'tone'}",
    "comment": b"{/* x */}",
    "trailing comma": b'{"model":"tone",}',
    "bad utf-8": b'{"model":"tone","input":"\xff\xfe"}',
    "latin-1": '{"model":"tone","input":"käse"}'.encode("latin-1"),
    "utf-16": json.dumps(speech_body()).encode("utf-16"),
    "control character in a string": b'{"model":"tone","input":"a\x01b"}',
    "NaN": b'{"model":"tone","input":"a","speed":NaN}',
    "Infinity": b'{"model":"tone","input":"a","speed":-Infinity}',
    "nested arrays": b"[" * 200_000,
    "nested objects": b'{"a":' * 100_000,
    "nested value": b'{"model":"tone","input":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "huge integer": b'{"model":"tone","input":"a","speed":' + b"9" * 100_000 + b"}",
    "huge exponent": b'{"model":"tone","input":"a","speed":1e999999}',
    "many values": b'{"x":[' + b"0," * 500_001 + b"0]}",
    "zeros": bytes(1000),
    "html": b"<html></html>",
    "wav": b"RIFF\xff\xff\xff\xffWAVEfmt ",
    "bad escape": b'{"model":"\\x"}',
    "half an escape": b'{"model":"\\u12"}',
}


def refused(response: httpx.Response) -> dict[str, Any]:
    """Give the error of a refusal; AssertionError where it is none, or not in OpenAI's form."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:200])
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert response.headers["x-should-retry"] == "false"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert len(error["message"]) < 1000
    return dict(error)


def spoken_or_refused(response: httpx.Response) -> None:
    if response.status_code != 200:
        refused(response)
    else:
        assert response.content


@pytest.mark.parametrize("name", BROKEN)
def test_a_body_that_is_no_request_is_a_400(client: httpx.Client, name: str) -> None:
    response = client.post(PATH, content=BROKEN[name], headers={"content-type": "application/json"})
    assert refused(response) is not None
    assert response.status_code == 400


@pytest.mark.parametrize("field", FIELDS)
def test_odd_values_in_every_field(client: httpx.Client, field: str) -> None:
    for value in ODD:
        spoken_or_refused(client.post(PATH, content=json.dumps(speech_body(**{field: value}))))


def mutants(count: int) -> Iterator[bytes]:
    """Give damaged requests, the same ones every time."""
    chance = random.Random(7)  # noqa: S311 - no secret is made of it
    whole = json.dumps(speech_body(voice={"id": "tone"}, speed=1.0, language="en")).encode()
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                del data[at : at + chance.randint(1, 8)]
        yield bytes(data)


def test_damaged_requests(client: httpx.Client) -> None:
    statuses = set()
    for data in mutants(250):
        response = client.post(PATH, content=data)
        spoken_or_refused(response)
        statuses.add(response.status_code)
    assert 400 in statuses


@pytest.mark.parametrize(
    ("more", "param", "code", "said"),
    [
        ({"model": None}, "model", "missing_required_parameter", "must provide 'model'"),
        ({"model": 1}, "model", "invalid_type", "must be a string, not a number"),
        ({"input": None}, "input", "missing_required_parameter", "must provide 'input'"),
        ({"input": ["a"]}, "input", "invalid_type", "must be a string, not an array"),
        ({"input": ""}, "input", "empty_input", "nothing to speak"),
        ({"input": " \n\u3000"}, "input", "empty_input", "nothing to speak"),
        ({"input": "x" * 100_001}, "input", "string_above_max_length", "100001 characters, at most 100000"),
        ({"voice": "nobody"}, "voice", "voice_not_found", "tone, low, high, bright"),
        ({"voice": True}, "voice", "invalid_type", "must be a string, not a boolean"),
        ({"voice": {"id": 1}}, "voice", "invalid_value", "whose 'id' is one"),
        ({"response_format": "ogg"}, "response_format", "invalid_value", "mp3, opus, aac, flac, wav, pcm"),
        ({"speed": 0.2}, "speed", "invalid_value", "from 0.25 to 4"),
        ({"speed": 4.01}, "speed", "invalid_value", "from 0.25 to 4"),
        ({"speed": "fast"}, "speed", "invalid_value", "from 0.25 to 4"),
        ({"speed": False}, "speed", "invalid_value", "from 0.25 to 4"),
        ({"speed": {}}, "speed", "invalid_value", "from 0.25 to 4"),
        ({"language": "english please"}, "language", "invalid_value", "such as en or pt-BR"),
        ({"language": 1}, "language", "invalid_type", "not a number"),
    ],
)
def test_a_bad_parameter_is_named(client: httpx.Client, more: dict[str, Any], param: str, code: str, said: str) -> None:
    response = client.post(PATH, json=speech_body(**more))
    error = refused(response)
    assert response.status_code == 400
    assert (error["param"], error["code"]) == (param, code)
    assert said in error["message"]


@pytest.mark.parametrize(
    ("model", "said"),
    [("nix", "there are: tone, "), ("absent", "make install BACKENDS=no-such-backend"), ("gone", "pip install")],
)
def test_an_unknown_model_is_a_404_that_helps(client: httpx.Client, model: str, said: str) -> None:
    response = client.post(PATH, json=speech_body(model=model))
    error = refused(response)
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert said in error["message"]


def test_a_form_is_told_what_is_wanted(client: httpx.Client) -> None:
    response = client.post(PATH, data={"model": "tone", "input": "x"})
    assert response.status_code == 415
    assert "application/x-www-form-urlencoded" in refused(response)["message"]
    response = client.post(PATH, files={"file": b"x"}, data={"model": "tone"})
    assert response.status_code == 415
    assert "multipart/form-data" in refused(response)["message"]


def test_the_last_of_equal_keys_wins(client: httpx.Client) -> None:
    content = b'{"model":"nix","model":"tone","input":"one","response_format":"pcm"}'
    assert len(client.post(PATH, content=content).content) == 24_000


def test_one_connection_outlives_every_refusal(client: httpx.Client) -> None:
    ports = set()
    for content in (*BROKEN.values(), json.dumps(speech_body()).encode()):
        with client.stream("POST", PATH, content=content) as response:
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))
            response.read()
    assert len(ports) == 1
