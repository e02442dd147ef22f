"""Hostile and broken uploads: each is refused in OpenAI's form, and the server is as it was."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.transcription.conftest import FIELDS, Post
from tests.support.gateway import Gateway
from tests.support.uploads import BOUNDARY, HEADERS, PATH, answer, file, form, part, sending, sound

AUDIO = sound(0.5)


def refused(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    """Give the error of a refusal; AssertionError where it is none, or not in OpenAI's form."""
    assert response.status_code == status, (response.status_code, response.text[:300])
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert response.headers["x-should-retry"] == "false"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert 0 < len(error["message"]) < 1000
    return dict(error)


MODEL = part("model", "ears")
NO_FORM = {
    "nothing": b"",
    "no boundary in it": b"model=ears",
    "only the end": f"--{BOUNDARY}--\r\n".encode(),
    "another boundary": form(MODEL, file(AUDIO)).replace(BOUNDARY.encode(), b"other"),
    "no end": form(MODEL, file(AUDIO))[: -len(BOUNDARY) - 8],
    "cut in the file": form(MODEL, file(AUDIO))[:-5000],
    "cut in a header": form(MODEL)[:40],
    "cut after the headers": form(MODEL, file(AUDIO)).partition(AUDIO)[0],
    "line feeds alone": form(MODEL, file(b"xx")).replace(b"\r\n", b"\n"),
    "a part without headers": f"--{BOUNDARY}\r\n\r\nx\r\n".encode() + form(MODEL, file(AUDIO)),
    "a part without a name": form(MODEL, file(AUDIO).replace(b'name="file"', b"")),
    "a header without a colon": form(MODEL, part("x", "y", "no colon here"), file(AUDIO)),
    "a line break in the file's name": form(MODEL, file(AUDIO, '; filename="a\r\nb.wav"')),
    "a header of a megabyte": form(MODEL, part("x", "y", f"X-Long: {'x' * 2**20}")),
    "a name of a megabyte": form(MODEL, part("x" * 2**20, "y")),
    "a header's name of a megabyte": form(MODEL, part("x", "y", f"{'X' * 2**20}: y")),
    "a hundred headers": form(MODEL, part("x", "y", *(f"X-{n}: y" for n in range(100))), file(AUDIO)),
    "ten thousand fields": form(MODEL, *(part(f"f{n}", "") for n in range(10_000))),
    "an encoded file": form(MODEL, part("file", b64encode(AUDIO), "Content-Transfer-Encoding: base64")),
}


@pytest.mark.parametrize("name", NO_FORM)
def test_what_is_no_form(client: httpx.Client, post: Post, name: str) -> None:
    refused(client.post(PATH, content=NO_FORM[name], headers=HEADERS))
    assert post(AUDIO).status_code == 200


@pytest.mark.parametrize(
    ("parts", "param", "code"),
    [
        ((MODEL,), "file", "missing_required_parameter"),
        ((MODEL, part("audio", AUDIO, disposition='; filename="a.wav"')), "file", "missing_required_parameter"),
        ((MODEL, file(b"")), "file", "empty_file"),
        ((MODEL, file(AUDIO), file(AUDIO)), "file", "invalid_value"),
        ((file(AUDIO),), "model", "missing_required_parameter"),
        ((part("model", b"\xff\xfe"), file(AUDIO)), "model", "invalid_type"),
        ((MODEL, part("prompt", b"\xe4"), file(AUDIO)), "prompt", "invalid_type"),
        ((MODEL, part("keywords[]", b"\xe4"), file(AUDIO)), "keywords", "invalid_type"),
        ((MODEL, part("stream", b"\xe4"), file(AUDIO)), "stream", "invalid_type"),
    ],
)
def test_what_is_missing_or_no_text(client: httpx.Client, parts: tuple[bytes, ...], param: str, code: str) -> None:
    error = refused(client.post(PATH, content=form(*parts), headers=HEADERS))
    assert (error["param"], error["code"]) == (param, code)


def test_bytes_that_nobody_looks_at_are_only_named(client: httpx.Client) -> None:
    parts = (MODEL, part("cover", b"\x89PNG\xff", disposition='; filename="c.png"'), file(AUDIO))
    response = client.post(PATH, content=form(*parts), headers=HEADERS)
    assert (response.status_code, response.headers["x-voicegw-ignored"]) == (200, "cover")


def test_a_form_within_a_form_is_text(client: httpx.Client) -> None:
    inner = b'--inner\r\nContent-Disposition: file; filename="a"\r\n\r\nx\r\n--inner--\r\n'
    nested = part("more", inner, "Content-Type: multipart/mixed; boundary=inner")
    response = client.post(PATH, content=form(MODEL, nested, file(AUDIO)), headers=HEADERS)
    assert (response.status_code, response.headers["x-voicegw-ignored"]) == (200, "more")


