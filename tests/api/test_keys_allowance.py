"""What a key may use: requests at the same time and per minute, and the headers that tell how much is left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import openai
import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.support.gateway import Gateway, serving, speech_body, wait_until
from voicegw.api.allowance import Allowance, duration
from voicegw.api.auth import Key, Keys
from voicegw.app import create_app
from voicegw.errors import Overloaded
from voicegw.settings import ApiKey, Limits, Model, Server, Settings

PATH = "/v1/audio/speech"
WAITING = speech_body(model="slow")


def keyed(key: str, **limits: int) -> ApiKey:
    return ApiKey.model_validate({"sha256": hashlib.sha256(key.encode()).hexdigest(), "name": key, **limits})


@pytest.fixture
def shared() -> Iterator[Gateway]:
    keys = (keyed("two", concurrent=2), keyed("rated", requests_per_minute=3), keyed("free"))
    settings = Settings(
        models=(Model(id="tone", backend="tone"), Model(id="slow", backend="tone", parameters={"rtf": 1.0})),
        server=Server(api_keys=keys),
        limits=Limits(json_bytes=2**20),
    )
    with serving(create_app(settings)) as running:
        yield running


def headers(response: httpx.Response) -> tuple[str, str]:
    return response.headers["current-concurrent-requests"], response.headers["maximum-concurrent-requests"]


def test_requests_at_the_same_time(shared: Gateway) -> None:
    key = {"authorization": "Bearer two"}
    with shared.client() as client:
        with (
            client.stream("POST", PATH, json=speech_body(model="slow", input="one " * 50), headers=key) as first,
            client.stream("POST", PATH, json=speech_body(model="slow", input="one " * 50), headers=key) as second,
        ):
            assert (headers(first), headers(second)) == (("1", "2"), ("2", "2"))
            refused = client.post(PATH, json=speech_body(), headers=key)
            assert refused.status_code == 429
            error = refused.json()["error"]
            assert (error["type"], error["code"]) == ("rate_limit_error", "concurrency_limit_exceeded")
            assert (refused.headers["retry-after"], headers(refused)) == ("1", ("2", "2"))
            assert client.post(PATH, json=speech_body(), headers={"api-key": "free"}).status_code == 200
            assert client.get("/v1/models", headers=key).status_code == 200
        wait_until(lambda: client.post(PATH, json=speech_body(), headers=key).status_code == 200)

        def alone() -> bool:
            """Tell whether a request finds itself alone: an answer is there a moment before it is counted out."""
            bad = client.post(PATH, json=speech_body(model="none"), headers=key)
            assert bad.status_code in (404, 429)
            return (bad.status_code, headers(bad)) == (404, ("1", "2"))

        wait_until(alone)


def test_requests_per_minute(shared: Gateway) -> None:
    key = {"authorization": "Bearer rated"}
    with shared.client() as client:
        answers = [client.post(PATH, json=speech_body(model=name), headers=key) for name in ("tone", "none", "tone")]
        assert [each.status_code for each in answers] == [200, 404, 200]
        assert {each.headers["x-ratelimit-limit-requests"] for each in answers} == {"3"}
        assert [each.headers["x-ratelimit-remaining-requests"] for each in answers] == ["2", "1", "0"]
        refused = client.post(PATH, json=speech_body(), headers=key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-should-retry"] == "true"
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        reset = refused.headers["x-ratelimit-reset-requests"]
        assert reset.endswith("s")
        assert 0 < float(reset.removesuffix("s")) <= 60
        assert "current-concurrent-requests" not in refused.headers
        assert client.get("/v1/models", headers=key).status_code == 200
        assert client.post(PATH, json=speech_body(), headers={"api-key": "free"}).status_code == 200
    with openai.OpenAI(base_url=f"{shared.url}/v1", api_key="rated", max_retries=0) as official:
        with pytest.raises(openai.RateLimitError) as caught:
            official.audio.speech.create(model="tone", voice="alloy", input="one")
        assert caught.value.code == "rate_limit_exceeded"


def test_who_leaves_gives_the_place_back(shared: Gateway) -> None:
    key = {"authorization": "Bearer two"}
    with shared.client() as client:
        for _ in range(4):
            with client.stream("POST", PATH, json=speech_body(model="slow", input="one " * 200), headers=key) as left:
                assert left.status_code == 200
            shared.wait_idle()
        assert headers(client.post(PATH, json=speech_body(), headers=key)) == ("1", "2")


async def test_the_place_is_given_back_with_the_last_byte() -> None:
    """Whoever asks again as soon as the answer is whole must not be refused on account of that answer."""
    outcomes: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await send({"type": "http.response.body", "body": b"last"})

    async def other(message: Message) -> None:
        del message

    keys = Keys(app, [Key(hashlib.sha256(b"one").hexdigest(), "one", concurrent=1)])
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": [(b"api-key", b"one")]}

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def client(message: Message) -> None:
        try:
            await keys({**scope}, nothing, other)
            outcomes.append(f"{message.get('body', b'head')!r}: let in")
        except Overloaded:
            outcomes.append(f"{message.get('body', b'head')!r}: refused")

    await keys({**scope}, nothing, client)
    assert outcomes == ["b'head': refused", "b'first': refused", "b'last': let in"]
    await keys({**scope}, nothing, client)  # nothing was given back twice
    assert outcomes[3:] == outcomes[:3]


def test_what_is_refused_counts_for_nothing() -> None:
    allowance = Allowance(1, 2)
    allowance.enter()
    with pytest.raises(Overloaded, match="1 requests under way"):
        allowance.enter()
    allowance.leave()
    allowance.enter()
    allowance.leave()
    for _ in range(2):
        with pytest.raises(Overloaded, match="2 requests per minute"):
            allowance.enter()
    assert dict(allowance.headers())[b"current-concurrent-requests"] == b"0"


def test_without_limits_nothing_is_told() -> None:
    allowance = Allowance(None, None)
    allowance.enter()
    assert [*allowance.headers()] == []


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0ms"), (0.02, "20ms"), (0.9994, "999ms"), (0.9999, "1s"), (1.2, "1.2s"), (59.96, "60s"), (60, "60s")],
)
def test_a_time_as_openai_writes_it(seconds: float, told: str) -> None:
    assert duration(seconds) == told
