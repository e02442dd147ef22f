"""What watching costs: processor time of counting, logging and tracing a request, and of a scrape.

python -m benchmarks.watching [REQUESTS]

Each figure is the best of three runs, all at the cost of the event loop; the control does nothing as often.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
from prometheus_client import generate_latest
from starlette.types import Scope

from voicegw import logs
from voicegw.api.exchange import Exchanges
from voicegw.api.gauges import Gauges
from voicegw.api.limits import Traffic
from voicegw.api.metrics import Metrics
from voicegw.api.templates import Templates
from voicegw.api.tracing import Tracing
from voicegw.engine.pool import ModelPool
from voicegw.engine.spec import EngineLimits, ModelSpec

RUNS = 3
NOWHERE = "http://127.0.0.1:9"
"""Nobody listens: what is measured is the making of spans, not the sending, which another thread does."""

SCOPE: Scope = {
    "type": "http",
    "method": "POST",
    "path": "/v1/audio/speech",
    "scheme": "http",
    "http_version": "1.1",
    "server": ("127.0.0.1", 8000),
    "headers": [(b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Microseconds of processor time per request, milliseconds per scrape, and how long a scrape's answer is."""

    control_us: float
    counted_us: float
    logged_us: float
    traced_us: float
    scrape_ms: float
    scrape_bytes: int


def nothing(scope: Scope) -> None:
    """Be the control."""


def request(exchanges: Exchanges) -> Callable[[Scope], None]:
    """Give what is noted of a speech of three utterances."""

    def one(scope: Scope) -> None:
        exchange = exchanges.begin(scope, "req_0")
        exchange.asked("tone", 100)
        exchange.admitted(0.001)
        exchange.heard()
        exchange.answered(200)
        for _ in range(3):
            exchange.made(2.0, 0.1)
        exchanges.end(exchange, scope)

    return one


def cost_us(work: Callable[[Scope], None], times: int) -> float:
    """Give microseconds of this thread's processor time per call."""
    runs = []
    for _ in range(RUNS):
        begin = time.thread_time()
        for _ in range(times):
            work(SCOPE)
        runs.append(time.thread_time() - begin)
    return min(runs) * 1e6 / times


@contextmanager
def log_to_nowhere(level: Literal["info", "error"]) -> Iterator[None]:
    """Log as the server does, into the void."""
    with Path(os.devnull).open("w", encoding="utf-8") as void, redirect_stderr(void):
        try:
            logs.configure(level, "json")
            yield
        finally:
            structlog.reset_defaults()


def measure(times: int) -> Figures:
    """Measure everything, with two models."""
    pools = {name: ModelPool(ModelSpec(name, "b"), EngineLimits()) for name in ("tone", "other")}
    metrics, templates = Metrics(dict.fromkeys(pools, "b")), Templates()
    metrics.registry.register(Gauges(pools, Traffic()))
    templates.add_path(SCOPE["path"], SCOPE["path"])
    counting = request(Exchanges(templates, metrics))
    with log_to_nowhere("error"):
        counted = cost_us(counting, times)
    with log_to_nowhere("info"):
        logged = cost_us(counting, times)
    with log_to_nowhere("error"):
        traced = cost_us(request(Exchanges(templates, metrics, Tracing(NOWHERE, 0.1).ended)), times)
    text = generate_latest(metrics.registry)

    def scraped(_: Scope) -> None:
        generate_latest(metrics.registry)

    scrape = cost_us(scraped, max(1, times // 100))
    return Figures(cost_us(nothing, times), counted, logged, traced, scrape / 1000, len(text))


def main() -> None:
    """Measure and print."""
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    print(f"load average {', '.join(f'{each:.2f}' for each in os.getloadavg())}")
    print(f"nothing: {figures.control_us:.2f} us per request")
    print(f"counted: {figures.counted_us:.1f}")
    print(f"counted and logged: {figures.logged_us:.1f}")
    print(f"counted and traced: {figures.traced_us:.1f}")
    print(f"a scrape: {figures.scrape_ms:.2f} ms, {figures.scrape_bytes} bytes")


if __name__ == "__main__":
    main()