def test_a_form_that_does_not_say_how_it_is_divided(client: httpx.Client) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'):
        error = refused(client.post(PATH, content=form(MODEL, file(AUDIO)), headers={"content-type": kind}))
        assert "has no boundary: do not set it yourself" in error["message"]
    long = {"content-type": f"multipart/form-data; boundary={'b' * 5000}"}
    assert "Boundary length" in refused(client.post(PATH, content=b"--b", headers=long))["message"]


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "audio/wav", "multipart/mixed; boundary=x", "text/html"]
)
def test_what_is_neither_form_nor_json(client: httpx.Client, kind: str) -> None:
    error = refused(client.post(PATH, content=b"x=y", headers={"content-type": kind}), 415)
    assert "multipart/form-data with a 'file', or JSON with 'input_audio'" in error["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "ears"}, "input_audio"),
        ({"model": "ears", "input_audio": None}, "input_audio"),
        ({"model": "ears", "input_audio": "AAAA"}, "input_audio"),
        ({"model": "ears", "input_audio": {}}, "input_audio"),
        ({"model": "ears", "input_audio": {"data": 1}}, "input_audio"),
        ({"model": "ears", "input_audio": {"data": ""}}, "input_audio"),
        ({"model": "ears", "input_audio": {"data": "data:audio/wav;base64,"}}, "input_audio"),
        ({"model": "ears", "input_audio": {"data": "@@@@"}}, "input_audio.data"),
        ({"model": "ears", "input_audio": {"data": "AAA"}}, "input_audio.data"),
        ({"model": "ears", "input_audio": {"data": "ÄÄÄÄ"}}, "input_audio.data"),
        ({"input_audio": {"data": "AAAA"}}, "model"),
        ({"model": 1, "input_audio": {"data": "AAAA"}}, "model"),
        ({"model": "ears", "languages": [1], "input_audio": {"data": "AAAA"}}, "languages"),
        ({"model": "ears", "keywords": {"a": 1}, "input_audio": {"data": "AAAA"}}, "keywords"),
    ],
    ids=str,
)
def test_json_without_audio_in_it(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    assert refused(client.post(PATH, json=body))["param"] == param


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"null", b"\xff", b'{"a":' * 50_000, b"0," * 300_000])
def test_what_is_no_json(client: httpx.Client, content: bytes) -> None:
    refused(client.post(PATH, content=content, headers={"content-type": "application/json"}))


def test_audio_that_is_none_is_the_decoders_to_say(post: Post) -> None:
    for fields in ({}, {"response_format": "srt"}, {"stream": "true"}):
        for audio in (b"bad file", AUDIO[:30], sound(0.05)):
            assert refused(post(audio, **fields))["param"] == "file"


def mutants(count: int) -> Iterator[bytes]:
    """Give damaged forms, the same ones every time."""
    chance = random.Random(7)  # noqa: S311 - no secret is made of it
    whole = form(MODEL, part("chunking_strategy[type]", "server_vad"), file(sound(0.1)), part("temperature", "0.5"))
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                del data[at : at + chance.randint(1, 8)]
        yield bytes(data)


def test_damaged_forms(client: httpx.Client) -> None:
    statuses = set()
    for data in mutants(200):
        response = client.post(PATH, content=data, headers=HEADERS)
        statuses.add(response.status_code)
        if response.status_code != 200:
            refused(response, 404 if response.status_code == 404 else 400)
    assert {200, 400} <= statuses


def test_one_connection_outlives_what_was_read_to_its_end(client: httpx.Client) -> None:
    ports = set()
    for content in (*NO_FORM.values(), form(MODEL, file(AUDIO))):
        with client.stream("POST", PATH, content=content, headers=HEADERS) as response:
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))
            response.read()
    assert len(ports) == 1


def test_fields_are_bounded_all_together(client: httpx.Client) -> None:
    fields = (part(f"field{number}", "x" * (FIELDS // 4)) for number in range(4))
    response = client.post(PATH, content=form(MODEL, *fields, file(AUDIO)), headers=HEADERS)
    error = refused(response, 413)
    assert f"fields of a form ({FIELDS}) exceeded" in error["message"]
    assert response.headers["connection"] == "close"


def test_the_body_is_not_asked_for_where_it_is_refused_anyway(gateway: Gateway) -> None:
    with sending(gateway, "Expect: 100-continue", "Content-Length: 100", "Content-Type: audio/wav") as connection:
        got = answer(connection)
    assert got.startswith(b"HTTP/1.1 415 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "unsupported_media_type"
