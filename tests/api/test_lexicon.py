"""The lexicon in a running gateway: what is spoken, what the caller is told of it, and a file that is changed."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.environments import ROOT
from tests.support.gateway import Gateway, serving, speech_body, wait_until
from tests.support.server import running_server
from voicegw.app import create_app
from voicegw.settings import Model, Settings
from voicegw.settings_load import SettingsError
from voicegw.text.lexicon import Lexicon

PATH = "/v1/audio/speech"
WORD = 12_000
"""Samples that tone gives every word."""

WORDS = """
en:
  nginx: engine x
  as soon as possible: quickly
  tomato: {ipa: T}
  Dr.: doctor (of letters)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "words.yaml"
    path.write_text(WORDS, "utf-8")
    return path


@pytest.fixture
def gateway(file: Path) -> Iterator[Gateway]:
    settings = Settings(models=(Model(id="tone", backend="tone"), Model(id="espeak", backend="espeak")), lexicon=file)
    with serving(create_app(settings)) as running:
        yield running


def timed(client: httpx.Client, text: str, **more: object) -> tuple[list[str], list[str], float]:
    """Give the words that are told, who tells, and how long the speech lasts."""
    asked = speech_body(input=text, stream_format="sse", timestamp_granularities=["word"], **more)
    lines = client.post(PATH, json=asked).text.split("\n")
    told: list[dict[str, Any]] = [json.loads(line[6:]) for line in lines if line]
    words = [word for event in told for word in event.get("words", ())]
    assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(words))
    seconds = told[-1]["usage"]["output_tokens"] / 20
    return [word["word"] for word in words], sorted({word["source"] for word in words}), seconds


def test_words_are_told_as_the_caller_wrote_them(gateway: Gateway) -> None:
    """Whatever is said for it: a word or a phrase is told once, from the first sound of it to the last."""
    with gateway.client() as client:
        words, source, seconds = timed(client, "Start **nginx** as soon  as possible, NGINX!")
        assert (words, source) == (["Start", "nginx", "as soon  as possible", "NGINX"], ["model"])
        assert seconds == 6 * WORD / 24_000
        words, _, _ = timed(client, "Dr. Who, dr.")
        assert words == ["Dr.", "Who", "dr."]
        by_espeak, _, _ = timed(client, "Start nginx as soon as possible.", model="espeak", voice="en-us")
        assert by_espeak == ["Start", "nginx", "as soon as possible"]


def test_what_has_no_effect_on_the_model_is_told(gateway: Gateway) -> None:
    with gateway.client() as client:
        for model in ("tone", "espeak"):
            answer = client.post(PATH, json=speech_body(model=model, input="One tomato."))
            assert answer.headers["x-voicegw-warning"] == f"pronunciations in IPA have no effect on {model}"
            assert "x-voicegw-warning" not in client.post(PATH, json=speech_body(model=model, input="One.")).headers


def test_a_change_holds_without_a_restart(gateway: Gateway, file: Path) -> None:
    def samples(text: str) -> int:
        return len(client.post(PATH, json=speech_body(input=text)).content) // 2

    with gateway.client() as client:
        assert samples("nginx") == 2 * WORD
        file.write_text("en: {nginx: one two three}", "utf-8")
        wait_until(lambda: samples("nginx") == 3 * WORD, "the new lexicon")
        file.write_text("en: {nginx: ", "utf-8")
        os.utime(file, (1, 1))
        assert samples("nginx") == 3 * WORD
        file.write_text("en: {nginx: one}", "utf-8")
        wait_until(lambda: samples("nginx") == WORD, "the mended lexicon")


def test_a_bad_lexicon_stops_the_start(file: Path) -> None:
    file.write_text("en: {nginx: {sya: x}}", "utf-8")
    with pytest.raises(SettingsError) as refused:
        create_app(Settings(models=(Model(id="tone", backend="tone"),), lexicon=file))
    assert refused.value.problems == (
        f"lexicon: The lexicon {file} cannot be used: the entry 'en: nginx' has unknown keys: sya.",
    )


def test_a_server_that_was_told_of_one_uses_it(tmp_path: Path, file: Path) -> None:
    config = f"models: [{{id: tone, backend: tone}}]\nlexicon: {file}\n"
    with running_server(tmp_path, config=config) as server:
        answer = httpx.post(f"{server.url}{PATH}", json=speech_body(input="nginx"), trust_env=False)
    assert len(answer.content) == 2 * 2 * WORD


def test_the_example_is_valid() -> None:
    lexicon = Lexicon.load(ROOT / "config" / "lexicon.yaml")
    said = {match.entry.word: match.entry.say for match in lexicon.find("us US nginx SQL  Server", language="en-gb")}
    assert said == {"US": "U S", "nginx": "engine x", "SQL Server": "sequel server"}
    assert [match.entry.say for match in lexicon.find("Loch", language="en", voice="en-gb-scotland")] == ["lokh"]
    assert [match.entry.say for match in lexicon.find("voicegw")] == ["voice gateway"]
