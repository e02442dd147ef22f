"""What a server's ``/metrics`` says, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.support.gateway import wait_until

OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class Scraped:
    """All samples of one scrape."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
    families: Mapping[str, Metric]

    def value(self, name: str, **labels: str) -> float:
        """Sum up the samples of a name that have these labels, others besides; KeyError where there are none."""
        wanted = labels.items()
        found = [value for (each, has), value in self.samples.items() if each == name and wanted <= has]
        if not found:
            raise KeyError(name)
        return sum(found)

    def labels(self, name: str, label: str) -> set[str]:
        """Give all values of a label of a name."""
        return {dict(has)[label] for each, has in self.samples if each == name}


def scrape(client: httpx.Client, accept: str = "text/plain") -> Scraped:
    """Ask a server for its metrics."""
    answer = client.get("/metrics", headers={"accept": accept})
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.headers["content-type"].startswith(accept)
    parse = openmetrics if accept == OPENMETRICS else plain
    families = {family.name: family for family in parse(answer.text)}
    samples = [sample for family in families.values() for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "a series is there twice"
    return Scraped(found, families)


class Counted:
    """What is counted from now on."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._before = scrape(client)

    def more(self, name: str, **labels: str) -> float:
        """Give by how much it is more than at the beginning; a series that was not there began at 0."""
        now = scrape(self._client).value(name, **labels)
        try:
            return now - self._before.value(name, **labels)
        except KeyError:
            return now

    def wait(self, name: str, count: float, **labels: str) -> None:
        """Wait until it is so much more: what is counted at the end of an answer is so a moment after it."""

        def there() -> bool:
            try:
                return round(self.more(name, **labels), 6) >= count
            except KeyError:
                return False

        wait_until(there, f"{count} more {name} {labels}")
        assert round(self.more(name, **labels), 6) == count
