"""Answers that did not arrive are given again, without the model, to the client that asks again; and to nobody else."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple, cast

import httpx
import openai
import pytest

from tests.api.test_sse import audio, events
from tests.support.gateway import Gateway, serving, speech_body, wait_until
from tests.support.proxy import CuttingProxy
from voicegw.app import create_app
from voicegw.backend import SpeechEvent, Utterance
from voicegw.settings import ApiKey, Limits, Model, Server, Settings

PATH = "/v1/audio/speech"
TEXT = "one two three four five six seven"
SIZE = 7 * 24_000
KEYS = {name: ApiKey(sha256=sha256(f"key-of-{name}".encode()).hexdigest(), name=name) for name in ("anna", "bert")}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """A gateway whose sockets hold little, so that it knows what a client has not read."""
    settings = Settings(models=(Model(id="tone", backend="tone"),), server=Server(api_keys=tuple(KEYS.values())))
    with serving(create_app(settings), small=True) as running:
        yield running


@pytest.fixture(autouse=True)
def spoken(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the model has been asked to say in this test."""
    pool = gateway.app.state.engine.pools["tone"]
    synthesize, heard = pool.synthesize, []

    def counted(utterance: Utterance, **given: Any) -> AsyncGenerator[SpeechEvent, None]:
        heard.append(utterance.text)
        return cast("AsyncGenerator[SpeechEvent, None]", synthesize(utterance, **given))

    monkeypatch.setattr(pool, "synthesize", counted)
    return heard


