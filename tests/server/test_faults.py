"""The measurements of ``benchmarks/`` at small size: what clients see when something breaks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import disconnects, footprint, hang, kill_worker, stalls
from benchmarks.harness import PATIENCE_S, serving, tone_config


async def test_clients_that_go_away_leave_nothing_behind() -> None:
    figures = await disconnects.measure(12, slots=4)
    assert (figures.clients, len(figures.freed_s)) == (12, 8)
    assert (figures.live, figures.started) == (0, 0)


async def test_a_killed_worker_breaks_its_streams_and_is_replaced() -> None:
    figures = await kill_worker.measure(3)
    assert (len(figures.broken_s), figures.clean_ends) == (3, 0)
    assert (figures.next_status, figures.next_whole) == (200, True)


async def test_a_hung_worker_is_replaced() -> None:
    figures = await hang.measure()
    assert figures.broken_s is not None
    assert (figures.next_status, figures.gone, figures.replaced) == (200, True, True)


async def test_clients_that_stall_are_closed_and_others_served() -> None:
    limits = {"headers_s": 1.0, "body_idle_s": 1.0}
    with serving({**tone_config(), "limits": limits}) as server:
        figures = await stalls.measure(server.target, 20, 5, speech=True, calm_s=0.1, within_s=PATIENCE_S)
    assert (len(figures.closed_s), figures.stalled, figures.failed) == (25, 25, 0)
    assert min(len(figures.health_s), len(figures.speech_s)) > 0
    said = stalls.told("voicegw", figures)
    assert "25 of 25 closed" in said
    assert "health before" in said


def test_the_footprint_is_measured() -> None:
    figures = footprint.measure()
    assert figures.processes == 6  # the gateway, two espeak workers, one tone worker, two that decode
    assert 0 < figures.gateway_rss_mb < figures.tree_rss_mb


@pytest.mark.parametrize(
    ("name", "said"),
    [("disconnects", "20 clients went"), ("kill_worker", "2 streams broke"), ("watching", "us per request")],
)
def test_they_run_as_programs(name: str, said: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said in done.stdout, done.stderr
