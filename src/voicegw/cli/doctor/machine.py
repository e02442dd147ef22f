"""What the machine gives: interpreter, libraries, memory, disk, sockets, open files, graphics cards."""

from __future__ import annotations

import math
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicegw.cli.doctor.finding import Check, Finding, size
from voicegw.cli.doctor.setup import Setup, workers_of

if TYPE_CHECKING:
    from voicegw.audio.format import AudioFormat

PYTHONS: Final = ((3, 11), (3, 14))
"""The first version that works, and the first that may not."""

_GATEWAY_BYTES: Final = 200 * 2**20
_WORKER_BYTES: Final = 60 * 2**20
"""What the gateway takes with its full cache, and a worker of espeak or tone: 95 + 64 MB and 41 MB as measured by
``python -m benchmarks.footprint``, rounded up."""

_DISK_BYTES: Final = 100 * 2**20
_OTHER_FILES: Final = 100
"""Open files of a server that are no connections."""

_MEMORY: Final = Path("/proc/meminfo")
_GROUP: Final = Path("/sys/fs/cgroup")
_CARDS: Final = Path("/proc/driver/nvidia/gpus")
_ASK_S: Final = 10.0


def python(_: Setup | None) -> Iterator[Finding]:
    """Is this a Python that voicegw is made for?"""
    found = f"{platform.python_version()} ({sys.executable}), voicegw {metadata.version('voicegw')}"
    fits = PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]
    advice = f"use Python {'.'.join(map(str, PYTHONS[0]))} or later, before {'.'.join(map(str, PYTHONS[1]))}"
    yield Finding("python", "ok", found) if fits else Finding("python", "problem", found, advice)


def libraries(_: Setup | None) -> Iterator[Finding]:
    """Do the audio libraries work?"""
    import av
    import soxr

    from voicegw.audio.format import FORMATS

    found = f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}, soxr {soxr.__version__}"
    faults = {target.name: fault for target in FORMATS if (fault := _fault(target))}
    for name, fault in faults.items():
        yield Finding("audio", "problem", f"{name} cannot be made by {found}: {fault}", "install av again, with pip")
    if not faults:
        yield Finding("audio", "ok", f"{found}: {', '.join(each.name for each in FORMATS)}")


def _fault(target: AudioFormat) -> str:
    """Make a second of silence in a format; give what goes wrong."""
    import numpy as np

    from voicegw.audio.pipeline import AudioPipeline

    try:
        pipeline = AudioPipeline(22_050, target)
        return "" if pipeline.push(np.zeros(22_050, np.int16)) + pipeline.finish() else "nothing comes out"
    except (ValueError, OSError, RuntimeError) as error:  # FFmpeg's are among them
        return str(error)


def memory(given: Setup | None) -> Iterator[Finding]:
    """Is there room for the gateway and its workers?"""
    free = _free_memory()
    needed = _GATEWAY_BYTES + (given.workers if given else 1) * _WORKER_BYTES
    if free is None:
        yield Finding("memory", "ok", f"cannot be told here; about {size(needed)} are needed, and the models' own")
    elif free < needed:
        found = f"{size(free)} free, about {size(needed)} needed"
        yield Finding("memory", "warning", found, "end other programs, or take fewer workers")
    else:
        yield Finding("memory", "ok", f"{size(free)} free")


def _free_memory() -> int | None:
    """Give the bytes that this process and its children may still take; None where the system does not say."""
    if not _MEMORY.is_file():
        return None
    fields = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    most, used = _GROUP / "memory.max", _GROUP / "memory.current"
    if most.is_file() and used.is_file() and (limit := most.read_text().strip()) != "max":
        free = min(free, int(limit) - int(used.read_text()))
    return max(0, free)


def temporary(_: Setup | None) -> Iterator[Finding]:
    """Can sockets be made where temporary files lie, and is there room?"""
    import socket

    from voicegw.engine.supervisor import make_run_dir

    usual = Path(tempfile.gettempdir())
    advice = "set TMPDIR to a folder that can be written, with a short path"
    try:
        folder = make_run_dir()
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(folder / "w00.1000"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        yield Finding("sockets", "problem", f"none can be made in {usual}: {error.strerror or error}", advice)
        return
    if folder.parent != usual:
        yield Finding("sockets", "warning", f"the path {usual} is too long, {folder.parent} is used", advice)
    else:
        yield Finding("sockets", "ok", f"can be made in {usual}")
    free = shutil.disk_usage(usual).free
    verdict = Finding("disk", "ok", f"{size(free)} free in {usual}")
    yield verdict if free >= _DISK_BYTES else Finding("disk", "warning", verdict.found, f"clear {usual}")


def files(given: Setup | None) -> Iterator[Finding]:
    """May as many files be open as there can be requests?"""
    import resource

    soft, hard = (
        math.inf if each == resource.RLIM_INFINITY else each for each in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    requests = _requests(given)
    needed = requests + _OTHER_FILES
    if soft >= needed:
        yield Finding("open files", "ok", f"{soft:g} may be open; the models take {requests} requests at a time")
        return
    advice = f"ulimit -n {needed}" if hard >= needed else f"have the hard limit of {hard:g} raised"
    found = f"{soft:g} may be open, {needed} are when {requests} requests run and wait"
    yield Finding("open files", "warning", found, f"{advice}; LimitNOFILE={needed} in a systemd unit")


def _requests(given: Setup | None) -> int:
    """Count what can run and wait in all models that were described."""
    if given is None:
        return 0
    waiting = given.settings.limits.queue_per_slot
    slots = 0
    for model in given.settings.models:
        info = given.infos.get(model.id)
        if info is not None and not isinstance(info, str):
            slots += info.limits.slots * workers_of(model)
    return slots * (1 + waiting)


def cards(given: Setup | None) -> Iterator[Finding]:
    """Are the graphics cards there that the models are to use?"""
    cuda = [each for each in (given.devices if given else ()) if each.startswith("cuda")]
    found = _cards()
    lacking = [each for each in cuda if int(each.partition(":")[2] or 0) >= len(found)]
    told = ", ".join(found) or "no NVIDIA card is seen"
    if lacking:
        advice = "install its driver, pass the card into the container (--gpus all), or correct models[].devices"
        yield Finding("cards", "problem", f"{', '.join(lacking)} asked for: {told}", advice)
    else:
        yield Finding("cards", "ok", told if found else f"{told}, and none is asked for")


def _cards() -> list[str]:
    """Name the NVIDIA cards in the order of their numbers, by their driver's tool, else by its files."""
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        command = [tool, "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=False)  # noqa: S603 - a driver's tool
        if done.returncode == 0:
            return [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if not _CARDS.is_dir():
        return []
    lines = [line for file in sorted(_CARDS.glob("*/information")) for line in file.read_text().splitlines()]
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]


CHECKS: Final[tuple[Check[Setup | None], ...]] = (
    ("python", python),
    ("audio", libraries),
    ("memory", memory),
    ("sockets", temporary),
    ("open files", files),
    ("cards", cards),
)
