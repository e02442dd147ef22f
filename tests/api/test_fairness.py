"""Many ask for the same slots: tenants take turns, a key is held to its share, and whoever is refused is told when."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.support.gateway import Gateway, serving, speech_body, wait_until
from voicegw.app import create_app
from voicegw.settings import ApiKey, Limits, Model, Server, Settings

PATH = "/v1/audio/speech"
LONG = "one " * 150
"""Two utterances of a tone: 75 seconds of audio."""


def keyed(name: str, **limits: int) -> ApiKey:
    return ApiKey.model_validate({"sha256": hashlib.sha256(name.encode()).hexdigest(), "name": name, **limits})


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


@contextmanager
def serving_keys(*keys: ApiKey, queue_per_slot: int = 4, **parameters: float) -> Iterator[Gateway]:
    model = Model(id="tone", backend="tone", required=True, parameters=parameters)
    settings = Settings(models=(model,), server=Server(api_keys=keys), limits=Limits(queue_per_slot=queue_per_slot))
    with serving(create_app(settings)) as running:
        yield running


def in_flight(gateway: Gateway) -> int:
    return int(gateway.app.state.router.pools["tone"].in_flight)


def wait_in_flight(gateway: Gateway, many: int) -> None:
    wait_until(lambda: in_flight(gateway) == many, f"a place for the {many}th")


def spoken(log: str) -> list[tuple[str, str]]:
    """Give tenant and status of every utterance that a worker logged, in the order in which they ended."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"event": "utterance"')]
    return [(line["tenant"], line["status"]) for line in lines]


def test_tenants_take_turns_at_the_one_slot(capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever has more requests waiting is not served more often, whatever came first."""
    asking = ("anna", "anna", "anna", "anna", "bert", "bert", "cleo")
    with ExitStack() as stack:
        gateway = stack.enter_context(
            serving_keys(keyed("anna"), keyed("bert"), keyed("cleo"), queue_per_slot=len(asking), slots=1, rtf=1.0)
        )
        clients = stack.enter_context(ThreadPoolExecutor(len(asking)))
        client = stack.enter_context(gateway.client())
        body = json.dumps(speech_body(input="one"))
        with client.stream("POST", PATH, json=speech_body(input=LONG), headers=key("anna")) as holder:
            assert holder.status_code == 200
            waiting: list[Future[httpx.Response]] = []
            for place, name in enumerate(asking, 1):
                waiting.append(clients.submit(client.post, PATH, content=body, headers=key(name)))
                wait_in_flight(gateway, 1 + place)
        assert [each.result().status_code for each in waiting] == [200] * len(asking)
    ended = spoken(capfd.readouterr().err)
    served = [tenant for tenant, status in ended if status == "ok"][-len(asking) :]
    assert served == ["anna", "bert", "cleo", "anna", "bert", "anna", "anna"]


def retry_after(response: httpx.Response) -> int:
    """Give what a refusal tells; AssertionError where it is no whole number of seconds from 1 to 60."""
    told = response.headers["retry-after"]
    assert told.isdigit()
    assert 1 <= int(told) <= 60
    assert 0 < int(response.headers["retry-after-ms"]) <= 1000 * int(told)
    return int(told)


def test_a_greedy_key_is_held_to_its_share_and_costs_the_others_nothing() -> None:
    with (
        serving_keys(keyed("greedy", concurrent=1), keyed("polite", concurrent=2), slots=4, rtf=0.02) as gateway,
        gateway.client() as client,
        ThreadPoolExecutor(8) as crowd,
    ):
        alone = client.post(PATH, json=speech_body(input=LONG), headers=key("polite")).content
        with (
            client.stream("POST", PATH, json=speech_body(input=LONG * 10), headers=key("greedy")) as its_share,
            client.stream("POST", PATH, json=speech_body(input=LONG), headers=key("polite")) as begun,
        ):
            assert (its_share.status_code, begun.status_code) == (200, 200)
            body = json.dumps(speech_body())
            refusals = [crowd.submit(client.post, PATH, content=body, headers=key("greedy")) for _ in range(60)]
            assert client.post(PATH, json=speech_body(), headers=key("polite")).status_code == 200
            for refusal in refusals:
                response = refusal.result()
                assert (response.status_code, response.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
                assert retry_after(response) == 1
            assert in_flight(gateway) <= 2  # nothing of it got further than the door
            assert begun.read() == alone


def test_a_client_that_waits_for_the_end_is_never_over_its_share() -> None:
    with serving_keys(keyed("polite", concurrent=1), slots=1, queue_per_slot=0) as gateway, gateway.client() as client:
        answers = [client.post(PATH, json=speech_body(), headers=key("polite")) for _ in range(50)]
        assert {each.status_code for each in answers} == {200}
        assert {each.headers["current-concurrent-requests"] for each in answers} == {"1"}


Refused = Callable[[Gateway, httpx.Client], httpx.Response]


def behind_another(gateway: Gateway, client: httpx.Client) -> httpx.Response:
    del gateway
    with client.stream("POST", PATH, json=speech_body(model="narrow", input=LONG)) as holder:
        assert holder.status_code == 200
        return client.post(PATH, json=speech_body(model="narrow"))


def too_late(gateway: Gateway, client: httpx.Client) -> httpx.Response:
    del gateway
    return client.post(PATH, json=speech_body(model="late"))


def never_loaded(gateway: Gateway, client: httpx.Client) -> httpx.Response:
    pool = gateway.app.state.router.pools["broken"]
    wait_until(lambda: pool.state.value == "failed", "the failure")
    return client.post(PATH, json=speech_body(model="broken"))


def draining(gateway: Gateway, client: httpx.Client) -> httpx.Response:
    gateway.app.state.traffic.drain()
    return client.post(PATH, json=speech_body())


@pytest.mark.parametrize(
    ("refused", "limits", "status", "code"),
    [
        (behind_another, Limits(queue_per_slot=0), 429, "queue_full"),
        (behind_another, Limits(queue_per_slot=1, first_audio_s=3.0), 504, "deadline_exceeded"),
        (too_late, Limits(first_audio_s=0.1), 504, "deadline_exceeded"),
        (never_loaded, Limits(), 503, "unavailable"),
        (draining, Limits(), 503, "shutting_down"),
    ],
)
def test_every_refusal_says_when_to_come_again(refused: Refused, limits: Limits, status: int, code: str) -> None:
    models = (
        Model(id="tone", backend="tone", required=True),
        Model(id="narrow", backend="tone", required=True, parameters={"slots": 1, "rtf": 1.0}),
        Model(id="late", backend="tone", required=True, parameters={"first_audio_ms": 600_000}),
        Model(id="broken", backend="tone", parameters={"first_audio_ms": -1}),
    )
    with serving(create_app(Settings(models=models, limits=limits))) as gateway, gateway.client() as client:
        response = refused(gateway, client)
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        retry_after(response)
