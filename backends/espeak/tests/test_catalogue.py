"""The voices read from files are those of the library, and the right one speaks."""

from __future__ import annotations

import pytest

from voicegw_espeak import EspeakBackend, catalogue, library

VOICES = catalogue.read(library.data_path())
UNREADABLE = {"gmq/fo", "trk/kaa", "art/xex"}
"""Listed by the library, which then says "Can't read dictionary file": the wheel was built without theirs."""


@pytest.mark.usefixtures("espeak")
def test_language_voices_agree_with_the_library() -> None:
    listed = {(voice.file, voice.name.strip()): {tag.lower() for tag in voice.tags} for voice in library.list_voices()}
    known = {(voice.file, voice.name): {tag for tag, _ in voice.tags} for voice in VOICES.languages.values()}
    assert len(known) > 130
    assert known == {key: tags for key, tags in listed.items() if key[0] not in UNREADABLE}


@pytest.mark.usefixtures("espeak")
def test_variants_agree_with_the_library() -> None:
    listed = {(voice.file, voice.name) for voice in library.list_voices("variant")}
    known = {(f"!v/{variant.file}", variant.name) for variant in VOICES.variants.values()}
    assert len(known) > 100
    assert known == listed


def test_priorities_and_gender_are_read() -> None:
    assert VOICES.languages["en-us"].tags == (("en-us", 2), ("en", 3))
    assert VOICES.variants["f3"].gender == "female"
    assert VOICES.variants["m3"].gender == "male"
    assert VOICES.variants["mr-serious"].file == "Mr serious"


def test_the_manifest_lists_the_default_voice_then_languages_then_speakers() -> None:
    info = EspeakBackend.describe({})
    ids = [voice.id for voice in info.voices]
    assert ids[0] == "en-us"
    assert len(ids) == len({each.lower() for each in ids})
    assert {"es", "es-419", "pt-br", "de", "cmn", "yue", "yue-latn-jyutping"} < set(ids)
    speakers = [voice.id for voice in info.voices if not voice.languages]
    assert speakers[:13] == ["f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"]
    assert ids[-len(speakers) :] == speakers
    assert {"zh", "no", "pt", "es-419"} < set(info.languages)
    assert len(info.languages) == len(set(info.languages))


def test_who_speaks_a_bare_language_stands_before_its_regions() -> None:
    ids = [voice.id for voice in EspeakBackend.describe({}).voices]
    assert ids.index("fr-fr") < ids.index("fr-be")
    assert ids.index("cmn") < ids.index("cmn-latn-pinyin")


def test_another_default_voice_comes_first() -> None:
    assert EspeakBackend.describe({"voice": "ES-419"}).voices[0].id == "es-419"
    assert EspeakBackend.describe({"voice": "f3"}).voices[0].id == "f3"


@pytest.mark.parametrize(
    ("voice", "language", "default", "speaks"),
    [
        (None, None, "en-us", "gmw/en-US"),
        (None, "en", "en-us", "gmw/en-US"),  # a bare tag leaves the region to the default voice
        (None, "en-GB", "en-us", "gmw/en"),
        (None, "en-ZA", "en-us", "gmw/en"),  # no such region: who speaks English best
        (None, "es", "en-us", "roa/es"),
        (None, "es_MX", "en-us", "roa/es-419"),
        (None, "pt-BR", "en-us", "roa/pt-BR"),
        (None, "pt", "en-us", "roa/pt"),
        (None, "fr", "en-us", "roa/fr"),
        (None, "zh", "en-us", "sit/cmn"),
        (None, "zh-TW", "en-us", "sit/cmn"),
        (None, "no", "en-us", "gmq/nb"),
        (None, "chr", "en-us", "iro/chr"),
        (None, "tlh", "en-us", "gmw/en-US"),  # nobody speaks it
        (None, None, "es-419", "roa/es-419"),
        (None, "es", "es-419", "roa/es-419"),
        (None, None, "f3", "gmw/en-US+f3"),
        (None, "de", "f3", "gmw/de+f3"),
        ("f3", None, "en-us", "gmw/en-US+f3"),
        ("f3", None, "es", "roa/es+f3"),
        ("f3", "es", "en-us", "roa/es+f3"),
        ("F3", "xx", "en-us", "gmw/en-US+f3"),
        ("Mr-serious", "de", "en-us", "gmw/de+Mr serious"),
        ("es", None, "en-us", "roa/es"),
        ("es", "es-419", "en-us", "roa/es"),  # the same language: the voice asked for
        ("es", "de", "en-us", "gmw/de"),
        ("es", "xx", "en-us", "roa/es"),
        ("cmn", "zh", "en-us", "sit/cmn"),
        ("yue-latn-jyutping", None, "en-us", "sit/yue-Latn-jyutping"),
        ("yue", None, "en-us", "sit/yue"),
    ],
)
def test_the_voice_that_speaks(voice: str | None, language: str | None, default: str, speaks: str) -> None:
    assert VOICES.choose(voice, language, default) == speaks


def test_an_unknown_voice_is_not_chosen() -> None:
    with pytest.raises(KeyError):
        VOICES.choose("alloy", None)
    assert "alloy" not in VOICES
    assert 3 not in VOICES


@pytest.mark.usefixtures("espeak")
def test_the_library_takes_every_voice() -> None:
    for voice in VOICES.languages.values():
        library.set_voice(voice.file)
    for variant in VOICES.variants.values():
        library.set_voice(f"roa/es+{variant.file}")


def test_describe_needs_no_known_device_and_names_what_is_wrong() -> None:
    assert EspeakBackend.describe({"device": "cuda:7", "memory_fraction": 0.1}) == EspeakBackend.describe({})
    with pytest.raises(ValueError, match="'speeed'"):
        EspeakBackend.describe({"speeed": 2})
    with pytest.raises(ValueError, match="'alloy'"):
        EspeakBackend({"voice": "alloy"})


def test_the_manifest_says_what_the_library_can() -> None:
    info = EspeakBackend.describe({})
    assert (info.kind, info.sample_rate, info.determinism, info.licence) == (
        "speech",
        22050,
        "none",
        "GPL-3.0-or-later",
    )
    assert info.speed == (80 / 175, 450 / 175)
    assert info.revision == f"espeak-ng {library.version()}"
    assert (info.words, info.streaming, info.clones, info.limits.slots) == (True, True, False, 1)
    ranges = {each.name: (each.minimum, each.default, each.maximum) for each in info.parameters}
    assert ranges == {
        "speed": (80 / 175, 1.0, 450 / 175),
        "pitch": (0, 50, 99),
        "volume": (0, 100, 200),
        "word_gap": (0, 0, 100),
    }
