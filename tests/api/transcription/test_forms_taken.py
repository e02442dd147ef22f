"""Every form in which clients send a file and its fields, over real sockets."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.api.transcription.conftest import Post
from tests.support.gateway import Gateway
from tests.support.uploads import (
    BOUNDARY,
    HEADER,
    HEADERS,
    PATH,
    answer,
    chunk,
    file,
    form,
    heard,
    part,
    sending,
    sound,
)

AUDIO = sound(1.0)
SAID = heard(AUDIO)


def said(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["text"])


@pytest.mark.parametrize("length", [3244, 65_534, 65_536, 131_072, 2**20])
def test_a_file_arrives_to_the_byte(post: Post, length: int) -> None:
    audio = sound((length - HEADER) / 32_000, seed=length)
    assert len(audio) == length
    assert said(post(audio, segment_s="3600")) == heard(audio)


@pytest.mark.parametrize(
    "parts",
    [
        (part("model", "ears"), file(AUDIO)),
        (file(AUDIO), part("model", "ears")),
        (part("model", "ears"), file(AUDIO), part("response_format", "json"), part("language", "en")),
        (part("model", "nix"), file(AUDIO), part("model", "ears")),
    ],
    ids=["fields first", "file first", "fields around it", "the last one wins"],
)
def test_the_file_may_come_anywhere(client: httpx.Client, parts: tuple[bytes, ...]) -> None:
    assert said(client.post(PATH, content=form(*parts), headers=HEADERS)) == SAID


@pytest.mark.parametrize(
    "head",
    [
        '; filename="a.wav"\r\nContent-Type: audio/wav',
        "; filename=upload\r\nContent-Type: application/octet-stream",
        '; filename="blob"',
        "",
        "; filename=\"\"; filename*=UTF-8''a%20b.mp3\r\nContent-Type: text/html; charset=ebcdic",
        '; filename="../../etc/passwd"',
        '; filename="C:\\Users\\anna\\a.wav"',
        '; filename="a%0D%0Ab\x00.exe"',
        '; filename="Größe 日本.ogg"\r\nContent-Transfer-Encoding: binary\r\nX-Odd: yes',
    ],
)
def test_name_and_type_of_the_file_do_not_matter(client: httpx.Client, head: str) -> None:
    content = form(file(AUDIO, head), part("model", "ears"))
    assert said(client.post(PATH, content=content, headers=HEADERS)) == SAID


def test_a_body_without_a_length_in_pieces_of_any_size(gateway: Gateway) -> None:
    short = sound(0.1)
    content = form(part("model", "ears"), file(short), part("language", "en"))
    heads = ("Transfer-Encoding: chunked", "Connection: close", *(f"{k}: {v}" for k, v in HEADERS.items()))
    for size in (1, 7, 1000):
        with sending(gateway, *heads) as connection:
            for at in range(0, len(content), size):
                connection.sendall(chunk(content[at : at + size]))
            connection.sendall(b"0\r\n\r\n")
            got = answer(connection)
        assert got.startswith(b"HTTP/1.1 200 OK")
        assert json.loads(got.partition(b"\r\n\r\n")[2])["text"] == heard(short)


def test_a_file_that_holds_what_looks_like_a_boundary(client: httpx.Client) -> None:
    for odd in (f"\r\n--{BOUNDARY}x", f"\r\n--{BOUNDARY[:-1]}", "\r\n--\r\n", f"--{BOUNDARY}--\r\n", "\r" * 99 + "x"):
        audio = AUDIO[:1001] + odd.encode() + AUDIO[1001 + len(odd) :]
        content = form(part("model", "ears"), file(audio))
        assert said(client.post(PATH, content=content, headers=HEADERS)) == heard(audio)


def test_preamble_and_epilogue_are_no_part_of_it(client: httpx.Client) -> None:
    content = b"\r\n" + form(part("model", "ears"), file(AUDIO)) + b"and more\r\n--x--"
    assert said(client.post(PATH, content=content, headers=HEADERS)) == SAID


@pytest.mark.parametrize(
    "kind",
    [
        f'multipart/form-data; boundary="{BOUNDARY}"',
        f"Multipart/Form-Data; charset=utf-8; Boundary={BOUNDARY}",
        f"multipart/form-data;boundary={BOUNDARY}; x=y",
    ],
)
def test_how_the_boundary_is_told(client: httpx.Client, kind: str) -> None:
    content = form(part("model", "ears"), file(AUDIO))
    assert said(client.post(PATH, content=content, headers={"content-type": kind})) == SAID


def echoed(response: httpx.Response) -> dict[str, Any]:
    """Give what the recogniser was asked for."""
    told: dict[str, Any] = json.JSONDecoder().raw_decode(said(response))[0]
    return told


@pytest.mark.parametrize(
    "fields",
    [
        {"languages[]": ["de", "en"]},
        {"languages": ["de", "en"]},
        {"languages[0]": "de", "languages[1]": "en"},
        {"languages": '["de", "en"]'},
        {"languages[]": ["de", "", "en", "de"]},
    ],
    ids=str,
)
def test_lists_in_all_their_spellings(post: Post, fields: dict[str, Any]) -> None:
    response = post(model="many", **fields)
    assert response.json()["languages"] == [{"code": "de"}]
    assert "x-voicegw-ignored" not in response.headers


@pytest.mark.parametrize(
    "fields",
    [
        {"chunking_strategy": "auto"},
        {"chunking_strategy": '{"type": "server_vad", "threshold": 0.7}'},
        {"chunking_strategy[type]": "server_vad"},
        {
            "chunking_strategy[type]": "server_vad",
            "chunking_strategy[threshold]": "0.6",
            "chunking_strategy[prefix_padding_ms]": "100",
            "chunking_strategy[silence_duration_ms]": "500",
        },
    ],
    ids=str,
)
def test_objects_in_all_their_spellings(post: Post, fields: dict[str, Any]) -> None:
    response = post(**fields)
    assert said(response) == SAID
    assert response.headers["x-voicegw-ignored"] == "chunking_strategy"


def test_an_empty_field_counts_as_absent(post: Post) -> None:
    names = ("language", "prompt", "response_format", "temperature", "stream", "include[]", "chunking_strategy")
    response = post(**dict.fromkeys(names, ""), keywords="", known_speaker_names__="")
    assert said(response) == SAID
    assert "x-voicegw-ignored" not in response.headers
    assert post(model="").json()["error"]["code"] == "missing_required_parameter"


def test_fields_reach_the_model(post: Post) -> None:
    asked = {
        "language": "en",
        "prompt": "Zwölf Boxkämpfer, 日本",
        "keywords[]": ["Voice Gate", "Ümlaut"],
        "temperature": "0.5",
        "echo": "true",
        "timestamp_granularities[]": ["word", "segment"],
        "response_format": "verbose_json",
    }
    assert echoed(post(**asked)) == {
        "task": "transcribe",
        "languages": ["en"],
        "prompt": asked["prompt"],
        "keywords": ["Voice Gate", "Ümlaut"],
        "temperatures": [0.5],
        "words": True,
        "logprobs": False,
        "tenant": "",
    }
    none = echoed(post(echo="true", temperature="0"))
    assert (none["languages"], none["prompt"], none["temperatures"], none["words"]) == ([], "", [], False)


def test_text_in_the_character_set_that_its_part_names(client: httpx.Client) -> None:
    parts = [
        part("model", "ears", "Content-Type: text/plain; charset=UTF-8"),
        part("echo", "true", "Content-Type: text/plain"),
        part("prompt", "Käse".encode("latin-1"), "Content-Type: text/plain; charset=ISO-8859-1"),
        part("keywords[]", "Köln".encode(), "Content-Type: text/plain; charset=punycode"),
        file(AUDIO),
    ]
    told = echoed(client.post(PATH, content=form(*parts), headers=HEADERS))
    assert (told["prompt"], told["keywords"]) == ("Käse", ["Köln"])


def test_many_keywords(post: Post) -> None:
    words = [f"w{number}" for number in range(1000)]
    assert echoed(post(echo="true", **{"keywords[]": words}))["keywords"] == words


def test_a_field_that_came_as_a_file_is_a_field(client: httpx.Client) -> None:
    parts = [part("model", "ears", "Content-Type: application/json", disposition='; filename="blob"'), file(AUDIO)]
    assert said(client.post(PATH, content=form(*parts), headers=HEADERS)) == SAID


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "text/plain", None])
@pytest.mark.parametrize("seconds", [0.1, 16.0])
def test_json_with_the_audio_in_it(client: httpx.Client, kind: str | None, seconds: float) -> None:
    audio = sound(seconds)
    body: dict[str, Any] = {
        "model": "ears",
        "language": "en",
        "prompt": None,
        "include": [],
        "segment_s": 3600,
        "input_audio": {"data": b64encode(audio).decode(), "format": "webm"},
    }
    headers = {"content-type": kind} if kind else {}
    response = client.post(PATH, content=json.dumps(body), headers=headers)
    assert said(response) == heard(audio)
    assert "x-voicegw-ignored" not in response.headers


@pytest.mark.parametrize("around", ["data:audio/wav;base64,{}", "{}\n", " {}"])
def test_base64_as_it_is_found(client: httpx.Client, around: str) -> None:
    data = around.format(b64encode(AUDIO).decode())
    lines = "\r\n".join(data[at : at + 76] for at in range(0, len(data), 76))
    for each in (data, lines):
        assert said(client.post(PATH, json={"model": "ears", "input_audio": {"data": each}})) == SAID


def test_json_and_a_form_mean_the_same(client: httpx.Client, post: Post) -> None:
    more = {"temperature": 0.5, "response_format": "verbose_json", "echo": True}
    lists = {"timestamp_granularities": ["word"], "keywords": ["a", "b"]}
    audio = {"data": b64encode(AUDIO).decode()}
    by_json = client.post(PATH, json={"model": "ears", **more, **lists, "input_audio": audio})
    pairs = {name: str(value).lower() for name, value in more.items()}
    by_form = post(**pairs, **{f"{name}[]": value for name, value in lists.items()})
    assert by_json.json() == by_form.json()
    bracketed = {f"{name}[]": value for name, value in lists.items()}
    assert client.post(PATH, json={"model": "ears", **more, **bracketed, "input_audio": audio}).json() == by_json.json()
