"""The lexicon in force: what a model is given to say, what of it the caller hears of, and a file that changes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.support.pools import INFO, MemoryPool
from voicegw.audio.format import PCM
from voicegw.audio.offloop import encoding_threads
from voicegw.backend import ModelInfo
from voicegw.services.lexicon import LexiconFile
from voicegw.services.results import Results
from voicegw.services.speech import Speech, SpeechPolicy, SpeechRequest, SpeechService
from voicegw.text.lexicon import Lexicon

THREADS = encoding_threads(1)
WAIT_S = 20.0
WORDS = """
en:
  nginx: engine x
  tomato: {ipa: T}
de: {nginx: ändschin}
voices: {cleo: {en: {nginx: cleos way}}}
"""


class Clock:
    """A clock that goes on by itself, for a look at the file at every use, or stands."""

    def __init__(self, step: float = 10.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "words.yaml"
    path.write_text(WORDS, "utf-8")
    return path


def said(lexicon: Lexicon | None, text: str = "nginx") -> list[str | None]:
    assert lexicon is not None
    return [match.entry.say for match in lexicon.find(text, language="en")]


def write(file: Path, text: str | bytes | None) -> None:
    """Put something into the file, or take the file away."""
    if text is None:
        file.unlink()
    else:
        file.write_bytes(text.encode() if isinstance(text, str) else text)


async def started(lexicon: LexiconFile, text: str, info: ModelInfo = INFO, **more: Any) -> tuple[Speech, MemoryPool]:
    pool = MemoryPool(info=info)
    service = SpeechService(pool, SpeechPolicy(), THREADS, lexicon=lexicon)
    speech = await service.start(replace(SpeechRequest("memory", text, format=PCM), **more))
    async with asyncio.timeout(WAIT_S), aclosing(speech), aclosing(speech.parts()) as parts:
        async for _ in parts:
            pass
    return speech, pool


async def heard(lexicon: LexiconFile, text: str, **more: Any) -> str:
    _, pool = await started(lexicon, text, **more)
    return " ".join(utterance.text for utterance in pool.heard)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "Start engine x now."),
        ({"voice": "cleo"}, "Start cleos way now."),
        ({"voice": "bert"}, "Start ändschin now."),
        ({"language": "de"}, "Start ändschin now."),
        ({"language": "xx"}, "Start engine x now."),  # spoken in the voice's own language
    ],
    ids=str,
)
async def test_what_holds_for_language_and_voice_is_said(file: Path, more: dict[str, str], text: str) -> None:
    assert await heard(LexiconFile(file), "Start *nginx* now.", **more) == text


async def test_a_long_text_is_respelled_as_well(file: Path) -> None:
    assert (await heard(LexiconFile(file), "Start nginx now. " * 100)).count("engine x") == 100


async def test_a_model_that_takes_the_ipa_gets_it(file: Path) -> None:
    info = replace(INFO, ipa=True)
    speech, pool = await started(LexiconFile(file), "One tomato. " * 20, info)
    assert len(pool.heard) > 3
    assert sum(len(each.marks) for each in pool.heard) == 20
    for each in pool.heard:
        assert all(mark.kind == "ipa" and each.text[mark.start : mark.end] == "tomato" for mark in each.marks)
    assert speech.warnings == ()


async def test_one_that_does_not_says_the_word_as_it_is_and_that_is_told(file: Path) -> None:
    speech, pool = await started(LexiconFile(file), "One tomato.", language="fr")
    assert [(each.text, each.marks) for each in pool.heard] == [("One tomato.", ())]
    first, second = speech.warnings
    assert first.startswith("language fr")
    assert second == "pronunciations in IPA have no effect on memory"
    assert (await started(LexiconFile(file), "One potato."))[0].warnings == ()


async def test_the_event_loop_does_not_build_what_takes_long(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of a language are made ready at their first use, in a thread; later uses need none."""
    lexicon = LexiconFile(file)
    found, used = Lexicon.find, []

    def find(self: Lexicon, text: str, **more: Any) -> Any:
        used.append(threading.current_thread() is threading.main_thread())
        return found(self, text, **more)

    monkeypatch.setattr(Lexicon, "find", find)
    for language in ("en", "en", "de", "de"):
        await heard(lexicon, "nginx", language=language)
    assert used == [False, True, False, True]


