"""Makes of what a caller wrote what a model should speak: the stages of the text, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voicegw.backend.contract import Mark
from voicegw.text.lexicon import Lexicon
from voicegw.text.markdown import unmarked
from voicegw.text.pauses import LONGEST_S, find_pauses
from voicegw.text.spans import Edit, MappedText

Clean = Literal["markdown", "none"]
"""What is taken out of a text before it is spoken."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text for a model.

    Attributes:
        text: What is to be spoken, with the map to what the caller wrote. It can be empty, or without a word, though
            the caller's text was not: a text of emoji, pauses or rules alone.
        marks: Pauses and pronunciations, in order of ``start``, in positions of :attr:`text`. A pause has its seconds
            as ``value`` and ``start == end``; it is heard before the character there, and there is one in a place.
    """

    text: MappedText
    marks: tuple[Mark, ...] = ()


def prepare(
    text: str,
    *,
    clean: Clean = "markdown",
    lexicon: Lexicon | None = None,
    language: str | None = None,
    voice: str | None = None,
) -> Prepared:
    """Take the marks out of a text and put the lexicon's words in; linear in its length.

    Pauses are found first, so that they hold in code and next to marks as well; then Markdown is taken out, as
    :func:`voicegw.text.markdown.unmarked` tells, unless ``clean`` is ``none``; then the words of the lexicon that
    hold for ``language`` (BCP 47) and ``voice`` are replaced, or marked where they are given in IPA.
    """
    source = MappedText.of(text)
    edits, pauses = find_pauses(text)
    spoken = source.edited(edits) if edits else source
    if clean == "markdown":
        spoken = unmarked(spoken)
    spoken, marks = _pronounced(spoken, lexicon, language, voice) if lexicon else (spoken, [])
    waits: dict[int, float] = {}
    for pause in pauses:
        at = spoken.from_source(pause.at)
        waits[at] = min(waits.get(at, 0.0) + pause.seconds, LONGEST_S)
    marks += (Mark(at, at, "pause", f"{seconds:g}") for at, seconds in waits.items())
    return Prepared(spoken, tuple(sorted(marks, key=lambda mark: (mark.start, mark.end))))


def _pronounced(
    spoken: MappedText, lexicon: Lexicon, language: str | None, voice: str | None
) -> tuple[MappedText, list[Mark]]:
    """Replace what the lexicon respells, and mark what it gives in IPA."""
    edits: list[Edit] = []
    marks: list[Mark] = []
    shift = 0
    for match in lexicon.find(spoken.text, language=language, voice=voice):
        said = match.entry.say
        if said is None:
            marks.append(Mark(match.start + shift, match.end + shift, "ipa", match.entry.ipa or ""))
        else:
            edits.append(Edit(match.start, match.end, said))
            shift += len(said) - (match.end - match.start)
    return spoken.edited(edits), marks
