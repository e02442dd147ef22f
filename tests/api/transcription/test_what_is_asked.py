"""Parameters: bad values are named, what has no effect is named too, and nothing of it costs a decoder's time."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.api.transcription.conftest import Post
from tests.support.gateway import Gateway
from tests.support.uploads import PATH, sound

TRANSLATIONS = "/v1/audio/translations"
BAD = b"bad file"
"""No decoder takes this; it is refused for its parameters before one has seen it."""


def refused(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


def short(value: object) -> str:
    return str(value)[:60]


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"response_format": "xml"}, "response_format", "json, text, srt, verbose_json, vtt, diarized_json"),
        ({"temperature": "1.1"}, "temperature", "from 0 to 1"),
        ({"temperature": "-0.1"}, "temperature", "from 0 to 1"),
        ({"temperature": "nan"}, "temperature", "from 0 to 1"),
        ({"temperature": "warm"}, "temperature", "from 0 to 1"),
        ({"language": "english please"}, "language", "such as en or pt-BR"),
        ({"language": "x"}, "language", "such as en or pt-BR"),
        ({"languages[]": ["en", "e n"]}, "languages", "such as en or pt-BR"),
        ({"languages[]": ["en"] * 101}, "languages", "at most 100"),
        ({"stream": "maybe"}, "stream", "true or false"),
        ({"strict_parameters": "maybe"}, "strict_parameters", "true or false"),
        ({"timestamp_granularities[]": "sentence"}, "timestamp_granularities", "segment, word"),
        ({"timestamp_granularities": "word,segment"}, "timestamp_granularities", "segment, word"),
        ({"include[]": "usage"}, "include", "logprobs"),
        ({"chunking_strategy": "vad"}, "chunking_strategy", "auto, or an object"),
        ({"chunking_strategy": '{"type": "semantic_vad"}'}, "chunking_strategy", "auto, or an object"),
        ({"chunking_strategy": "{broken"}, "chunking_strategy", "auto, or an object"),
        ({"chunking_strategy": "[1]"}, "chunking_strategy", "auto, or an object"),
        ({"chunking_strategy[threshold]": "0.5"}, "chunking_strategy", "auto, or an object"),
        (
            {"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "2"},
            "chunking_strategy[threshold]",
            "from 0 to 1",
        ),
        (
            {"chunking_strategy": '{"type": "server_vad", "silence_duration_ms": -1}'},
            "chunking_strategy[silence_duration_ms]",
            "from 0 to 60000",
        ),
        ({"known_speaker_names[]": list("abcde")}, "known_speaker_names", "at most 4"),
        ({"known_speaker_names[]": ["anna"]}, "known_speaker_references", "needs its recording"),
        ({"known_speaker_references[]": ["data:audio/wav;base64,AAAA"]}, "known_speaker_references", "needs its"),
        (
            {"known_speaker_names[]": "a", "known_speaker_references[]": "https://example.org/a.wav"},
            "known_speaker_references",
            "must be data URLs",
        ),
        (
            {"known_speaker_names[]": "a", "known_speaker_references[]": "data:audio/wav;base64,?"},
            "known_speaker_references",
            "must be base64",
        ),
        ({"keywords[]": ["k"] * 1001}, "keywords", "at most 1000"),
        ({"segment_s": "0"}, "segment_s", "from 0.01 to 3600"),
        ({"echo": "maybe"}, "echo", "true or false"),
        ({"model": "tone"}, "model", "does not transcribe, it is for speech"),
        ({"response_format": "diarized_json"}, "response_format", "No diarizer is configured"),
    ],
    ids=short,
)
def test_a_bad_value_is_named_before_anything_is_decoded(
    post: Post, fields: dict[str, Any], param: str, said: str
) -> None:
    error = refused(post(BAD, **fields))
    assert error["param"] == param
    assert said in error["message"]


@pytest.mark.parametrize("fields", [{"prompt": "x" * 100_001}, {"keywords": ["x" * 50_000, "y" * 50_001]}], ids=short)
def test_too_much_text(client: httpx.Client, fields: dict[str, Any]) -> None:
    error = refused(client.post(PATH, json={"model": "ears", "input_audio": {"data": "AAAA"}, **fields}))
    assert (error["param"], error["code"]) == (next(iter(fields)), "string_above_max_length")
    assert "has 100001 characters, at most 100000" in error["message"]


@pytest.mark.parametrize("model", ["nix", "Whisper-1", "../ears", "x" * 5000])
def test_an_unknown_model(post: Post, model: str) -> None:
    error = refused(post(BAD, model=model), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize("strict", ["true", "false"])
def test_a_language_that_the_model_lacks_is_never_ignored(post: Post, strict: str) -> None:
    for fields, param in (({"language": "fr"}, "language"), ({"languages[]": ["en", "tlh"]}, "languages")):
        error = refused(post(BAD, model="many", strict_parameters=strict, **fields))
        assert (error["param"], error["code"]) == (param, "unsupported_language")
        assert error["message"].endswith("model 'many' hears; it hears: de, en, pt-BR, zh, jw")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de_CH", "de"),
        ("German", "de"),
        ("pt", "pt-BR"),
        ("Portuguese", "pt-BR"),
        ("jv", "jw"),
        ("auto", "en"),
    ],
)
def test_languages_as_clients_write_them(post: Post, asked: str, told: str) -> None:
    assert post(model="many", language=asked).json()["languages"] == [{"code": told}]


DATA_URL = "data:audio/wav;base64," + b64encode(sound(0.1)).decode()


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities"),
        ({"timestamp_granularities[]": "segment", "response_format": "srt"}, "timestamp_granularities"),
        ({"timestamp_granularities": ["word"], "response_format": "verbose_json"}, ""),
        ({"include[]": "logprobs"}, ""),
        ({"include[]": "logprobs", "response_format": "text"}, "include"),
        ({"include[]": "logprobs", "response_format": "verbose_json"}, "include"),
        (
            {"known_speaker_names[]": "a", "known_speaker_references[]": DATA_URL},
            "known_speaker_names, known_speaker_references",
        ),
        ({"chunking_strategy": "auto"}, "chunking_strategy"),
        ({"chunking_strategy": '{"type": "server_vad", "color": 1}'}, "chunking_strategy.color, chunking_strategy"),
        ({"vad_filter": "false", "hotwords": "a"}, "vad_filter, hotwords"),
        ({"model": "simple", "prompt": "a", "keywords[]": "b", "temperature": "0.5"}, "prompt, keywords, temperature"),
        ({"model": "simple", "include[]": "logprobs", "temperature": "0"}, "include"),
        (
            {
                "model": "simple",
                "timestamp_granularities[]": ["word", "segment"],
                "response_format": "verbose_json",
            },
            "timestamp_granularities",
        ),
        ({"stream": "true", "response_format": "text"}, ""),
        ({"stream": "true", "response_format": "srt"}, "response_format"),
        (
            {"stream": "true", "response_format": "verbose_json", "timestamp_granularities[]": "word"},
            "response_format, timestamp_granularities",
        ),
        ({"stream": "true", "include[]": "logprobs"}, ""),
        ({"stream": "false", "language": "en", "prompt": "a", "temperature": "0.5"}, ""),
    ],
    ids=short,
)
def test_what_has_no_effect_is_named_and_a_strict_request_refuses_it(
    post: Post, fields: dict[str, Any], ignored: str
) -> None:
    response = post(**fields)
    assert response.status_code == 200, response.text
    assert response.headers.get("x-voicegw-ignored", "") == ignored
    strict = post(**fields, strict_parameters="true")
    if not ignored:
        assert strict.status_code == 200
    else:
        error = refused(strict)
        assert (error["param"], error["code"]) == (ignored.partition(", ")[0], "unknown_parameter")


def test_strict_by_the_header(client: httpx.Client) -> None:
    for value, status in (("1", 400), ("true", 400), ("0", 200)):
        files, data = {"file": sound(0.1)}, {"model": "ears", "nix": "1"}
        response = client.post(PATH, data=data, files=files, headers={"x-voicegw-strict": value})
        assert response.status_code == status


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"response_format": "diarized_json"}, "response_format"), ({"model": "simple"}, "model"), ({}, None)],
)
def test_translations_have_what_translations_have(post: Post, fields: dict[str, Any], param: str | None) -> None:
    response = post(BAD, TRANSLATIONS, **fields)
    assert refused(response)["param"] == (param or "file")
    if param == "model":
        assert "does not translate" in response.json()["error"]["message"]
    if param == "response_format":
        assert response.json()["error"]["message"].endswith("one of: json, text, srt, verbose_json, vtt.")


def test_nothing_was_asked_of_the_decoder_for_any_of_this(gateway: Gateway, post: Post) -> None:
    workers = gateway.app.state.decoder.pool.workers

    def asked() -> int:
        return sum(worker.link.opened for worker in workers)

    before = asked()
    for fields in (
        {"temperature": "2"},
        {"language": "tlh"},
        {"model": "nix"},
        {"strict_parameters": "true", "x": "1"},
    ):
        assert post(**fields).status_code in (400, 404)
    assert asked() == before
    assert post().status_code == 200
    assert asked() == before + 1
