"""Checks of texts that people and programs really send: none, far too much, and the odd kinds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from voicegw.backend.conformance.check import Failure, applies, check, require
from voicegw.backend.conformance.stage import Model, Stage, audible
from voicegw.backend.conformance.take import Take
from voicegw.backend.contract import Mark
from voicegw.errors import TextTooLong

_NOTHING_S = 3.0
_BREAK_S = 45.0
_ROUNDS = 16
_UNBOUNDED_CHARS = 20_000
_UNBROKEN_CHARS = 100_000

_BLANK = (" ", "\n", " \t\r\n \u00a0\u2003\u3000\u200b ", "...", "\u2014")
_CONTROL = "One\x00two\x01\x07\x08\x0b\x0c\x1b[31mthree\x1b[0m\x7f\x80\x9f\ufeff\ufffe\uffff four."
_SURROGATES = ("\ud800", "One \udc80two\udfff three \ud83d four.", "\ude00\ud83d")
_SOUNDS = ("k\u0259\u02c8m\u0251\u02d0to\u028a", "?", "[[", "\x00", "\u02c8" * 200)
"""How a word is said: first in the IPA, then in nonsense."""
_EMOJI = (
    "\U0001f600",
    "One \U0001f469\u200d\U0001f4bb two \U0001f1e9\U0001f1ea three \u2764\ufe0f four 5\ufe0f\u20e3.",
)
_OTHER_WAY = (
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0645\u0631\u062d\u0628\u0627",
    "One \u202eowt\u202c.",
)


@check
async def empty_text(stage: Stage) -> None:
    """No text ends in SpeechDone with hardly any audio, or is refused."""
    await _says_nothing(await stage.model(), "")


@check
async def blank_text(stage: Stage) -> None:
    """Text without anything to speak, blanks or mere punctuation, ends in SpeechDone or is refused."""
    model = await stage.model()
    for text in _BLANK:
        await _survives(model, text)


@check
async def long_text(stage: Stage) -> None:
    """Text that is too long is refused before any audio, with a length that the model then takes."""
    model = await stage.model()
    chars = 2 * (model.info.limits.max_chars or _UNBOUNDED_CHARS // 2)
    text = ("One two three four five six seven. " * (chars // 30 + 1))[:chars]
    await _begins_once_it_fits(model, text)


@check
async def unbroken_text(stage: Stage) -> None:
    """100,000 characters without a space are spoken, or refused with a length that the model then takes."""
    model = await stage.model()
    for letter in ("a", "\u5b57"):
        await _begins_once_it_fits(model, letter * _UNBROKEN_CHARS)
    await _still_speaks(model)


@check
async def control_characters(stage: Stage) -> None:
    """Control characters, NUL among them, do no harm."""
    model = await stage.model()
    await _survives(model, _CONTROL)
    await _survives(model, "\x00")
    await _still_speaks(model)


@check
async def lone_surrogates(stage: Stage) -> None:
    """Surrogates without their other half, as JSON may hold them, do no harm."""
    model = await stage.model()
    for text in _SURROGATES:
        await _survives(model, text)
    await _still_speaks(model)


@check
async def emoji(stage: Stage) -> None:
    """Emoji, joined ones too, do no harm."""
    model = await stage.model()
    for text in _EMOJI:
        await _survives(model, text)
    await _still_speaks(model)


@check
async def right_to_left_text(stage: Stage) -> None:
    """Text that runs from right to left does no harm, whatever the model's language."""
    model = await stage.model()
    for text in _OTHER_WAY:
        await _survives(model, text)
    await _still_speaks(model)


@check
async def markup_is_mere_text(stage: Stage) -> None:
    """SSML is not obeyed: a break of a minute is not waited for, and broken markup does no harm."""
    model = await stage.model()
    for text in ('<speak>One<break time="60s"/>two.</speak>', "<speak><voice name='x'>One & two", "&lt;]]>{{%s}}$1\\n"):
        take = await _survives(model, text)
        if take is not None and take.done is not None and take.done.finish == "stop":
            require(take.seconds <= _BREAK_S, f"short markup made {take.seconds:.0f} s of audio")
    await _still_speaks(model)


@check
async def commands_are_mere_text(stage: Stage) -> None:
    """What looks like an option or a shell command is not run."""
    model = await stage.model()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "ran"
        for text in (f"$(touch {trace})", f"; touch {trace} #", f"`touch {trace}`", "--version", "-f /etc/hostname"):
            await _survives(model, text)
        require(not trace.exists(), "a command in the text was run")


@check
async def marked_words(stage: Stage) -> None:
    """A word that is marked with its sounds is said with them, and sounds that mean nothing do no harm."""
    applies(stage.describe().ipa, "the model takes no sounds")
    model = await stage.model()
    text, start = "Say one word.", len("Say ")
    takes = []
    for sounds in _SOUNDS:
        outcome = await model.speaks_or_refuses(text, marks=(Mark(start, start + len("one"), "ipa", sounds),))
        takes += [outcome] if isinstance(outcome, Take) else []
    require(bool(takes), "the sounds of the IPA are refused")
    if model.info.determinism == "exact" and audible(takes[0]):
        plain = await model.speak(text)
        require(not np.array_equal(plain.pcm(), takes[0].pcm()), "with or without its sounds a word is said the same")
    await _still_speaks(model)


async def _survives(model: Model, text: str) -> Take | None:
    outcome = await _named(model, text)
    return outcome if isinstance(outcome, Take) else None


async def _says_nothing(model: Model, text: str) -> None:
    take = await _survives(model, text)
    if take is not None:
        require(take.seconds <= _NOTHING_S, f"{text!r} made {take.seconds:.1f} s of audio")


async def _named(model: Model, text: str) -> object:
    try:
        return await model.speaks_or_refuses(text)
    except Failure as failure:
        raise Failure(f"{text[:40]!a}: {failure}") from failure


async def _still_speaks(model: Model) -> None:
    require((await model.speak()).samples > 0, "afterwards a plain sentence has no audio")


async def _begins_once_it_fits(model: Model, text: str) -> None:
    """Cut a text as the model says until it speaks; only its first audio is heard."""
    for _ in range(_ROUNDS):
        take = Take(model.info.sample_rate)
        try:
            take = await model.begins(model.utterance(text), take)
        except TextTooLong as refusal:
            require(not take.events, "TextTooLong came after the first event")
            fits = refusal.fits_chars
            require(1 <= fits < len(text), f"of {len(text)} characters fits_chars is {fits}")
            text = text[:fits]
        else:
            require(bool(take.events), "a text that fits gave no event")
            return
    raise Failure(f"cut {_ROUNDS} times as fits_chars said, the text was still too long")
