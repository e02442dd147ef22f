"""Which voice, language and speed a request gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.pools import INFO
from voicegw.backend.manifest import ModelInfo, VoiceInfo
from voicegw.errors import InvalidRequest
from voicegw.services.casting import OPENAI_VOICES, Cast, VoiceAliases, cast, closest, speakers


def casting(
    info: ModelInfo = INFO,
    *,
    voice: str | None = None,
    language: str | None = None,
    speed: float = 1.0,
    default_language: str = "en",
    aliases: VoiceAliases | None = None,
) -> Cast:
    return cast(
        "m",
        info,
        voice=voice,
        language=language,
        speed=speed,
        default_language=default_language,
        aliases=aliases or {},
    )


@pytest.mark.parametrize(
    ("language", "tags", "found"),
    [
        ("en", ("de", "en"), "en"),
        ("EN", ("de", "en"), "en"),
        ("pt_br", ("pt", "pt-BR"), "pt-BR"),
        ("en", ("de", "en-US", "en-GB"), "en-US"),
        ("en-AU", ("de", "en-US"), "en-US"),
        ("en-AU", ("en-US", "en"), "en-US"),
        ("es", ("est", "de"), None),
        ("es", (), None),
    ],
)
def test_closest_tag(language: str, tags: tuple[str, ...], found: str | None) -> None:
    assert closest(language, tags) == found


def test_voices_of_a_language_come_with_the_exact_tag_only_where_there_is_one() -> None:
    us, gb, en = (VoiceInfo(tag, tag, (tag,)) for tag in ("en-US", "en-GB", "en"))
    assert speakers(replace(INFO, voices=(us, gb)), "en") == (us, gb)
    assert speakers(replace(INFO, voices=(us, gb, en)), "en") == (en,)
    assert speakers(replace(INFO, voices=(us, gb)), "fr") == (us, gb)
    assert speakers(INFO, None) == INFO.voices


def test_a_voice_without_languages_speaks_all() -> None:
    anybody = VoiceInfo("any", "Any")
    assert speakers(replace(INFO, voices=(*INFO.voices, anybody)), "fr") == (anybody,)


def test_no_voice_means_the_first_that_speaks_the_language() -> None:
    assert casting().voice == "anna"
    assert casting(language="de").voice == "bert"
    assert casting(default_language="de").voice == "bert"
    assert casting(replace(INFO, voices=())).voice is None


def test_the_language_is_the_requests_else_the_voices_else_the_default() -> None:
    assert casting(voice="bert", language="en").language == "en"
    assert casting(voice="bert").language == "de"
    assert casting(replace(INFO, voices=())).language == "en"
    assert casting(replace(INFO, voices=(VoiceInfo("any", "Any"),)), default_language="de").language == "de"
    assert casting(replace(INFO, voices=()), default_language="fr").language is None
    assert casting(replace(INFO, languages=()), voice="bert").language == "de"


def test_a_language_that_the_model_lacks_is_spoken_and_named() -> None:
    found = casting(language="fr")
    assert (found.voice, found.language) == ("anna", "en")
    assert found.warnings == ("language fr is not one of m, spoken all the same",)


def test_a_model_that_names_no_languages_takes_any() -> None:
    found = casting(replace(INFO, languages=()), language="fr")
    assert found.language == "fr"
    assert found.warnings == ()


def test_openai_voices_are_spread_over_the_voices_of_the_language() -> None:
    english = [casting(voice=name).voice for name in OPENAI_VOICES]
    assert english == (["anna", "cleo"] * 7)[:13]
    assert {casting(voice=name, language="de").voice for name in OPENAI_VOICES} == {"bert"}
    assert casting(replace(INFO, voices=()), voice="alloy").voice is None


def test_a_real_voice_wins_over_an_alias() -> None:
    info = replace(INFO, voices=(VoiceInfo("x", "X"), VoiceInfo("alloy", "Alloy")))
    assert casting(info, voice="alloy", aliases={"m": {"*": {"alloy": "x"}}}).voice == "alloy"


def test_configured_aliases_go_by_language_then_by_star() -> None:
    aliases = {"m": {"de": {"alloy": "bert"}, "*": {"alloy": "cleo", "mum": "anna", "gone": "nobody"}}}
    assert casting(voice="alloy", aliases=aliases).voice == "cleo"
    assert casting(voice="alloy", language="de-AT", aliases=aliases).voice == "bert"
    assert casting(voice="mum", language="de", aliases=aliases).voice == "anna"
    assert casting(voice="alloy", aliases={"other": aliases["m"]}).voice == "anna"
    assert casting(voice="mum", language="de", aliases=aliases).warnings == ()


def test_an_alias_of_a_voice_that_the_model_lacks_is_passed_over_and_named() -> None:
    aliases = {"m": {"*": {"gone": "nobody", "ash": "nobody"}}}
    for name, used in (("gone", "anna"), ("ash", "cleo")):
        found = casting(voice=name, aliases=aliases)
        assert (found.voice, found.warnings) == (used, (f"voice {name} means nobody, which m lacks; {used} used",))
    alone = casting(replace(INFO, voices=()), voice="gone", aliases=aliases)
    assert (alone.voice, alone.warnings) == (None, ("voice gone means nobody, which m lacks; its only voice used",))


def test_a_voice_by_the_name_that_people_are_shown() -> None:
    info = replace(INFO, voices=(VoiceInfo("a", "b"), VoiceInfo("b", "Same"), VoiceInfo("c", "Same")))
    assert [casting(info, voice=name).voice for name in ("a", "b", "Same", "c")] == ["a", "b", "b", "c"]
    assert casting(info, voice="Same", aliases={"m": {"*": {"Same": "c"}}}).voice == "b"


def test_an_unknown_voice_is_refused_with_a_list() -> None:
    with pytest.raises(InvalidRequest, match="anna, bert, cleo") as caught:
        casting(voice="x" * 1000)
    assert (caught.value.param, caught.value.code) == ("voice", "voice_not_found")
    assert len(caught.value.message) < 300
    many = replace(INFO, voices=tuple(VoiceInfo(f"v{n}", "") for n in range(100)))
    with pytest.raises(InvalidRequest, match="v19 and 80 more"):
        casting(many, voice="x")
    with pytest.raises(InvalidRequest, match="no voices to choose from"):
        casting(replace(INFO, voices=()), voice="x")


@pytest.mark.parametrize(
    ("native", "asked", "given", "stretch"),
    [
        ((0.5, 2.0), 1.0, None, 1.0),
        ((0.5, 2.0), 1.5, 1.5, 1.0),
        ((0.5, 2.0), 4.0, 2.0, 2.0),
        ((0.5, 2.0), 0.25, 0.5, 0.5),
        ((0.5, 1.0), 1.5, None, 1.5),
        (None, 1.0, None, 1.0),
        (None, 1.5, None, 1.5),
        (None, 0.25, None, 0.25),
        ((1.5, 2.0), 0.25, None, 0.25),
    ],
)
def test_speed_is_the_models_within_its_range_and_stretching_beyond(
    native: tuple[float, float] | None, asked: float, given: float | None, stretch: float
) -> None:
    found = casting(replace(INFO, speed=native), speed=asked)
    assert (found.speed, found.stretch, found.warnings) == (given, stretch, ())