async def test_a_change_of_the_lexicon_makes_another_question(file: Path) -> None:
    lexicon, results = LexiconFile(file, Clock()), Results(10**6, 60)
    service = SpeechService(MemoryPool(), SpeechPolicy(), THREADS, lexicon=lexicon, results=results)
    for expected in (False, True):
        speech = await service.start(SpeechRequest("memory", "other words", format=PCM, tries=1))
        assert speech.repeated == expected
        async with aclosing(speech), aclosing(speech.parts()) as parts:
            assert [part async for part in parts]
    write(file, "en: {word: another}")
    speech = await service.start(SpeechRequest("memory", "other words", format=PCM, tries=1))
    assert not speech.repeated
    await speech.aclose()


async def test_a_changed_file_is_read_again(file: Path) -> None:
    lexicon = LexiconFile(file, Clock())
    assert said((await lexicon.current(THREADS)).lexicon) == ["engine x"]
    assert (await lexicon.current(THREADS)).number == 1
    write(file, "en: {nginx: something else}")
    assert said((await lexicon.current(THREADS)).lexicon) == ["something else"]
    assert (await lexicon.current(THREADS)).number == 2


async def test_a_file_put_in_its_place_is_read_too(file: Path) -> None:
    """As editors and configuration tools do; the new one may be as long and as old."""
    lexicon = LexiconFile(file, Clock())
    other = file.with_suffix(".new")
    other.write_text(WORDS.replace("engine x", "engine y"), "utf-8")
    other.replace(file)
    assert said((await lexicon.current(THREADS)).lexicon) == ["engine y"]


async def test_the_file_is_looked_at_once_a_second(file: Path) -> None:
    clock = Clock(step=0.0)
    lexicon = LexiconFile(file, clock)
    write(file, "en: {nginx: new}")
    clock.now = 0.99
    assert said((await lexicon.current(THREADS)).lexicon) == ["engine x"]
    clock.now = 1.0
    assert said((await lexicon.current(THREADS)).lexicon) == ["new"]


@pytest.mark.parametrize("bad", ["en: [", "en: {nginx: {say: a, sya: b}}", "en: {nginx: ''}", b"\xff\xfe\xff", None])
async def test_a_file_that_is_not_valid_any_more_changes_nothing_and_is_told_once(
    file: Path, bad: str | bytes | None
) -> None:
    lexicon = LexiconFile(file, Clock())
    write(file, bad)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            edition = await lexicon.current(THREADS)
            assert (said(edition.lexicon), edition.number) == (["engine x"], 1)
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("lexicon_not_read", "error")
    assert str(file) in line["reason"]
    write(file, "en: {nginx: mended}")
    assert said((await lexicon.current(THREADS)).lexicon) == ["mended"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("en: [", "cannot be used"),
        ("en: {nginx: {sya: b}}", "'en: nginx' has unknown keys: sya"),
        (None, "cannot be read: No such file or directory."),
    ],
)
def test_a_bad_file_is_named_at_the_start(file: Path, bad: str | None, says: str) -> None:
    write(file, bad)
    with pytest.raises(ValueError, match="The lexicon") as refused:
        LexiconFile(file)
    assert str(file) in str(refused.value)
    assert says in str(refused.value)


async def test_nobody_but_the_first_waits_while_the_file_is_read(file: Path) -> None:
    lexicon, gate = LexiconFile(file, Clock()), threading.Event()
    write(file, "en: {nginx: new}")
    with ThreadPoolExecutor(1) as busy:
        busy.submit(gate.wait, WAIT_S)
        first = asyncio.create_task(lexicon.current(busy))
        await asyncio.sleep(0)
        clock = lexicon._clock
        assert isinstance(clock, Clock)
        clock.step = 0.0
        assert said((await lexicon.current(busy)).lexicon) == ["engine x"]
        gate.set()
        assert said((await first).lexicon) == ["new"]


async def test_who_gives_up_before_the_file_is_read_leaves_it_to_the_next(file: Path) -> None:
    lexicon, gate = LexiconFile(file, Clock()), threading.Event()
    write(file, "en: {nginx: new}")
    with ThreadPoolExecutor(1) as busy:
        busy.submit(gate.wait, WAIT_S)
        first = asyncio.create_task(lexicon.current(busy))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait((first,))
        gate.set()
    assert said((await lexicon.current(THREADS)).lexicon) == ["new"]
