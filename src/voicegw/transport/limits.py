"""What the clients of connections may keep the server waiting for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of one server process; see :class:`voicegw.settings.Limits` for what each means."""

    connections: int = 10_000
    headers_s: float = 10.0
    header_bytes: int = 64 * 2**10
    keep_alive_s: float = 75.0
    write_idle_s: float = 60.0
