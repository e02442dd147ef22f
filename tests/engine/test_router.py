"""From names to pools."""

from __future__ import annotations

import pytest

from voicegw.engine.pool import ModelPool
from voicegw.engine.router import Router
from voicegw.engine.spec import EngineLimits, ModelSpec
from voicegw.errors import NotFound


def router() -> Router:
    pools = {name: ModelPool(ModelSpec(name, name), EngineLimits()) for name in ("tone", "espeak")}
    aliases = {"tts-1": "espeak", "tts-2": "xtts", "loop": "loop"}
    return Router(pools, aliases, {"xtts": "coqui"}, {"whisper-1": "configure one"})


def test_an_id_and_an_alias_give_the_pool() -> None:
    names = router()
    assert names.resolve("tone").model_id == "tone"
    assert names.resolve("tts-1") is names.pools["espeak"]


def test_the_unknown_is_not_found_and_what_exists_is_named() -> None:
    with pytest.raises(NotFound, match=r"'nope'.*tone, espeak, tts-1") as caught:
        router().resolve("nope")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


@pytest.mark.parametrize("name", ["xtts", "tts-2"])
def test_a_missing_backend_is_named_with_how_to_install_it(name: str) -> None:
    with pytest.raises(NotFound, match=r"make install BACKENDS=coqui, or pip install voicegw-coqui"):
        router().resolve(name)


def test_a_name_that_clients_know_says_what_to_configure() -> None:
    with pytest.raises(NotFound, match=r"'whisper-1' does not exist here; configure one$") as caught:
        router().resolve("whisper-1")
    assert caught.value.code == "model_not_found"


def test_a_name_without_end_is_not_repeated_without_end() -> None:
    with pytest.raises(NotFound) as caught:
        router().resolve("x" * 100_000)
    assert len(str(caught.value)) < 500
    with pytest.raises(NotFound):
        Router({}, {}).resolve("loop")
