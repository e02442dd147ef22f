"""Marks of emphasis, and the asterisks, underscores and tildes that are none."""

from __future__ import annotations

import re
import unicodedata

from voicegw.text.spans import Edit

UNSPACED_FROM = "\u2e80"
"""First character of the East Asian blocks, which are written without spaces."""

_SPACE = re.compile(r"\s")
_HEARD = re.compile(r"(?:[^\W_]|[^\x00-\x7f])++")
_ENDS = ".,:;!?\u2026"
_FACES = "^<>-=;*~"
_PAIR = 2
_KINDS = 3
"""Runs of one mark pair with those of one, runs of two with those of two, longer ones with all."""


class Emphasis:
    """Pairs the marks of emphasis of one paragraph, ``start`` to ``stop`` of a text; linear in their number.

    The rules are CommonMark's flanking rules, with these differences: next to East Asian letters a mark needs no
    space; inside of a word only a pair of asterisks counts, and only together with one in the same word and not
    between digits (``un**believ**able``, but ``5*x*y``, ``2**3``, ``f**k``); a single mark never closes a double one;
    asterisks close behind a mark of punctuation though no space follows (``**Note:**text``); there must be something to
    hear in between (not in ``*_*``).
    """

    def __init__(self, text: str, start: int, stop: int) -> None:
        self.edits: list[Edit] = []
        self._text = text
        self._start = start
        self._stop = stop
        self._read = start
        self._word = self._heard = start
        self._waiting: dict[str, tuple[list[_Run], ...]] = {mark: ([], [], []) for mark in "*_~"}

    def add(self, start: int, end: int) -> None:
        """Take the next run of marks, as long as it is."""
        before = self._text[start - 1] if start > self._start else " "
        after = self._text[end] if end < self._stop else " "
        mark = self._text[start]
        within = _of_word(before) and _of_word(after)
        if _none(mark, end - start, before, after) or (within and not _counts_within(mark, end - start, before, after)):
            return
        opens, closes = _flanks(mark, before, after)
        run = _Run(start, end, within)
        if closes:
            self._pair(mark, run)
        if opens and run.end > run.start:
            self._waiting[mark][_kind(run)].append(run)

    def _pair(self, mark: str, run: _Run) -> None:
        """Pair a run that closes with those that wait, the last ones first, until it is used up."""
        waiting = self._waiting[mark]
        self._look(run.start)
        while run.end > run.start and (opener := self._opener(waiting, run)):
            size = min(opener.end - opener.start, run.end - run.start)
            self.edits += (Edit(opener.end - size, opener.end), Edit(run.start, run.start + size))
            opener.end -= size
            run.start += size
            if opener.end > opener.start:
                waiting[_kind(opener)].append(opener)

    def _opener(self, waiting: tuple[list[_Run], ...], run: _Run) -> _Run | None:
        """Take out the last run that waits for this one; those behind it can pair no more."""
        kinds = waiting if _kind(run) == _KINDS - 1 else (waiting[_kind(run)], waiting[-1])
        for runs in kinds:
            self._forget(runs)
        opener = max((runs[-1] for runs in kinds if runs), key=_begin, default=None)
        first = self._word if run.within else self._start
        if opener is None or opener.start < first or opener.end >= self._heard:
            return None
        _drop_from(opener.start, waiting)
        return opener

    def _forget(self, runs: list[_Run]) -> None:
        """Let go of runs inside of words that have ended since."""
        while runs and runs[-1].within and runs[-1].start < self._word:
            runs.pop()

    def _look(self, at: int) -> None:
        """Find where the word around ``at`` begins and where something was heard last; no character is read twice."""
        for space in _SPACE.finditer(self._text, self._read, at):
            self._word = space.end()
        for heard in _HEARD.finditer(self._text, self._read, at):
            self._heard = heard.end()
        self._read = at


class _Run:
    """What is left of a run of marks, and whether it stands inside of a word."""

    __slots__ = ("end", "start", "within")

    def __init__(self, start: int, end: int, within: bool) -> None:
        self.start = start
        self.end = end
        self.within = within


def _drop_from(start: int, waiting: tuple[list[_Run], ...]) -> None:
    for runs in waiting:
        while runs and runs[-1].start >= start:
            runs.pop()


def _begin(run: _Run) -> int:
    return run.start


def _kind(run: _Run) -> int:
    return min(run.end - run.start, _KINDS) - 1


def _of_word(letter: str) -> bool:
    return letter.isalnum() and letter < UNSPACED_FROM


def _none(mark: str, size: int, before: str, after: str) -> bool:
    """Tell a single or long tilde, and what stands between brackets or in faces: ``(a)*(b)*(c)``, ``^_^``."""
    if mark == "~":
        return size != _PAIR
    return (before in ")]}" and after in "([{") or (size == 1 and before in _FACES and after in _FACES)


def _counts_within(mark: str, size: int, before: str, after: str) -> bool:
    if mark == "~":
        return True
    return mark == "*" and size == _PAIR and not (before.isdigit() and after.isdigit())


def _flanks(mark: str, before: str, after: str) -> tuple[bool, bool]:
    """Tell whether marks between two characters can open and can close emphasis."""
    loose_before, loose_after = _loose(before), _loose(after)
    opens = not after.isspace() and (not _punctuation(after) or loose_before)
    closes = not before.isspace() and (not _punctuation(before) or loose_after)
    return opens, closes or (mark == "*" and before in _ENDS)


def _loose(letter: str) -> bool:
    """Tell what a mark may stand next to without being part of a word."""
    return letter.isspace() or letter >= UNSPACED_FROM or _punctuation(letter)


def _punctuation(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "PS"
