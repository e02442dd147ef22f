"""What a sealed process can no longer do, and how long one step of its work may take.

The kernel keeps all of it: where a decoder spins, blocks or is taken over, nothing in this process may be counted on,
not even the interpreter's lock. The process dies of what it exceeds, and its supervisor starts another.
"""

from __future__ import annotations

import math
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voicegw.decoder.formats import refused

STEP_WALL: Final = 10
"""By what factor a step may take longer by the clock than in computing time: a busy machine is no fault of a file."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one upload may take.

    Attributes:
        memory_bytes: Address space beyond what the process has when it is sealed.
        stuck_s: Seconds of computing time in which decoding must get on by a step.
        wall_s: Seconds for all of it, the time that sender and listener take left out.
    """

    memory_bytes: int
    stuck_s: float
    wall_s: float


def seal(allowance: Allowance) -> None:
    """Give up for good the right to open anything: no file, no socket, no pipe, no connection that comes in.

    Memory is bounded from now on too (on Linux), and a death leaves no copy of what was uploaded in a core file.
    """
    if sys.platform == "linux":
        taken = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = taken + allowance.memory_bytes
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


class Watch:
    """Sees to it that one upload's steps end in time; where one does not, the process does.

    Args:
        allowance: How long they may take.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._left_s = allowance.wall_s

    @contextmanager
    def step(self) -> Iterator[None]:
        """Have the kernel kill the process unless the block ends in time.

        Raises:
            InvalidRequest: All steps together have taken too long.
        """
        if self._left_s <= 0:
            raise refused(
                f"Decoding the file takes more than the {self._allowance.wall_s:g} s that an upload may take."
            )
        began = time.monotonic()
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + self._allowance.stuck_s), hard))
        signal.setitimer(signal.ITIMER_REAL, min(self._left_s, STEP_WALL * self._allowance.stuck_s))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
            self._left_s -= time.monotonic() - began
