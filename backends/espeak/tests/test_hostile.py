"""Text is only ever read aloud: nothing in it commands the library, the process or the machine."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from backends.espeak.tests.speaking import speak
from voicegw.backend import TextTooLong
from voicegw_espeak import EspeakBackend
from voicegw_espeak.text import speakable

EVERYTHING = "".join(map(chr, range(0x110000)))


def test_every_character_keeps_its_place() -> None:
    spoken = speakable(EVERYTHING)
    assert len(spoken) == len(EVERYTHING)
    changed = {ord(old) for old, new in zip(EVERYTHING, spoken, strict=True) if old != new}
    controls = {*range(0x20), *range(0x7F, 0xA0)} - {9, 10}
    assert changed == controls | {*range(0xD800, 0xE000), 0x530, 0x557}
    assert all(spoken[code] == " " for code in changed)
    spoken.encode()


@pytest.mark.parametrize("text", ["", " ", "\n\t \r\n", "\x00\x01", "\ud800\udfff", "\u3000\u2003"])
async def test_nothing_to_say_is_no_audio(espeak: EspeakBackend, text: str) -> None:
    assert (await speak(espeak, text, words=True)).events[:-1] == ()


async def test_markup_is_read_aloud(espeak: EspeakBackend, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    commands = ("-w", str(canary)), ("<audio src='$(touch", f"{canary})'/>"), (f"`touch {canary}`", "; :")
    for command in commands:
        assert len((await speak(espeak, " ".join(command))).pcm) > 10_000
    assert not canary.exists()


async def test_a_break_tag_makes_no_break(espeak: EspeakBackend) -> None:
    text = 'a <break time="9s"/> b <prosody rate="x-slow">c</prosody>'
    take = await speak(espeak, text, words=True)
    assert {"break", "time", "prosody", "rate", "x-slow"} <= set(take.words)


async def test_phoneme_brackets_are_letters(espeak: EspeakBackend) -> None:
    take = await speak(espeak, "say [[h@loU]] now", words=True)
    assert {"say", "h", "@", "lo", "U", "now"} <= set(take.words)
    assert len(take.pcm) > 1.4 * len((await speak(espeak, "say hello now")).pcm)


async def test_embedded_commands_have_no_effect(espeak: EspeakBackend) -> None:
    plain = await speak(espeak, "one two three")
    commanded = await speak(espeak, "\x01200S one two three \x0120A")
    after = await speak(espeak, "one two three")
    assert abs(len(after.pcm) - len(plain.pcm)) < 500
    assert abs(after.level / plain.level - 1) < 0.05
    assert len(commanded.pcm) > len(plain.pcm)  # the command is spoken


@pytest.mark.parametrize("voice", ["en-us", "es", "cmn", "ar", "ka", "m3"])
async def test_the_librarys_own_emphasis_mark_does_not_crash_it(espeak: EspeakBackend, voice: str) -> None:
    # U+0530 in plain text: a segmentation fault in Spanish with Devanagari or emoji around it.
    for text in ("\u0530न ्ර", "👧\u0530👧👩", "ñé\u0530á"):
        await speak(espeak, text, voice=voice, words=True)


@pytest.mark.parametrize("voice", ["en-us", "es", "de"])
@pytest.mark.parametrize("unit", ["a.", "é.", "a.b.", "日."])
async def test_an_endless_abbreviation_does_not_crash_it(espeak: EspeakBackend, unit: str, voice: str) -> None:
    await speak(espeak, unit * 800, voice=voice, words=True, speed=2.5)


def test_an_abbreviation_that_is_one_stays_one() -> None:
    assert speakable("the u.s.a. and the n.a.s.a. of a.b.c.d.e.f.g.h.i.j.") == (
        "the u.s.a. and the n.a.s.a. of a.b.c.d.e.f.g.h.i.j."
    )
    assert speakable("a." * 50) == 2 * ("a." * 19 + "a ") + "a." * 10


async def test_a_long_text_without_a_space_is_spoken(espeak: EspeakBackend) -> None:
    take = await speak(espeak, "a1b2" * 500, words=True, speed=2.5)
    assert len(take.pcm) > 22050 * 60


async def test_more_than_the_limit_is_refused_before_any_audio(espeak: EspeakBackend) -> None:
    with pytest.raises(TextTooLong) as refused:
        await speak(espeak, "a " * 2501)
    assert refused.value.fits_chars == 5000 == espeak.describe({}).limits.max_chars


async def test_any_characters_are_survived(espeak: EspeakBackend) -> None:
    chance = random.Random(3)  # noqa: S311 - not a secret
    pools = (
        "abc ,.!?'\"-[](){}<>&;:/\\@#$%^*+=|~`0123456789",
        "áéñüßçø ",
        "你好世界ですか한국 ",
        "عربي עברית हिन्दी ",
        "😀👩\u200d👧🇪🇸\ufe0f",
        "\u202e\u200f\u2066\ufeff\u00ad",
        "\x01\x00\x1b\ud800\x7f\x85",
        "\ue000\uf8ff\u0530 \n",
    )
    voices = [voice.id for voice in espeak.describe({}).voices]
    for _ in range(150):
        chosen = chance.sample(pools, 3)
        text = "".join(chance.choice(chance.choice(chosen)) for _ in range(chance.choice((3, 30, 90))))
        take = await speak(espeak, text, voice=chance.choice(voices), language=chance.choice(("es", "zh", None)))
        assert take.pcm.dtype == np.int16
