"""A busy model: whoever is refused is told so before the first byte, and whoever was let in hears all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.gateway import Gateway, serving
from voicegw.app import create_app
from voicegw.settings import Limits, Model, Settings

CLIENTS = 12
TEXT = "one two three four five six seven eight nine ten. " * 40
"""Several utterances: each is 400 characters at most."""


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Gateway]:
    model = Model(id="tone", backend="tone", workers=2, required=True, parameters={"slots": 1, "rtf": 0.002})
    with serving(create_app(Settings(models=(model,), limits=Limits(queue_per_slot=2)))) as running:
        yield running


def test_a_full_queue_never_breaks_a_stream_that_has_begun(two_workers: Gateway) -> None:
    body = {"model": "tone", "input": TEXT, "response_format": "pcm"}

    def ask(_number: int) -> Counter[int]:
        """Ask until served, at once again when refused: the queue is always full."""
        seen: Counter[int] = Counter()
        with two_workers.client() as client:
            while not seen[200]:
                answer = client.post("/v1/audio/speech", json=body)
                seen[answer.status_code] += 1
                assert answer.is_success or int(answer.headers["retry-after"]) >= 1
        assert len(answer.content) == 400 * 24000  # 400 words of half a second, two bytes a sample
        return seen

    with ThreadPoolExecutor(CLIENTS) as clients:
        seen = sum(clients.map(ask, range(CLIENTS)), Counter[int]())
    assert seen[200] == CLIENTS
    assert seen[429] > 0
    assert set(seen) == {200, 429}
