"""Three thousand broken files of every kind, to real workers: each is decoded or refused, and nobody else notices."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import psutil

from tests.decoder.workers import clip, decoders, works
from tests.support.recordings import FORMATS
from voicegw.backend import InvalidRequest
from voicegw.engine.spec import ModelState

MUTANTS = 3_000
AT_ONCE = 8
_NUMBERS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\1", b"\1\0\0\0")


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Break a file in one to six places, most of them in its header."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(min(len(broken), 400) if chance.random() < 0.6 else len(broken))
        length = chance.randrange(1, 300)
        kind = chance.randrange(7)
        if kind == 0:
            broken[at] = chance.randrange(256)
        elif kind == 1:
            broken[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del broken[at : at + min(length, len(broken) - 8)]
        elif kind == 3:
            broken[at:at] = chance.randbytes(length)
        elif kind == 4:
            broken[at : at + 4] = chance.choice(_NUMBERS)
        elif kind == 5:
            start = chance.randrange(len(broken))
            broken[at : at + length] = broken[start : start + length]
        elif chance.random() < 0.3:
            del broken[max(8, at) :]
    return bytes(broken)


async def test_three_thousand_broken_files() -> None:
    whole = {name: kind.make(0.25) for name, kind in FORMATS.items()}
    names, told, turns = sorted(whole), Counter[str](), iter(range(MUTANTS))

    async def upload() -> None:
        for turn in turns:
            chance = random.Random(turn)  # noqa: S311 - the same ones each time
            try:
                made = await clip(decoder, mutant(whole[names[turn % len(names)]], chance))
            except InvalidRequest as error:
                told[f"{error.param}: {error.code}"] += 1
            else:
                assert abs(len(made.pcm) - 16_000 * made.source.duration_s) <= 2  # more where a rate has changed
                told["decoded"] += 1

    async with decoders() as decoder:
        await works(decoder)
        before = psutil.Process().memory_info().rss
        await asyncio.gather(*(upload() for _ in range(AT_ONCE)))
        assert psutil.Process().memory_info().rss - before < 64 * 2**20
        await works(decoder)
        assert all(worker.state is not ModelState.FAILED for worker in decoder.pool.workers)
    assert sum(told.values()) == MUTANTS
    assert all(word.startswith("file: ") for word in told if word != "decoded"), told
    assert min(told["decoded"], told["file: audio_undecodable"]) > MUTANTS / 10, told
