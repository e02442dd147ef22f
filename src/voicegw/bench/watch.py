"""What a server costs: processor time and memory of its process and of the workers below it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psutil


class CannotWatch(Exception):
    """The server's process cannot be seen; the message says why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """At one moment: seconds of processor time so far, and bytes of resident memory (shared pages count each time)."""

    gateway_cpu_s: float
    workers_cpu_s: float
    gateway_rss: int
    tree_rss: int
    processes: int


class Watch:
    """Reads the cost of a server and its children.

    Args:
        pid: Of the server's process.

    Raises:
        CannotWatch: psutil is not installed, or there is no such process.
    """

    def __init__(self, pid: int) -> None:
        self._psutil = _psutil()
        try:
            self._gateway: psutil.Process = self._psutil.Process(pid)
        except self._psutil.Error:
            raise CannotWatch(f"there is no process {pid}") from None

    def read(self) -> Cost:
        """Give the cost until now."""
        workers_cpu, workers_rss, count = 0.0, 0, 0
        for child in self._gateway.children(recursive=True):
            with suppress(self._psutil.Error):  # it ended meanwhile
                workers_cpu += _cpu_s(child)
                workers_rss += child.memory_info().rss
                count += 1
        rss = self._gateway.memory_info().rss
        return Cost(_cpu_s(self._gateway), workers_cpu, rss, rss + workers_rss, 1 + count)


def listener(port: int) -> int:
    """Find the process that listens on a TCP port of this machine.

    Raises:
        CannotWatch: There is none that we may see, or psutil is not installed.
    """
    psutil = _psutil()
    with suppress(psutil.Error):
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return int(each.pid)
    raise CannotWatch(f"no process of this machine is seen to listen on port {port}; name it with --pid")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        raise CannotWatch("processor time and memory are measured with psutil: pip install psutil") from None
    return psutil
