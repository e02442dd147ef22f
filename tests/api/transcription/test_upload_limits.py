"""How large uploads may be, each and all together, and that a refused one costs no memory."""

from __future__ import annotations

import struct
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psutil
import pytest

from tests.api.transcription.conftest import FIELDS, UPLOAD, Post
from tests.support.gateway import Gateway, serving, wait_until
from tests.support.scraped import Counted
from tests.support.uploads import (
    HEADER,
    HEADERS,
    PATH,
    answer,
    chunk,
    ears_installed,
    file,
    form,
    heard,
    listening_models,
    part,
    sending,
    sound,
)
from voicegw.app import create_app
from voicegw.settings import Defaults, Limits, Settings

MODEL = part("model", "ears")
AUDIO = sound((UPLOAD - HEADER) / 32_000)
"""A file of just that size."""


def too_large(response: httpx.Response, limit: int, read: int | None = None) -> int:
    """Check a 413, and give how many bytes it says were read."""
    assert response.status_code == 413, response.text
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "request_too_large")
    told = error["message"].split("(")
    assert error["message"] == f"Maximum content size limit ({limit}) exceeded ({told[2].split()[0]} bytes read)"
    assert response.headers["connection"] == "close"
    found = int(told[2].split()[0])
    assert read is None or found == read
    return found


def test_the_limit_itself_is_taken(post: Post) -> None:
    assert post(AUDIO, segment_s="3600").json()["text"] == heard(AUDIO)


@pytest.mark.parametrize("order", ["fields first", "file first"])
def test_one_byte_more_is_refused_naming_both_numbers(client: httpx.Client, post: Post, order: str) -> None:
    parts = [MODEL, file(AUDIO + b"x")]
    content = form(*(parts if order == "fields first" else reversed(parts)))
    too_large(client.post(PATH, content=content, headers=HEADERS), UPLOAD, UPLOAD + 1)
    assert post().status_code == 200


def test_what_is_announced_to_be_far_too_large_is_not_read(gateway: Gateway) -> None:
    heads = (f"{name}: {value}" for name, value in HEADERS.items())
    with sending(gateway, *heads, "Content-Length: 600000000", "Expect: 100-continue") as connection:
        got = answer(connection)
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"limit (%d) exceeded (600000000 bytes read)" % UPLOAD in got


def test_a_file_without_a_length_is_cut_off_at_the_limit(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield form(MODEL, file(b"")).rpartition(b"\r\n--")[0]
        for _ in range(64):
            yield bytes(65_536)

    read = too_large(client.post(PATH, content=pieces(), headers=HEADERS), UPLOAD)
    assert UPLOAD < read <= UPLOAD + 256 * 1024


@pytest.mark.parametrize("path", [PATH, "/audio/translations", "/openai/deployments/ears/audio/transcriptions"])
def test_json_may_be_as_large_as_its_base64_needs(client: httpx.Client, path: str) -> None:
    def body(audio: bytes, **more: str) -> dict[str, object]:
        return {"model": "ears", "segment_s": 3600, "input_audio": {"data": b64encode(audio).decode()}, **more}

    assert client.post(path, json=body(AUDIO)).json()["text"] == heard(AUDIO)
    too_large(client.post(path, json=body(AUDIO + b"xx")), UPLOAD)
    most = 4 * UPLOAD // 3 + 65_536
    too_large(client.post(path, json=body(AUDIO, prompt="x" * 80_000)), most)
    too_large(client.post(path, content=b" " * (most + 1)), most, most + 1)


def test_other_paths_keep_their_limit(client: httpx.Client) -> None:
    for path in ("/v1/audio/speech", "/v1/audio/transcriptions/", "/v1/audio"):
        too_large(client.post(path, content=b" " * (FIELDS + 1)), FIELDS, FIELDS + 1)
    too_large(client.put(PATH, content=b" " * (FIELDS + 1)), FIELDS, FIELDS + 1)


def test_uploads_under_way_share_the_memory(gateway: Gateway, client: httpx.Client, post: Post) -> None:
    """Seven and a half of eight places are taken by those who do not go on; the next one does not fit."""
    counted = Counted(client)
    uploads = gateway.app.state.uploads
    begun = form(MODEL, file(AUDIO)).rpartition(b"\r\n--")[0][:-1000]
    heads = (*(f"{name}: {value}" for name, value in HEADERS.items()), "Transfer-Encoding: chunked")
    with ExitStack() as stack:
        connections = [stack.enter_context(sending(gateway, *heads)) for _ in range(8)]
        for connection in connections[:7]:
            connection.sendall(chunk(begun))
        connections[7].sendall(chunk(begun[: UPLOAD // 2]))
        wait_until(lambda: uploads.held > 7.4 * UPLOAD, "taking all these")
        refused = post(AUDIO)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "uploads_full")
        assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("2", "true")
        assert refused.headers["connection"] == "close"
        counted.wait("voicegw_rejected_total", 1, reason="uploads")
        assert post(sound(1.0)).status_code == 200
        audio = {"data": b64encode(sound(0.1)).decode()}
        assert client.post(PATH, json={"model": "ears", "input_audio": audio}).status_code == 200
    wait_until(lambda: uploads.held == 0, "giving all back")
    assert post(AUDIO, segment_s="3600").status_code == 200


def silent(size: int) -> Iterator[bytes]:
    """Give a valid silent WAV file of so many bytes of samples, piece by piece."""
    yield struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", size
    )
    for _ in range(size // 2**20):
        yield bytes(2**20)


@pytest.mark.parametrize("length", ["announced", "chunked"])
def test_600_megabytes_cost_no_memory(length: str) -> None:
    settings = Settings(models=listening_models(), defaults=Defaults(speech="ears", clone=None, transcription="ears"))
    limit = Limits().upload_bytes
    with ears_installed(), serving(create_app(settings)) as gateway, gateway.client() as client:
        before = psutil.Process().memory_info().rss
        highest = [before]
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.01):
                highest.append(psutil.Process().memory_info().rss)

        watching = threading.Thread(target=watch)
        watching.start()

        def content() -> Iterator[bytes]:
            yield form(MODEL, file(b"")).rpartition(b"\r\n--")[0]
            yield from silent(600 * 2**20)

        announced = {"content-length": str(600 * 2**20)} if length == "announced" else {}
        try:
            response = client.post(PATH, content=content(), headers={**HEADERS, **announced})
        finally:
            stop.set()
            watching.join()
        read = too_large(response, limit)
        assert read == 600 * 2**20 if announced else read < limit + 2**20
        assert max(highest) - before < 4 * limit
        gateway.wait_idle()
        assert gateway.app.state.uploads.held == 0
        assert client.get("/health/live").status_code == 200
