"""Sealed workers: what they cannot do any more, what they die of, and that nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.decoder.kit import options
from tests.decoder.workers import SOUND, WAV, all_ready, clip, decoders, pieces, refused, works
from tests.engine.kit import GUARD_S, LIMITS, Peer, children, until
from tests.support.hostile_uploads import elsewhere, no_audio
from tests.support.recordings import FORMATS, flac_of_silence
from voicegw.engine import wire
from voicegw.engine.process import WorkerProcess, worker_config
from voicegw.engine.spec import ModelSpec, ModelState
from voicegw.errors import Overloaded, Unavailable

CRASHED = "The file cannot be decoded: the decoder crashed on it, or took more time or memory than an upload may take."


def descriptors(pid: int) -> dict[str, str]:
    """List what a process has open."""
    folder = Path(f"/proc/{pid}/fd")
    return {entry.name: str(entry.readlink()) for entry in folder.iterdir()}


def most_open(pid: int) -> list[str]:
    """Give how many descriptors a process may have, soft and hard."""
    lines = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()
    return next(line for line in lines if line.startswith("Max open files")).split()[3:5]


async def test_a_sealed_worker_decodes_every_kind_of_file_with_what_it_has_open() -> None:
    async with decoders(decode_workers=1) as decoder:
        (worker,) = children()
        before = descriptors(worker.pid)
        for name, kind in FORMATS.items():
            made = await clip(decoder, kind.make(0.5))
            assert made.source.container == kind.container, name
            assert len(made.pcm) == pytest.approx(16_000 * made.source.duration_s, abs=1)
        assert descriptors(worker.pid) == before
        assert children() == [worker]


async def test_a_sealed_worker_can_open_nothing() -> None:
    async with decoders("hostile", decode_workers=1) as decoder:
        (worker,) = children()
        before = descriptors(worker.pid)
        assert (await refused(decoder, b"break out\n")).message == "opened: nothing"
        assert descriptors(worker.pid) == before
        assert most_open(worker.pid) == ["0", "0"]
        await works(decoder)


async def test_a_sealed_worker_serves_one_gateway_and_accepts_no_other() -> None:
    with tempfile.TemporaryDirectory(prefix="vgw") as folder:
        address = f"unix://{folder}/w"
        spec = ModelSpec("decode", "decode")
        config = worker_config(spec, None, address, LIMITS, load=True, log_requests=True)
        process = await WorkerProcess.start(config, None, Path(folder))
        first, second = Peer(), Peer()
        try:
            await wire.connect(address, first.connection)
            while (await first.get("hello", "status"))[1]["state"] != "ready":
                pass
            with pytest.raises(OSError, match=r"refused|No such file"):
                await wire.connect(address, second.connection)
            assert (await first.status())["state"] == "ready"
        finally:
            first.connection.close()
            await process.stop()


async def test_a_sealed_worker_still_writes_its_log_and_its_stacks(capfd: pytest.CaptureFixture[str]) -> None:
    async with decoders("hostile", decode_workers=1) as decoder:
        (worker,) = children()
        await works(decoder)
        with pytest.raises(Exception, match="RuntimeError"):
            await clip(decoder, b"raise\n")
        worker.send_signal(signal.SIGUSR1)
        told = ""

        def dumped() -> bool:
            nonlocal told
            told += capfd.readouterr().err
            return "most recent call first" in told

        await until(dumped)
        assert '"event": "decoding"' in told
        assert '"event": "request_failed"' in told
        assert "secret" not in told
        await works(decoder)


HOSTILE = {**elsewhere(), **no_audio()}


async def test_nothing_that_is_no_audio_costs_a_worker() -> None:
    async with decoders(decoded_s=3600.0) as decoder:
        before = children()
        for name, data in HOSTILE.items():
            error = await refused(decoder, data)
            assert error.code in ("invalid_file_format", "audio_undecodable", "audio_too_short", "audio_too_long"), name
        assert children() == before
        await works(decoder)


async def test_a_bomb_of_25_mib_is_refused_and_the_gateway_does_not_grow() -> None:
    bomb = flac_of_silence(25 * 2**20)
    async with decoders() as decoder:
        await works(decoder)
        before = psutil.Process().memory_info().rss
        error = await refused(decoder, bomb, max_s=1e9)
        assert error.code == "audio_too_long"
        assert error.message == "The file holds more than the 14400 s of audio that are taken."
        assert psutil.Process().memory_info().rss - before < 8 * 2**20
        await works(decoder)


@pytest.mark.parametrize("word", ["crash", "abort", "exit", "spin", "spin and hold the lock"])
async def test_what_kills_its_worker_is_refused_and_the_next_upload_is_decoded(word: str) -> None:
    async with decoders("hostile", decode_stuck_s=0.5) as decoder:
        before = {child.pid for child in children()}
        error = await refused(decoder, word.encode() + b"\n")
        assert (error.code, error.message) == ("audio_undecodable", CRASHED)
        await works(decoder)
        await until(lambda: [child.pid in before for child in children()] in ([True, False], [False, True]))
        await all_ready(decoder)
        await works(decoder)


@pytest.mark.parametrize("word", ["sleep", "sleep and hold the lock"])
async def test_what_only_waits_is_ended_by_the_clock(word: str) -> None:
    async with decoders("hostile", decode_wall_s=1.0) as decoder:
        assert (await refused(decoder, word.encode() + b"\n")).message == CRASHED
        await works(decoder)


async def test_what_eats_memory_is_refused() -> None:
    async with decoders("hostile") as decoder:
        error = await refused(decoder, b"eat\n")
        assert error.code == "audio_undecodable"
        assert "memory" in error.message
        await works(decoder)


async def test_many_crashes_are_nobody_elses_problem() -> None:
    """No circuit breaker: hostile files in a row, and everybody else's are decoded all the while."""
    done = asyncio.Event()
    served = 0

    async def honest() -> None:
        nonlocal served
        while not done.is_set():
            await works(decoder)
            served += 1

    async with decoders("hostile", decode_workers=2, restart_max_s=60.0, crashes=2) as decoder:
        listener = asyncio.create_task(honest())
        for _ in range(6):
            errors = await asyncio.gather(*(refused(decoder, b"crash\n") for _ in range(3)))
            assert {error.message for error in errors} == {CRASHED}
        done.set()
        await listener
        assert served
        assert all(worker.state is not ModelState.FAILED for worker in decoder.pool.workers)


