"""How many connections the process's limit of open files allows."""

from __future__ import annotations

import resource
from typing import Final

_RESERVE: Final = 256
"""Files that are no clients' connections: workers, listening sockets, what is read and written."""


def room_for(connections: int) -> int:
    """Raise the limit of open files so that so many connections fit, as far as the system lets us; give how many do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _RESERVE
    if _less(soft, wanted):
        soft = wanted if _less(wanted, hard) else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(connections, soft - min(_RESERVE, soft // 2)) if soft != resource.RLIM_INFINITY else connections


def _less(limit: int, other: int) -> bool:
    if resource.RLIM_INFINITY in (limit, other):
        return limit != resource.RLIM_INFINITY
    return limit < other
