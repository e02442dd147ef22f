"""The measurements under load at small size: what must be so however busy the machine is."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "arguments", "so"),
    [
        ("cost", "--streams 2 --chunks 1 --rtf 0.02", {"streams that were not whole": 0}),
        ("live", "--streams 4 --seconds 1", {"streams that were not whole": 0}),
        ("overload", "--slots 2 --seconds 3", {"without a good Retry-After": 0, "other answers, broken streams": 0}),
        (
            "fairness",
            "--keys 2 --concurrent 1 --requests 3 --factor 20",
            {f"others refused or broken: slots for {case}": 0 for case in ("all", "half")},
        ),
        (
            "chaos",
            "--requests 200 --clients 20",
            {
                "other answers": 0,
                "status of the last one": 200,
                "live requests left": 0,
                "let in at once, of slots and queue, %": 100,
                "workers replaced": 0,
            },
        ),
    ],
)
def test_a_measurement(name: str, arguments: str, so: dict[str, float]) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--runs", "1", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1 where a goal was missed, as it may be on a busy machine
    assert "load average" in done.stdout, done.stderr
    for goal, value in so.items():
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{goal} ")]
        assert float(line.removeprefix(goal).split()[0]) == value, done.stdout
        assert "MISSED" not in line
