"""Stand-ins."""

from __future__ import annotations

from collections.abc import Sequence


def split(text: str, most: int) -> Sequence[str]:
    out, line = [], ""
    for word in text.split():
        while len(word) > most:
            if line:
                out.append(line)
                line = ""
            out.append(word[:most])
            word = word[most:]
        if line and len(line) + 1 + len(word) > most:
            out.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*out, line] if line else out
