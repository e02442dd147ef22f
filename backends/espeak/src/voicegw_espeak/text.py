"""Making any string safe to speak without moving a character."""

from __future__ import annotations

import re

# espeak-ng reads control characters as commands (0x01 starts one that sets rate or voice), ends the text at NUL, and
# UTF-8 has no lone surrogates. U+0530 and U+0557, which no script uses, are its own marks of emphasis and of a break:
# met in a text, the first makes it crash. Line feed and tab are left: a blank line is a pause.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u0530\u0557\ud800-\udfff]")


_DOTTED = re.compile(r"(?:[^\s.]\.){20}")
"""As much of an abbreviation as anybody means: espeak-ng gathers "a.b.c." into one word, and at 100 letters or so it
writes past the end of it."""


def speakable(text: str) -> str:
    """Replace what cannot be given to espeak-ng by spaces, one for one: every other character keeps its place."""
    return _DOTTED.sub(lambda found: f"{found[0][:-1]} ", _UNSPEAKABLE.sub(" ", text))


_SENTENCE_END = re.compile(r"""[.!?\u2026\u3002\uff01\uff1f\u061f\u0964][\s"'\u201d\u2019\u00bb)\]]*\Z""")


def ends_sentence(text: str) -> bool:
    """Tell whether a text ends where a sentence does, closing quotes and brackets aside."""
    return _SENTENCE_END.search(text[-_TAIL:]) is not None


_TAIL = 16
"""Characters of the end that are looked at, so that a long run of quotes costs nothing."""