async def test_whoever_waits_behind_a_crash_is_decoded_elsewhere() -> None:
    async with decoders("hostile", decode_workers=1) as decoder:
        crash = asyncio.create_task(refused(decoder, b"crash\n"))
        waiting = [asyncio.create_task(clip(decoder, WAV)) for _ in range(5)]
        assert (await crash).message == CRASHED
        for each in waiting:
            assert (await each).pcm.tolist() == SOUND.tolist()


async def test_whoever_goes_away_from_a_file_that_spins_opens_no_circuit_breaker() -> None:
    async with decoders("hostile", decode_workers=1, decode_stuck_s=1.5, crashes=1, restart_max_s=600.0) as decoder:
        for _ in range(2):
            before = children()
            spin = asyncio.create_task(clip(decoder, b"spin\n"))
            await until(lambda: decoder.pool.workers[0].status.running == 1)
            spin.cancel()
            await until(lambda before=before: children() not in (before, []))  # type: ignore[misc]  # mypy types no default
            await works(decoder)


async def test_a_worker_that_is_killed_before_it_has_the_file_is_not_the_files_fault() -> None:
    begun = asyncio.Event()

    async def source() -> object:
        yield WAV[:100]
        begun.set()
        await asyncio.Event().wait()

    async with decoders(decode_workers=1) as decoder:
        work = asyncio.create_task(decoder.clip(source(), options()))  # type: ignore[arg-type]
        await begun.wait()
        children()[0].kill()
        with pytest.raises(Unavailable) as caught:
            await work
        assert caught.value.should_retry
        await works(decoder)


async def test_the_end_of_the_server_is_not_the_files_fault() -> None:
    async with decoders("hostile", decode_workers=1) as decoder:
        work = asyncio.create_task(clip(decoder, b"sleep\n"))
        await until(lambda: decoder.pool.workers[0].status.running == 1)
        await decoder.close()
        with pytest.raises(Unavailable) as caught:
            await work
        assert caught.value.code == "shutting_down"


async def test_too_many_uploads_are_told_to_come_back() -> None:
    async with decoders("hostile", decode_workers=1, decode_queue=1, decode_wall_s=2.0) as decoder:
        running = asyncio.create_task(refused(decoder, b"sleep\n"))
        await until(lambda: decoder.pool.workers[0].status.running == 1)
        waiting = asyncio.create_task(clip(decoder, WAV))
        await until(lambda: decoder.pool.in_flight == 2)
        with pytest.raises(Overloaded):
            await clip(decoder, WAV)
        assert (await running).message == CRASHED
        assert (await waiting).pcm.tolist() == SOUND.tolist()


async def test_a_worker_is_renewed_after_so_many_uploads_and_nobody_notices() -> None:
    async with decoders(decode_workers=1, decode_renew=5) as decoder:
        seen = set()
        for _ in range(30):
            seen |= {child.pid for child in children()}
            await works(decoder)
        await until(lambda: len(seen | {child.pid for child in children()}) >= 2)


async def test_a_worker_that_keeps_memory_is_renewed() -> None:
    async with decoders("hostile", decode_workers=1, decode_memory_bytes=256 * 2**20) as decoder:
        (before,) = children()
        while before in children():
            with contextlib.suppress(Unavailable):
                await clip(decoder, b"keep\n" + WAV)
        await works(decoder)


async def test_uploads_that_come_at_once_share_the_workers() -> None:
    async with decoders() as decoder:
        made = await asyncio.gather(*(clip(decoder, WAV) for _ in range(40)))
        assert all(each.pcm.tolist() == SOUND.tolist() for each in made)


async def test_audio_waits_for_its_listener_in_the_worker() -> None:
    """An hour of samples is not held by the gateway."""
    data = FORMATS["wav, mulaw"].make(600.0)
    async with decoders(stream_bytes=65_536) as decoder, asyncio.timeout(GUARD_S):
        events = decoder.decode(pieces(data), options())
        first = await anext(events)
        await asyncio.sleep(0.2)
        stream = next(iter(decoder.pool.workers[0].link._streams.values()))  # type: ignore[union-attr]
        waiting = [item[1] for item in stream._events if not isinstance(item, Exception)]
        assert sum(waiting) <= 65_536 + wire.PIECE
        assert first is not None
        await events.aclose()
        await works(decoder)
