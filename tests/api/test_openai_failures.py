"""OpenAI's client for Python where something goes wrong: its kinds of errors, and when it tries again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai
import pytest

import voicegw.errors
from tests.support.gateway import Gateway, serving
from tests.support.server import free_port
from voicegw.app import create_app
from voicegw.settings import ApiKey, Limits, Model, Server, Settings

ANNA, BERT = "sk-anna-0123456789", "sk-bert-0123456789"
SIZE = 24_000
ASKED: dict[str, Any] = {"model": "tone", "voice": "low", "input": "one", "response_format": "pcm"}
MODELS = (
    Model(id="tone", backend="tone", required=True),
    Model(id="endless", backend="tone", parameters={"rtf": 1.0}, required=True),
    Model(id="late", backend="tone", parameters={"first_audio_ms": 600_000}, required=True),
    Model(id="faulty", backend="tone", parameters={"allow_faults": True, "rtf": 0.25}, required=True),
    Model(id="absent", backend="no-such-backend"),
)


@pytest.fixture(scope="module")
def house() -> Iterator[Gateway]:
    """A server for two: Anna may do as she likes, Bert may make one request at a time."""
    keys = (
        ApiKey(sha256=hashlib.sha256(ANNA.encode()).hexdigest(), name="anna"),
        ApiKey(sha256=hashlib.sha256(BERT.encode()).hexdigest(), name="bert", concurrent=1),
    )
    settings = Settings(models=MODELS, server=Server(api_keys=keys), limits=Limits(json_bytes=10_000))
    with serving(create_app(settings)) as running:
        yield running


@dataclass
class Attempts:
    """The answers that a client got, its own retries among them; ``after`` is called with each but the last."""

    statuses: list[int] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    after: Callable[[], None] = lambda: None
    _answered: float | None = None
    _told_s: float = 0.0

    def asks(self, request: httpx2.Request) -> None:
        """Note a request: how often it says it was tried before, and how long the client waited, told and really."""
        self.counts.append(request.headers["x-stainless-retry-count"])
        if self._answered is not None:
            self.waits.append((self._told_s, time.monotonic() - self._answered))

    def gets(self, response: httpx2.Response) -> None:
        """Note an answer."""
        self.statuses.append(response.status_code)
        self._answered = time.monotonic()
        self._told_s = float(response.headers.get("retry-after-ms", 0)) / 1000
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            self.after()

    def http(self) -> openai.DefaultHttpxClient:
        """Give what the client is to send its requests with."""
        return openai.DefaultHttpxClient(event_hooks={"request": [self.asks], "response": [self.gets]})


def client(house: Gateway, key: str = ANNA, attempts: Attempts | None = None, **more: Any) -> openai.OpenAI:
    http = attempts.http() if attempts else None
    return openai.OpenAI(base_url=f"{house.url}/v1", api_key=key, http_client=http, **{"max_retries": 0, **more})


@pytest.mark.parametrize(
    ("asked", "kind", "told"),
    [
        ({"input": " "}, openai.BadRequestError, (400, "empty_input", "input")),
        ({"voice": "nobody"}, openai.BadRequestError, (400, "voice_not_found", "voice")),
        ({"speed": "fast"}, openai.BadRequestError, (400, "invalid_value", "speed")),
        ({"model": "nothing"}, openai.NotFoundError, (404, "model_not_found", "model")),
        ({"model": "absent"}, openai.NotFoundError, (404, "model_not_found", "model")),
        ({"input": "a" * 10_000}, openai.APIStatusError, (413, "request_too_large", None)),
        (
            {"model": "faulty", "extra_body": {"fail_after_chunks": 0}},
            openai.InternalServerError,
            (500, "backend_failed", None),
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_errors_are_the_clients_own(
    house: Gateway, asked: dict[str, Any], kind: type[openai.APIStatusError], told: tuple[int, str, str | None]
) -> None:
    with client(house) as anna, pytest.raises(kind) as caught:
        anna.audio.speech.create(**{**ASKED, **asked})
    error = caught.value
    assert (error.status_code, error.code, error.param) == told
    assert error.type
    assert error.request_id
    assert isinstance(error.body, dict)
    assert error.body["message"] in str(error)


def test_other_keys_and_paths(house: Gateway) -> None:
    with client(house, "wrong") as stranger, pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        stranger.audio.speech.create(**ASKED)
    with client(house) as anna:
        with pytest.raises(openai.NotFoundError) as unknown:
            anna.embeddings.create(model="tone", input="one")
        assert unknown.value.code == "unknown_url"
        with pytest.raises(openai.APIStatusError) as wrong:
            anna.models.delete("tone")
        assert (wrong.value.status_code, wrong.value.code) == (405, "method_not_allowed")


def test_nobody_there() -> None:
    with (
        openai.OpenAI(base_url=f"http://127.0.0.1:{free_port()}/v1", api_key="none", max_retries=0) as lonely,
        pytest.raises(openai.APIConnectionError),
    ):
        lonely.audio.speech.create(**ASKED)


def test_a_client_that_cannot_wait_leaves_nothing_behind(house: Gateway) -> None:
    attempts = Attempts()
    with client(house, attempts=attempts, max_retries=1) as anna, pytest.raises(openai.APITimeoutError):
        anna.audio.speech.create(**{**ASKED, "model": "late"}, timeout=0.05)
    assert attempts.counts == ["0", "1"]
    house.wait_idle()


def test_a_limit_is_told(house: Gateway) -> None:
    with client(house, BERT) as bert:
        with bert.audio.speech.with_streaming_response.create(**{**ASKED, "model": "endless", "input": "one " * 400}):
            with pytest.raises(openai.RateLimitError) as caught:
                bert.audio.speech.create(**ASKED)
            refused = caught.value
            assert (refused.status_code, refused.code) == (429, "concurrency_limit_exceeded")
            assert refused.response.headers["x-should-retry"] == "true"
            assert int(refused.response.headers["retry-after"]) >= 1
        house.wait_idle()


def test_a_limit_is_waited_for_as_long_as_is_told(house: Gateway) -> None:
    endless = {**ASKED, "model": "endless", "input": "one " * 400}
    with ExitStack() as busy, client(house, BERT) as first:
        busy.enter_context(first.audio.speech.with_streaming_response.create(**endless))
        attempts = Attempts(after=busy.close)
        with client(house, BERT, attempts, max_retries=5) as bert:
            raw = bert.audio.speech.with_raw_response.create(**ASKED)
    *refused, served = attempts.statuses
    assert (set(refused), served, len(raw.content)) == ({429}, 200, SIZE)
    assert raw.retries_taken == len(refused) > 0
    for told_s, waited_s in attempts.waits:
        assert waited_s >= told_s >= 1  # by itself it would have come back within half a second


@pytest.mark.parametrize("asked", [{"input": ""}, {"model": "nothing"}, {"speed": 0}], ids=str)
def test_what_cannot_get_better_is_asked_once(house: Gateway, asked: dict[str, Any]) -> None:
    attempts = Attempts()
    with client(house, attempts=attempts, max_retries=3) as anna, pytest.raises(openai.APIStatusError):
        anna.audio.speech.create(**{**ASKED, **asked})
    assert attempts.counts == ["0"]


def test_a_model_that_failed_is_asked_again(house: Gateway) -> None:
    attempts = Attempts()
    with client(house, attempts=attempts, max_retries=1) as anna, pytest.raises(openai.InternalServerError):
        anna.audio.speech.create(**{**ASKED, "model": "faulty"}, extra_body={"fail_after_chunks": 0})
    assert attempts.statuses == [500, 500]


def test_a_broken_stream_is_asked_for_again_where_it_is_read_whole(house: Gateway) -> None:
    attempts = Attempts()
    with client(house, attempts=attempts, max_retries=1) as anna, pytest.raises(openai.APIConnectionError):
        anna.audio.speech.create(
            **{**ASKED, "model": "faulty", "input": "one two"}, extra_body={"fail_after_chunks": 8}
        )
    assert attempts.statuses == [200, 200]


def test_words_that_kill_the_model_are_not_spoken_a_third_time(house: Gateway) -> None:
    attempts = Attempts()
    deadly = {**ASKED, "model": "faulty", "input": "one two three"}
    with client(house, attempts=attempts, max_retries=9) as anna, pytest.raises(openai.InternalServerError) as caught:
        anna.audio.speech.create(**deadly, extra_body={"crash_after_chunks": 8})
    assert (caught.value.status_code, caught.value.code) == (500, "poison_request")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert attempts.statuses == [200, 200, 500]


def test_no_status_is_used_that_clients_repeat_in_vain_or_know_nothing_of() -> None:
    """409 is always tried again, 403 and 422 have kinds of their own that nobody looks for here.

    408 is tried again too, and is meant to be: it answers a body that stalled.
    """
    kinds = [kind for kind in vars(voicegw.errors).values() if isinstance(kind, type)]
    statuses = {kind.status for kind in kinds if issubclass(kind, voicegw.errors.VoicegwError)}
    assert not statuses & {403, 409, 422}
