"""Emoji: gone with all that belongs to them, while signs of writing stay."""

from __future__ import annotations

import pytest

from voicegw.text.emoji import emoji_edits
from voicegw.text.spans import MappedText


def left(text: str) -> str:
    return MappedText.of(text).edited(emoji_edits(text)).text


@pytest.mark.parametrize(
    "emoji",
    [
        "\U0001f600",
        "\u2764",
        "\u2764\ufe0f",
        "\u2764\ufe0e",
        "\u2705",
        "\U0001f44b\U0001f3fd",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f9d1\U0001f3fd\u200d\u2695\ufe0f",
        "\U0001f647\u200d\u2640\ufe0f",
        "\U0001f1e9\U0001f1ea",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u27a1\ufe0f",
        "\u25b6\ufe0f",
        "#\ufe0f\u20e3",
        "*\u20e3",
        "\U0001faf8",
        "\U0001f3fb",
        "\U0001f389 \U0001f38a\U0001f973",
    ],
)
def test_an_emoji_goes_as_a_whole(emoji: str) -> None:
    assert left(f"one {emoji} two") == "one two"
    assert left(f"one{emoji}two") == "one two"
    assert left(f"{emoji} one{emoji}.") == "one."
    assert left(emoji) == ""


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("press 1\ufe0f\u20e3 or 2\u20e3", "press 1 or 2"),
        ("\u00a9\ufe0f \u2122\ufe0f wow\u203c\ufe0f", "\u00a9 \u2122 wow\u203c"),
        (
            "a \u2192 b, F\u266f, \u2654, \u2713, \u25b6, \u2640, \u2139, #, *, 5",
            "a \u2192 b, F\u266f, \u2654, \u2713, \u25b6, \u2640, \u2139, #, *, 5",
        ),
        ("\u0915\u094d\u200d\u0937 \u0645\u06cc\u200c\u062e", "\u0915\u094d\u200d\u0937 \u0645\u06cc\u200c\u062e"),
        ("Great! \U0001f389\nNext", "Great! \nNext"),
        ("\u4f60\U0001f600\u597d", "\u4f60 \u597d"),
    ],
)
def test_signs_of_writing_stay(text: str, spoken: str) -> None:
    assert left(text) == spoken
