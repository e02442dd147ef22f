"""What it costs to keep answers for those who do not get them, and what it saves those who ask again.

python -m benchmarks.result_cache [REQUESTS]
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from dataclasses import dataclass

from benchmarks.harness import Server, body, serving, tone_config
from voicegw.audio.format import MP3, PCM, AudioFormat
from voicegw.bench.client import Target
from voicegw.bench.control import serving as bare
from voicegw.bench.load import Load, run
from voicegw.bench.measure import Summary
from voicegw.bench.watch import Watch

WORDS = 20
ROUNDS = 3
COUNT = "x-stainless-retry-count"
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "nothing is kept": ("off", {}),
    "kept until it is delivered": ("on", {}),
    "kept for a client that counts": ("on", {COUNT: "0"}),
    "given again": ("on", {COUNT: "1"}),
}
"""The server that is asked, and how."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one request: processor time of the gateway and of its worker, and the time to the first byte and the last."""

    gateway_ms: float
    worker_ms: float
    first_ms: float
    whole_ms: float


def measure(target: Target, pid: int, load: Load) -> tuple[Figures, Summary]:
    """Send the load to a server."""
    watch = Watch(pid)
    before = watch.read()
    summary = asyncio.run(run(load))
    after = watch.read()
    if summary.outcomes != {"ok": load.requests}:
        raise RuntimeError(f"{target.port} answered {summary.outcomes}")
    each = 1000 / load.requests
    gateway, worker = after.gateway_cpu_s - before.gateway_cpu_s, after.workers_cpu_s - before.workers_cpu_s
    figures = Figures(gateway * each, worker * each, summary.ttfa_ms.p50, summary.total_ms.p50)
    return figures, summary


def best(rounds: list[Figures]) -> Figures:
    """Give the least of every figure."""
    return Figures(*(min(getattr(each, name) for each in rounds) for name in Figures.__slots__))


def compare(servers: dict[str, Server], target: AudioFormat, requests: int) -> None:
    """Ask in all ways in turn, and the bare server with as many bytes, and print."""
    fields = body(WORDS, response_format=target.name)
    found: dict[str, list[Figures]] = {way: [] for way in WAYS}
    pieces = size = 0.0
    for _, (way, (name, headers)) in itertools.product(range(ROUNDS), WAYS.items()):
        server = servers[name]
        load = Load(server.target, fields, target, requests, 1, headers=headers)
        figures, summary = measure(server.target, server.process.pid, load)
        found[way].append(figures)
        pieces, size = summary.pieces_per_answer, summary.bytes_per_answer
    with bare(max(1, round(pieces)), round(size / max(1, pieces))) as (url, pid):
        control = Target.of(url)
        load = Load(control, fields, target, requests, 1)
        found["a bare server, the same bytes"] = [measure(control, pid, load)[0] for _ in range(ROUNDS)]
    print(f"\n{target.name}, {WORDS / 2:.0f} s of audio {'gateway':>27} {'worker':>10} {'first byte':>12} {'last':>8}")
    for way, rounds in found.items():
        least = best(rounds)
        print(f"{way:45} {least.gateway_ms:8.2f} {least.worker_ms:10.2f} {least.first_ms:12.2f} {least.whole_ms:8.2f}")


def main() -> None:
    """Measure and print."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    config = tone_config()
    with serving(config) as on, serving({**config, "limits": {"result_cache_s": 0}}) as off:
        print("ms per request: processor time of the gateway and of its worker, time to the first byte and to the last")
        print(f"best of {ROUNDS} rounds of {requests} requests, one at a time; load average {os.getloadavg()}")
        for target in (MP3, PCM):
            compare({"on": on, "off": off}, target, requests)
        print(f"load average {os.getloadavg()}")


if __name__ == "__main__":
    main()
