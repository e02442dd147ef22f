"""What was measured beside what was to be reached: some runs, the best of them, and the exit status."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import uvloop

Run: TypeAlias = Callable[[], Coroutine[Any, Any, Mapping[str, float]]]
"""Measures once and gives each figure by its name."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure, and what it must be.

    Attributes:
        name: What it is, with its unit.
        most: It must not be more.
        least: It must not be less; without either bound it is there to compare with.
        every: It must be so in every run: what is right or wrong is no matter of the best run.
    """

    name: str
    most: float = math.inf
    least: float = -math.inf
    every: bool = False

    @property
    def bound(self) -> str:
        """The bound, in words."""
        if self.most == self.least:
            return f"{self.most:g}"
        if self.most < math.inf:
            return f"at most {self.most:g}"
        return f"at least {self.least:g}" if self.least > -math.inf else ""

    def counted(self, values: Sequence[float]) -> float:
        """Give the value that counts: that of the best run, or of the worst; nan where a run measured nothing."""
        if any(math.isnan(value) for value in values):
            return math.nan
        return max(values) if (self.least > -math.inf) is not self.every else min(values)

    def met(self, values: Sequence[float]) -> bool:
        """Tell whether the goal was reached; nothing measured is nothing reached."""
        return not self.bound or self.least <= self.counted(values) <= self.most


def options(about: str, argv: Sequence[str] | None = None, **defaults: float) -> argparse.Namespace:
    """Read ``--name NUMBER`` for every default, of its kind; ``--runs`` is always there.

    Args:
        about: Docstring of the script.
        argv: Its arguments; None for those of the process.
        **defaults: A whole number takes whole numbers only.
    """
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    for name, default in {"runs": 3, **defaults}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser.parse_args(argv)


def measured(goals: Sequence[Goal], run: Run, runs: int) -> int:
    """Run so many times, print a table, and give the exit status: 1 where a goal was missed."""
    figures, loads = [], []
    for _ in range(runs):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures.append(runner.run(run()))
        loads.append(os.getloadavg()[0])
    return told(goals, figures, loads)


def told(goals: Sequence[Goal], figures: Sequence[Mapping[str, float]], loads: Sequence[float]) -> int:
    """Print the table and give the exit status; ``loads`` are the load averages of the machine after each run."""
    width = max(len(goal.name) for goal in goals)
    heads = [f"run {number}" for number, _ in enumerate(figures, 1)]
    print(f"{'':{width}}", *(f"{head:>9}" for head in [*heads, "counts"]), " goal")
    missed = 0
    for goal in goals:
        values = [figure[goal.name] for figure in figures]
        met = goal.met(values)
        missed += not met
        counts = f"{goal.counted(values):9.4g}  {goal.bound}{'' if met else ': MISSED'}" if goal.bound else ""
        print(f"{goal.name:{width}}", *(f"{value:9.4g}" for value in values), counts)
    print(f"{'load average':{width}}", *(f"{load:9.2f}" for load in loads))
    return int(missed > 0)
