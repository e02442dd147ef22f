"""Clients that go away with an upload under way, queues that are full: work stops, nothing is left."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests.api.transcription.conftest import Post
from tests.support.gateway import Gateway, serving, wait_until
from tests.support.uploads import (
    BOUNDARY,
    PATH,
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

AUDIO = sound(2.5)


def streams(gateway: Gateway) -> int:
    return int(gateway.app.state.engine.active_streams())


def busy(gateway: Gateway, model: str) -> int:
    """Give what the model's worker says that it runs."""
    (worker,) = gateway.app.state.engine.pools[model].workers
    return int(worker.link.status.running)


def decodes(gateway: Gateway) -> int:
    """Give what the decoders say that they run."""
    return sum(worker.link.status.running for worker in gateway.app.state.decoder.pool.workers)


def decoders() -> list[psutil.Process]:
    """Give the processes that decode: those that may open nothing."""
    children = [each for each in psutil.Process().children() if "voicegw.engine.worker" in each.cmdline()]
    return [each for each in children if each.rlimit(psutil.RLIMIT_NOFILE) == (0, 0)]


@contextmanager
def asking(gateway: Gateway, **fields: str) -> Iterator[None]:
    """Send a whole upload on a connection of its own, which ends with the block."""
    parts = [part(name, value) for name, value in {"model": "narrow", **fields}.items()]
    content = form(*parts, file(AUDIO))
    heads = (f"Content-Type: multipart/form-data; boundary={BOUNDARY}", f"Content-Length: {len(content)}")
    with sending(gateway, *heads) as connection:
        connection.sendall(content)
        yield


@pytest.mark.parametrize("stream", ["false", "true"])
def test_leaving_while_it_is_heard_stops_decoder_and_model(gateway: Gateway, post: Post, stream: str) -> None:
    for _ in range(3):
        with asking(gateway, segment_s="1", hang_after="1", stream=stream):
            wait_until(lambda: busy(gateway, "narrow") == 1, "the model's start")
        gateway.wait_idle()
        wait_until(lambda: busy(gateway, "narrow") == 0 and not decodes(gateway), "the end of all work")
    assert post(AUDIO, model="narrow").status_code == 200


def test_leaving_while_it_is_decoded(gateway: Gateway, post: Post) -> None:
    """The decoders stand still; who waits for them leaves."""
    pool = gateway.app.state.decoder.pool
    standing = decoders()
    assert len(standing) >= 2  # those of other servers of these tests as well
    for process in standing:
        process.suspend()
    try:
        with asking(gateway):
            wait_until(lambda: pool.in_flight == 1, "the decoder's turn")
        gateway.wait_idle()
        assert pool.in_flight == 0
    finally:
        for process in standing:
            process.resume()
    assert post(AUDIO, model="narrow").status_code == 200


def test_leaving_the_queue(gateway: Gateway, post: Post) -> None:
    with asking(gateway, hang_after="0"):
        wait_until(lambda: streams(gateway) >= 1)
        before = streams(gateway)
        with asking(gateway):
            wait_until(lambda: streams(gateway) == before + 1)
        wait_until(lambda: streams(gateway) == before)
    gateway.wait_idle()
    assert post(AUDIO, model="narrow").status_code == 200


def test_two_hundred_aborted_uploads_leave_nothing(gateway: Gateway, post: Post) -> None:
    """Some leave in the head of the form, some in the file, some with all sent, some while they are served."""
    uploads, traffic = gateway.app.state.uploads, gateway.app.state.traffic
    assert post(AUDIO).status_code == 200
    process, threads = psutil.Process(), threading.active_count()
    files = process.num_fds()
    content = form(part("model", "ears"), part("hang_after", "0"), file(AUDIO))
    heads = (f"Content-Type: multipart/form-data; boundary={BOUNDARY}", f"Content-Length: {len(content)}")
    for turn in range(20):
        with ExitStack() as stack:
            for number in range(10):
                connection = stack.enter_context(sending(gateway, *heads))
                connection.sendall(content[: len(content) * (number + 1) // 10 - (1 if number % 2 else 0)])
            wait_until(lambda: traffic.live >= 5, "the uploads' coming")
            if turn % 2:
                wait_until(lambda: uploads.held > len(AUDIO), "the uploads' coming")
    gateway.wait_idle()
    assert uploads.held == 0
    wait_until(lambda: process.num_fds() <= files, "the closing of all connections")
    assert threading.active_count() <= threads + 1
    wait_until(lambda: busy(gateway, "ears") == 0 and not decodes(gateway), "the end of all work")
    assert post(AUDIO, segment_s="3600").json()["text"] == heard(AUDIO)


def test_a_full_queue_is_429_with_a_time_to_come_back(gateway: Gateway, post: Post) -> None:
    with asking(gateway, hang_after="0"), asking(gateway):
        wait_until(lambda: gateway.app.state.engine.pools["narrow"].in_flight == 2)
        for stream in ("true", "false"):
            response = post(AUDIO, model="narrow", stream=stream)
            assert (response.status_code, response.json()["error"]["code"]) == (429, "queue_full")
            assert 1 <= int(response.headers["retry-after"]) <= 60
            assert response.headers["x-should-retry"] == "true"
    gateway.wait_idle()


def test_no_slot_in_time_is_504_but_a_long_transcription_is_not() -> None:
    settings = Settings(
        models=listening_models(ears={"slots": 1, "faults": True}),
        limits=Limits(first_audio_s=0.3),
        defaults=Defaults(speech="ears", clone=None, transcription="ears"),
    )
    with ears_installed(), serving(create_app(settings)) as gateway, gateway.client() as client:
        files, data = {"file": AUDIO}, {"model": "whisper-1"}
        with asking(gateway, model="ears", hang_after="0"):
            wait_until(lambda: busy(gateway, "ears") == 1)
            response = client.post(PATH, files=files, data=data)
            assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")
            assert response.headers["retry-after"]
            assert gateway.app.state.traffic.live == 1, "the one that is heard goes on beyond the time for a slot"
        gateway.wait_idle()
        assert client.post(PATH, files=files, data=data).status_code == 200


def test_sixty_at_once_are_all_heard_or_told_to_come_back(gateway: Gateway) -> None:
    """Far more than there is room for, while somebody asks whether the server lives."""
    audio = sound(10.0)
    start = threading.Barrier(61)

    def ask(number: int) -> tuple[int, str, int]:
        with gateway.client() as client:
            start.wait()
            stream = "true" if number % 3 == 0 else "false"
            fields = {"model": "ears", "stream": stream, "segment_s": "3600"}
            response = client.post(PATH, data=fields, files={"file": ("a.wav", audio)})
            wait = int(response.headers.get("retry-after", "0"))
            return response.status_code, response.text, wait

    def live() -> Counter[int]:
        with gateway.client() as client:
            start.wait()
            return Counter(client.get("/health/live").status_code for _ in range(50))

    with ThreadPoolExecutor(61) as threads:
        lives = threads.submit(live)
        answers = list(threads.map(ask, range(60)))
    assert lives.result() == {200: 50}
    assert {status for status, *_ in answers} <= {200, 429, 503}
    good = [text for status, text, _ in answers if status == 200]
    assert good
    assert all(heard(audio) in text for text in good)
    assert all(1 <= wait <= 60 for status, _, wait in answers if status != 200)
    gateway.wait_idle()
    assert gateway.app.state.uploads.held == 0
