"""A worker process as a gateway sees it on the wire, frame by frame."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.kit import GUARD_S, Peer, bare_worker, ended, say, until
from voicegw.backend import Priority
from voicegw.engine import codec, wire
from voicegw.engine.spec import EngineLimits


async def test_the_greeting_says_everything() -> None:
    async with bare_worker(slots=3) as (peer,):
        other = Peer()
        await wire.connect(_address(peer), other.connection)
        hello = (await other.get("hello"))[1]
        assert (hello["protocol"], hello["model"], hello["state"], hello["slots"]) == (1, "m", "ready", 3)
        assert hello["info"]["sample_rate"] == 24000
        other.connection.close()


async def test_a_stream_starts_speaks_and_ends() -> None:
    async with bare_worker() as (peer,):
        peer.open(5, say(chunks=2, samples=3, words=True))
        start, *events, done = [await peer.get("start", "event", "done") for _ in range(5)]
        assert start[:2] == ["start", 5]
        assert start[2] >= 0.0
        assert events[0] == ["event", 5, "word", 0, 3, 0, 5]
        assert [np.frombuffer(e[4], "<i2").tolist() for e in events[1:]] == [[0, 0, 0], [1, 1, 1]]
        assert events[1][3] <= events[2][3]
        assert done[2].pop("took_s") >= 0.0
        assert done == ["done", 5, {"finish": "stop", "continuation": b"+"}]
        assert (await peer.idle())["slots"] == 2


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"raise_after": 1}, "backend_failed"),
    ({"cancel_after": 1}, "backend_failed"),
    ({"no_done": True}, "backend_failed"),
    ({"two_dones": True}, "backend_failed"),
    ({"not_an_event": True}, "backend_failed"),
    ({"nan": True}, "bad_audio"),
    ({"too_long": 3}, "text_too_long"),
    ({"error": 2 * wire.MAX_FRAME}, "backend_failed"),
]


async def test_every_fault_of_a_model_is_an_error_of_that_request_alone(capfd: pytest.CaptureFixture[str]) -> None:
    async with bare_worker() as (peer,):
        peer.open(1000, say("the bystander", chunks=200, pause_s=0.001))
        for number, (script, code) in enumerate(FAULTS):
            peer.open(number, say("hush hush", **script))
            _, error = await ended(peer, number)
            assert error["code"] == code, script
            assert "secret" not in error["message"]
            assert "hush" not in error["message"]
        assert error["message"]
        _, done = await ended(peer, 1000)
        assert done["finish"] == "stop"
        await peer.idle()
    said = capfd.readouterr().err
    assert "hush" not in said
    assert "secret text" not in said.replace('raise RuntimeError("secret text inside")', "").replace(
        'raise RuntimeError(\\"secret text inside\\")', ""
    )
    assert '"error": "RuntimeError"' in said


async def test_a_text_that_is_too_long_says_what_fits() -> None:
    async with bare_worker() as (peer,):
        peer.open(1, say("too long a text", too_long=7))
        _, error = await ended(peer, 1)
        assert (error["kind"], error["fits_chars"]) == ("TextTooLong", 7)


async def test_one_log_line_per_utterance_without_its_text(capfd: pytest.CaptureFixture[str]) -> None:
    async with bare_worker(slots=1, clones=False) as (peer,):
        peer.open(1, say("hush hush", request="good", tenant="t1", chunks=3, samples=2400, pause_s=0.01))
        await ended(peer, 1)
        peer.open(2, say("hush hush", request="bad", raise_after=0))
        await ended(peer, 2)
        peer.open(3, say("hush hush", request="gone", hang_after=1))
        await peer.get("event")
        peer.send("cancel", 3)
        await peer.idle()
        peer.open(4, say("hush hush", request="cloned"), key="k")
        await ended(peer, 4)
        peer.open(5, say("hush hush", request="self", cancel_after=0))
        await ended(peer, 5)
        peer.open(6, say("hush hush", request="long", too_long=1))
        await ended(peer, 6)
    said = capfd.readouterr().err
    assert "hush" not in said
    lines = [json.loads(line) for line in said.splitlines() if '"utterance"' in line]
    assert [(line["id"], line["status"]) for line in lines] == [
        ("good", "ok"),
        ("bad", "backend_failed"),
        ("gone", "cancelled"),
        ("cloned", "invalid_value"),
        ("self", "backend_failed"),
        ("long", "text_too_long"),
    ]
    good = lines[0]
    assert (good["tenant"], good["model"], good["characters"], good["audio_s"]) == ("t1", "m", 9, 0.3)
    assert 0 <= good["queue_wait_s"] < GUARD_S
    assert 0 <= good["ttfa_s"] < GUARD_S
    assert lines[1]["ttfa_s"] is None


async def test_the_queue_is_bounded_fair_and_keeps_deadlines() -> None:
    async with bare_worker(EngineLimits(queue_per_slot=4), slots=1) as (peer,):
        peer.open(0, say(request="0", hang_after=1))
        await peer.get("start")
        peer.open(1, say(request="1", tenant="a"))
        peer.open(2, say(request="2", tenant="a"))
        peer.open(3, say(request="3", tenant="b"))
        peer.open(4, say(request="4", tenant="b", within_s=0.02))
        peer.open(5, say(request="5", priority=Priority.LIVE))
        error = await peer.get("error")
        assert (error[1], error[2]["kind"]) == (5, "Overloaded")
        assert error[2]["retry_after_s"] >= 1
        error = await peer.get("error")
        assert (error[1], error[2]["kind"]) == (4, "DeadlineExceeded")
        peer.open(6, say(request="6", priority=Priority.LIVE))
        peer.open(7, say(request="7"))
        assert (await peer.get("error"))[1] == 7
        status = await peer.status()
        assert (status["running"], status["waiting"]) == (1, 4)
        peer.send("cancel", 0)
        assert [(await peer.get("start"))[1] for _ in range(4)] == [6, 1, 3, 2]
        await peer.idle()


async def test_cancelling_frees_the_slot_wherever_the_request_is(tmp_path: Path) -> None:
    async with bare_worker(slots=1) as (peer,):
        cleaned = tmp_path / "cleaned"
        peer.open(1, say(hang_after=1, cleaned=str(cleaned)))  # inside the model
        await peer.get("event")
        peer.open(2, say())  # in the queue
        peer.open(3, say(), key="k")  # waiting for a voice
        await peer.get("need_voice")
        for number in (3, 2, 1, 1, 77):
            peer.send("cancel", number)
        await peer.idle()
        assert cleaned.read_text() == "cleaned\n"
        peer.open(4, say(chunks=10, samples=2000), credit=1)  # out of credit
        await peer.get("event")
        peer.send("cancel", 4)
        await peer.idle()
        for number in range(10, 60):  # before it has run at all
            peer.open(number, say())
            peer.send("cancel", number)
        for _ in range(5):  # turns of the worker's loop
            await peer.idle()
        for number in range(10, 60):  # the numbers are free again: nothing was left of them
            peer.open(number, say())
            assert (await ended(peer, number))[1]["finish"] == "stop"


async def test_a_second_cancellation_does_not_disturb_the_cleaning_up(tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    async with bare_worker(gateways=2) as (peer, other):
        peer.open(1, say(hang_after=1, cleaned=str(cleaned), cleanup_s=0.1))
        await peer.get("event")
        peer.send("cancel", 1)
        peer.send("cancel", 1)
        await peer.status()
        peer.connection.abort()
        await other.idle()
        await until(cleaned.exists)


async def test_a_gateway_that_goes_frees_all_its_slots(tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    async with bare_worker(slots=3, gateways=2) as (peer, other):
        for number in range(3):
            peer.open(number, say(hang_after=1, cleaned=str(cleaned)))
            await peer.get("event")
        assert (await other.status())["running"] == 3
        peer.connection.abort()
        await other.idle()
        assert cleaned.read_text() == "cleaned\n" * 3


@pytest.mark.parametrize("gateway", ["still there", "gone already"])
async def test_a_worker_that_ends_lets_its_requests_clean_up(gateway: str, tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    async with bare_worker(gateways=2) as (peer, other):
        peer.open(1, say(hang_after=1, cleaned=str(cleaned), cleanup_s=1.0))
        await peer.get("event")
        if gateway == "gone already":
            peer.connection.abort()
            for _ in range(5):  # turns of the worker's loop
                assert (await other.status())["running"] == 1
    assert cleaned.read_text() == "cleaned\n"


async def test_a_stream_without_credit_waits_and_the_socket_does_not() -> None:
    async with bare_worker(slots=2) as (peer,):
        script: dict[str, Any] = {"chunks": 100, "samples": 1000}
        peer.open(1, say(**script), credit=10_000)  # a listener that takes nothing
        peer.open(2, say(**script), credit=10**9)
        got = {1: 0, 2: 0}
        while (frame := await peer.get("event", "done"))[0] == "event":
            got[frame[1]] += len(frame[4])
        assert frame[1] == 2
        assert got[2] == 200_000
        assert 10_000 <= got[1] < 10_000 + 2000  # its credit, and not a chunk more
        assert (await peer.status())["running"] == 1
        peer.send("credit", 1, 4000)
        for _ in range(2):
            await peer.get("event")
        peer.send("credit", 1, 10**9)
        rest, done = await ended(peer, 1)
        assert got[1] + 4000 + len(rest) == 200_000
        assert done["finish"] == "stop"


async def test_a_slow_listener_does_not_slow_another(capfd: pytest.CaptureFixture[str]) -> None:
    script: dict[str, Any] = {"chunks": 600, "samples": 1000}
    async with bare_worker(slots=2, gateways=2) as (fast, slow):
        slow.open(1, say(**script), credit=8000)
        fast.open(1, say(**script), credit=8000)
        taken = {"fast": 0, "slow": 0}
        while (frame := await fast.get("event", "done"))[0] == "event":
            taken["fast"] += 1
            fast.send("credit", 1, len(frame[4]))
            if taken["fast"] % 100 == 0:  # a hundredth of the speed
                slow.send("credit", 1, len((await slow.get("event"))[4]))
                taken["slow"] += 1
        assert taken == {"fast": 600, "slow": 6}
        assert (await slow.status())["running"] == 1
    capfd.readouterr()


OPEN = ["open", 1, "synthesize", {"request": codec.plain(say(hang_after=0))}, 1]
MAD: list[list[list[Any]]] = [
    [["open"]],
    [[*OPEN, "more"]],
    [OPEN, OPEN],
    [["cancel"]],
    [["ping"]],
    [["forget"]],
    [OPEN, ["credit", 1, "much"]],
    [OPEN, ["voice", 1, [{}]]],
    [OPEN, ["voice", 1, 5]],
    [["credit", [], 1]],
]


async def test_a_gateway_that_makes_no_sense_is_cut_off_and_nobody_else() -> None:
    async with bare_worker() as (peer,):
        for frames in MAD:
            mad = Peer()
            await wire.connect(_address(peer), mad.connection)
            for frame in frames:
                mad.send(*frame)
            async with asyncio.timeout(GUARD_S):
                await mad.lost
        assert (await peer.idle())["state"] == "ready"
        peer.open(1, say())
        assert (await ended(peer, 1))[1]["finish"] == "stop"


async def test_a_request_that_makes_no_sense_is_refused() -> None:
    async with bare_worker() as (peer,):
        senseless: list[tuple[str, Any]] = [
            ("dance", {}),
            ("synthesize", {}),
            ("synthesize", None),
            ("synthesize", {"request": {"text": "no meta"}}),
        ]
        for number, (op, header) in enumerate(senseless):
            peer.send("open", number, op, header, 100)
            _, error = await ended(peer, number)
            assert error["kind"] == ("InvalidRequest" if op == "dance" else "BackendFailed")
            for name in ("credit", "voice", "voice_data", "cancel", "no such frame"):
                peer.send(name, number, 1)  # of a stream that is over
        await peer.idle()


def _address(peer: Peer) -> str:
    assert peer.connection._transport is not None
    return f"unix://{peer.connection._transport.get_extra_info('peername')}"


async def test_loading_is_told_as_it_goes_and_requests_wait_no_longer_than_they_may() -> None:
    async with bare_worker(loaded=False, load_s=0.3) as (peer,):
        peer.open(1, say(within_s=0.01))
        peer.open(2, say())
        while (told := (await peer.get("hello", "status"))[1])["detail"] != "half":
            assert told["state"] in ("described", "loading")
        assert (told["state"], told["progress"]) == ("loading", 0.5)
        error = await peer.get("error")
        assert (error[1], error[2]["kind"]) == (1, "DeadlineExceeded")
        hello = await peer.get("hello")
        assert (hello[1]["state"], hello[1]["progress"]) == ("ready", 1.0)
        assert (await ended(peer, 2))[1]["finish"] == "stop"


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"load_fails": True}, "RuntimeError: no weights"),
        ({"load_gives": 5}, "TypeError: ModelInfo is made from a mapping, not int"),
        ({"load_gives": {"kind": "speech", "sample_rate": "fast"}}, "TypeError: a str where a int belongs"),
    ],
)
async def test_a_model_that_cannot_be_loaded_says_why(fields: dict[str, Any], detail: str) -> None:
    async with bare_worker(**fields) as (peer,):
        status = await peer.status()
        assert (status["state"], status["detail"]) == ("failed", detail)
        peer.open(1, say())
        _, error = await ended(peer, 1)
        assert error["kind"] == "Unavailable"
        assert detail in error["message"]


async def test_a_reason_without_end_is_cut() -> None:
    async with bare_worker(describe_gives={"kind": "x" * 2_000_000, "sample_rate": 1}) as (peer,):
        assert peer.lost.done() is False
    async with bare_worker(load_gives={"kind": "x" * 2_000_000, "sample_rate": 1}) as (peer,):
        assert len((await peer.status())["detail"]) == 500