def headers(name: str = "anna", **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer key-of-{name}", **more}


def post(gateway: Gateway, body: dict[str, object], **given: str) -> httpx.Response:
    with gateway.client() as client:
        answer = client.post(PATH, json=body, headers=headers(**given))
    assert answer.status_code == 200, answer.text
    return answer


def repeated(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("x-voicegw-cache") == "hit")


def model_is_done(gateway: Gateway) -> None:
    """Wait until the model has said all of an answer that its client has not read."""
    wait_until(lambda: gateway.app.state.traffic.live == 1 and not gateway.app.state.engine.active_streams())


@contextmanager
def unread(gateway: Gateway, body: dict[str, object]) -> Iterator[bytes]:
    """Have a client read the beginning of an answer, and give it; it goes away with the end of the block."""
    data = json.dumps(body).encode()
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", f"Authorization: {headers()['authorization']}"]
    head = "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""])
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", gateway.port))
        connection.sendall(head.encode() + data)
        yield connection.recv(1000)
    gateway.wait_idle()


def lose(gateway: Gateway, body: dict[str, object]) -> None:
    """Have an answer made whole, and not read."""
    with unread(gateway, body):
        model_is_done(gateway)


class Asked(NamedTuple):
    """What OpenAI's client got in the end, and how often it sent the request."""

    content: bytes
    cache: str | None
    tries: int


def create(proxy: CuttingProxy, **more: Any) -> Asked:
    """Have OpenAI's client make a speech through a proxy, as an app does."""
    asked = {"model": "tone", "voice": "low", "input": TEXT, "response_format": "pcm", **more}
    with proxy.running() as url, openai.OpenAI(base_url=f"{url}/v1", api_key="key-of-anna") as client:
        answer = client.audio.speech.with_raw_response.create(**asked)
    return Asked(answer.http_response.content, answer.headers.get("x-voicegw-cache"), answer.retries_taken + 1)


@pytest.mark.parametrize("form", ["pcm", "wav"])
@pytest.mark.parametrize("cuts", [1, 2])
def test_openais_client_retries_what_it_did_not_get(gateway: Gateway, spoken: list[str], form: str, cuts: int) -> None:
    """It does so twice, and tells nobody; the model is asked once."""

    def sent_in_part() -> None:
        model_is_done(gateway)

    proxy = CuttingProxy(gateway.port, after=3000, cuts=cuts, before_cut=sent_in_part, before_next=gateway.wait_idle)
    got = create(proxy, response_format=form)
    assert (got.cache, got.tries, spoken) == ("hit", 1 + cuts, [TEXT])
    assert got.content == post(gateway, speech_body(input=TEXT, voice="low", response_format=form)).content


def test_openais_client_retries_what_was_lost_after_all_was_sent(gateway: Gateway, spoken: list[str]) -> None:
    """A short answer lies whole in the buffers on the way when its connection breaks: to the server it was sent."""
    proxy = CuttingProxy(gateway.port, after=3000, before_cut=gateway.wait_idle)
    got = create(proxy, response_format="mp3")
    assert (got.cache, got.tries, spoken) == ("hit", 2, [TEXT])
    assert got.content == post(gateway, speech_body(input=TEXT, voice="low", response_format="mp3")).content


def test_events_with_words_and_usage_are_given_again(gateway: Gateway, spoken: list[str]) -> None:
    more: dict[str, Any] = {"stream_format": "sse", "extra_body": {"timestamp_granularities": ["word"]}}
    proxy = CuttingProxy(gateway.port, after=3000, before_cut=lambda: model_is_done(gateway))
    got = create(proxy, **more)
    assert (got.cache, got.tries, spoken) == ("hit", 2, [TEXT])
    told = events(got.content.decode())
    words = [word["word"] for event in told for word in event.get("words", ())]
    assert (" ".join(words), len(audio(told))) == (TEXT, SIZE)
    assert told[-1]["usage"] == {"input_tokens": len(TEXT), "output_tokens": 70, "total_tokens": len(TEXT) + 70}


def test_a_client_that_does_not_count_gets_it_once(gateway: Gateway, spoken: list[str]) -> None:
    body = speech_body(input=TEXT, voice="high")
    lose(gateway, body)
    first, second = post(gateway, body), post(gateway, body)
    assert (repeated(first), repeated(second)) == (True, False)
    assert first.content == second.content
    assert first.headers["x-voicegw-voice"] == "high"
    assert "x-voicegw-first-audio-at" not in first.headers
    assert spoken == [TEXT] * 2


def test_what_is_lost_twice_is_given_a_third_time(gateway: Gateway, spoken: list[str]) -> None:
    body = speech_body(input=TEXT, voice="high")
    lose(gateway, body)
    with unread(gateway, body) as begun:
        assert b"x-voicegw-cache: hit" in begun
        wait_until(lambda: gateway.app.state.traffic.live == 1)
    assert repeated(post(gateway, body))
    assert spoken == [TEXT]


def test_what_was_delivered_is_spoken_anew(gateway: Gateway, spoken: list[str]) -> None:
    body = speech_body(input=TEXT, voice="bright")
    assert not any(repeated(post(gateway, body)) for _ in range(2))
    for count in ("0", "0"):
        assert not repeated(post(gateway, body, **{"x-stainless-retry-count": count}))
    assert spoken == [TEXT] * 4


@pytest.mark.parametrize("count", ["0", "x", "-1", "", "99999"])
def test_only_a_count_makes_a_repeat(gateway: Gateway, spoken: list[str], count: str) -> None:
    body = speech_body(input=TEXT, voice="bright", response_format="mp3")
    post(gateway, body, **{"x-stainless-retry-count": "0"})
    assert not repeated(post(gateway, body, **{"x-stainless-retry-count": count}))
    assert spoken == [TEXT] * 2


def test_a_client_that_begins_to_count_has_nothing_to_come_back_to(gateway: Gateway, spoken: list[str]) -> None:
    body = speech_body(input=TEXT, voice="bright")
    post(gateway, body)
    assert not repeated(post(gateway, body, **{"x-stainless-retry-count": "1"}))
    assert spoken == [TEXT] * 2


@pytest.mark.parametrize(
    "other",
    [
        {"input": f"{TEXT} "},
        {"voice": "low"},
        {"response_format": "wav"},
        {"speed": 1.5},
        {"speed": 3},
        {"language": "de"},
        {"sample_rate": 16_000},
        {"clean": "none"},
        {"stream_format": "sse"},
        {"stream_format": "sse", "timestamp_granularities": ["word"]},
    ],
    ids=json.dumps,
)
def test_another_question_is_answered_anew(gateway: Gateway, spoken: list[str], other: dict[str, object]) -> None:
    body = speech_body(input=TEXT, voice="high")
    lose(gateway, body)
    assert not repeated(post(gateway, {**body, **other}))
    assert repeated(post(gateway, body))
    assert len(spoken) == 2


def test_another_tenant_gets_its_own(gateway: Gateway, spoken: list[str]) -> None:
    body = speech_body(input=TEXT, voice="high")
    lose(gateway, body)
    assert not repeated(post(gateway, body, name="bert"))
    assert repeated(post(gateway, body))
    assert len(spoken) == 2


def test_a_repeat_does_not_wait_for_the_one_before(gateway: Gateway) -> None:
    body = speech_body(input=TEXT, voice="low")
    with unread(gateway, body):
        model_is_done(gateway)
        answer = post(gateway, body, **{"x-stainless-retry-count": "1"})
        wait_until(lambda: gateway.app.state.traffic.live == 1, "the second one's end, the first one under way")
    assert (len(answer.content), repeated(answer)) == (SIZE, False)
    assert repeated(post(gateway, body))


def test_what_is_cancelled_is_not_continued() -> None:
    models = (Model(id="tone", backend="tone", parameters={"rtf": 1.0}),)
    with serving(create_app(Settings(models=models)), small=True) as gateway:
        body = speech_body(input="one " * 40)
        with unread(gateway, body):
            wait_until(lambda: gateway.app.state.engine.active_streams() == 1)
        gateway.wait_idle()
        with unread(gateway, body) as begun:
            assert b"200 OK" in begun
            assert b"x-voicegw-cache" not in begun
            assert gateway.app.state.engine.active_streams() == 1


def test_what_the_model_broke_off_is_not_kept() -> None:
    models = (Model(id="tone", backend="tone", parameters={"allow_faults": True}),)
    with serving(create_app(Settings(models=models))) as gateway, gateway.client() as client:
        body = speech_body(input=TEXT, fail_after_chunks=8)
        for count in range(2):
            with client.stream("POST", PATH, json=body, headers={"x-stainless-retry-count": str(count)}) as answer:
                assert "x-voicegw-cache" not in answer.headers
                with pytest.raises(httpx.RemoteProtocolError):
                    answer.read()


@pytest.mark.parametrize(
    "limits", [Limits(result_cache_s=0), Limits(result_cache_bytes=8 * SIZE - 1), Limits(result_cache_s=1e-6)]
)
def test_nothing_is_kept_where_nothing_is_to_be(limits: Limits) -> None:
    settings = Settings(models=(Model(id="tone", backend="tone"),), limits=limits)
    with serving(create_app(settings), small=True) as gateway:
        lose(gateway, speech_body(input=TEXT))
        assert not repeated(post(gateway, speech_body(input=TEXT)))
