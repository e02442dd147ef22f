"""What the engine is told: the models to run, the limits to keep, and the names of a model's states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ModelState(StrEnum):
    """Where a model is in its life: declared → described → loading → ready ⇄ draining → unloaded | failed."""

    DECLARED = "declared"
    DESCRIBED = "described"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    UNLOADED = "unloaded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the configuration.

    Attributes:
        id: The name that clients use.
        backend: Entry-point name of its adapter.
        workers: Processes per device.
        devices: One set of workers per device, handed to the adapter as ``device``; () = the adapter's own choice.
        memory_fraction: Share of a device's memory, handed to the adapter; None = its own choice.
        python: Interpreter of another environment that holds the adapter; None = the gateway's own.
        preload: Whether weights are loaded at start rather than at the first request.
        idle_unload_s: Seconds without work after which the process ends; None = never.
        required: Whether the server is ready only when this model is.
        expendable: Whether workers die of what they are given: one that dies after it was given anything is replaced at
            once, however often that happens, and a request that has not begun there goes on to another for as long as
            its deadline allows.
        renew_after: Requests after which a worker is replaced, when it has nothing to do; None = never.
        renew_growth_bytes: The same for memory that it has not given back (on Linux); None = any amount.
        parameters: The adapter's own configuration.
    """

    id: str
    backend: str
    workers: int = 1
    devices: tuple[str, ...] = ()
    memory_fraction: float | None = None
    python: str | None = None
    preload: bool = True
    idle_unload_s: float | None = None
    required: bool = False
    expendable: bool = False
    renew_after: int | None = None
    renew_growth_bytes: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of the engine, all from the settings.

    Attributes:
        queue_per_slot: Waiting requests per slot before newcomers are refused.
        stream_bytes: Credit of one stream: audio that may wait in the gateway for its listener.
        voice_cache_bytes: Conditioning that one worker keeps.
        voice_bytes: Size of one uploaded voice on the wire.
        ping_s: Seconds between pings to a worker.
        hang_s: Seconds without an answer after which a worker is taken for hung and replaced.
        load_s: Seconds that loading may take.
        stall_s: Seconds that a model may pause in the middle of its audio while its listener waits.
        restart_base_s: First back-off after a crash; doubles up to ``restart_max_s``.
        crashes: Crashes within ``crash_window_s``, or starts in a row that got no model ready, that open the circuit
            breaker for ``restart_max_s``.
    """

    queue_per_slot: int = 4
    stream_bytes: int = 2 * 1024 * 1024
    voice_cache_bytes: int = 1024 * 1024 * 1024
    voice_bytes: int = 64 * 1024 * 1024
    ping_s: float = 2.5
    hang_s: float = 10.0
    load_s: float = 600.0
    stall_s: float = 60.0
    restart_base_s: float = 0.1
    restart_max_s: float = 60.0
    crashes: int = 5
    crash_window_s: float = 60.0
