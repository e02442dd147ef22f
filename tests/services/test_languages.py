"""Names of languages."""

from __future__ import annotations

import pytest

from voicegw.services.languages import _CODES, _NAMES, english_name, equals, tag_of


def test_all_languages_of_whisper_have_a_name() -> None:
    assert len(_NAMES) == len(set(_NAMES.values())) == 100
    assert all(name == name.lower() and tag_of(name) == code for code, name in _NAMES.items())
    assert set(_CODES.values()) <= set(_NAMES)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("en", "english"),
        ("EN", "english"),
        ("pt-BR", "portuguese"),
        ("zh_TW", "chinese"),
        ("yue", "cantonese"),
        ("jv", "javanese"),
        ("nb-NO", "norwegian"),
        ("tlh", "tlh"),
    ],
)
def test_names(tag: str, name: str) -> None:
    assert english_name(tag) == name


@pytest.mark.parametrize(
    ("name", "tag"), [("German", "de"), (" haitian creole ", "ht"), ("flemish", "nl"), ("en", None), ("", None)]
)
def test_tags(name: str, tag: str | None) -> None:
    assert tag_of(name) == tag


def test_other_tags_of_the_same_language() -> None:
    assert (equals("jv"), equals("iw"), equals("de")) == ("jw", "he", "de")
