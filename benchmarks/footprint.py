"""What an idle server takes: memory of the gateway and of the whole tree, and the time until it is ready.

python -m benchmarks.footprint [STARTS]
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass

import psutil

from benchmarks.harness import serving
from voicegw.bench.watch import Watch


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen; proportional memory (PSS) counts shared pages once, and is 0 where the system has none."""

    ready_s: float
    gateway_rss_mb: float
    tree_rss_mb: float
    tree_pss_mb: float
    processes: int


def measure() -> Figures:
    """Start a server with the usual models and look at it once all of them are ready."""
    with serving({}) as server:
        while any(model["state"] != "ready" for model in server.health()[1]["models"].values()):
            pass
        cost = Watch(server.process.pid).read()
        tree = [psutil.Process(server.process.pid), *server.children()]
        pss = sum(getattr(process.memory_full_info(), "pss", 0) for process in tree)
        return Figures(server.ready_s, cost.gateway_rss / 1e6, cost.tree_rss / 1e6, pss / 1e6, cost.processes)


def main() -> None:
    """Measure some starts and print."""
    runs = [measure() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)]
    print(f"ready after {', '.join(f'{run.ready_s:.2f}' for run in runs)} s")
    for name in ("gateway_rss_mb", "tree_rss_mb", "tree_pss_mb"):
        print(f"{name}: {statistics.median(getattr(run, name) for run in runs):.0f}")
    print(f"processes: {runs[0].processes}")


if __name__ == "__main__":
    main()
