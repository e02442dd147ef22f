"""Transcriptions by OpenAI's client for Node 7.57 and the Vercel AI SDK 7."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node.conftest import ANNA
from tests.node.scripts import Found, run
from tests.support.gateway import Gateway, serving
from tests.support.uploads import ears_installed, heard, listening_models, sound
from voicegw.app import create_app
from voicegw.settings import ApiKey, Defaults, Limits, Server, Settings

AUDIO = sound(2.5)
SAID = heard(AUDIO)
PARTS = [heard(AUDIO, second, second + 1) for second in range(3)]


@pytest.fixture(scope="module")
def listener() -> Iterator[Gateway]:
    """A server that listens; one model gives segments without numbers, one hears nothing."""
    settings = Settings(
        models=listening_models(
            bare={"options": [], "words": False, "plain": True, "tokens": False}, deaf={"deaf": True}
        ),
        defaults=Defaults(speech="ears", clone=None, transcription="ears"),
        limits=Limits(upload_bytes=2**20),
        server=Server(api_keys=(ApiKey(sha256=hashlib.sha256(ANNA.encode()).hexdigest()),)),
    )
    with ears_installed(), serving(create_app(settings)) as running:
        yield running


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    path: Path = tmp_path_factory.mktemp("audio") / "a.wav"
    path.write_bytes(AUDIO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIO", str(path))
        yield


@pytest.fixture(scope="module")
def found(listener: Gateway, audio: None) -> Found:
    del audio
    names = ("files", "forms", "everything", "events", "broken", "translations", "errors", "azure")
    return run("openai_heard", listener.url, *names)


@pytest.fixture(scope="module")
def sdk(listener: Gateway, audio: None) -> Found:
    del audio
    return run("ai_sdk_heard", listener.url, "models", "options", "nothing")


def test_files_in_all_the_ways_that_it_takes_them(found: Found) -> None:
    assert found["files"] == dict.fromkeys(("stream", "modelFirst", "named", "blob", "typed"), SAID)


def test_every_form(found: Found) -> None:
    told = found["forms"]
    assert told["json"]["text"] == told["verbose_json"]["text"] == SAID
    assert told["text"] == f"{SAID}\n"
    assert told["srt"] == f"1\n00:00:00,000 --> 00:00:02,500\n{SAID}\n\n"
    assert told["vtt"] == f"WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n{SAID}\n\n"
    assert (told["verbose_json"]["language"], told["verbose_json"]["duration"]) == ("english", 2.5)
    assert [word["word"] for word in told["words"]["words"]] == SAID.split()
    assert told["words"]["segments"] == told["verbose_json"]["segments"]


def test_everything_that_can_be_asked(found: Found) -> None:
    told = found["everything"]
    assert (told["data"]["text"], told["model"]) == (SAID, "ears")
    assert told["ignored"] == "chunking_strategy, vendor"
    assert [each["token"] for each in told["data"]["logprobs"]] == SAID.split()


def test_events(found: Found) -> None:
    *deltas, done = found["events"]
    assert [event["delta"] for event in deltas] == [PARTS[0], f" {PARTS[1]}", f" {PARTS[2]}"]
    assert (done["type"], done["text"]) == ("transcript.text.done", " ".join(PARTS))


def test_a_stream_that_fails_is_an_error(found: Found) -> None:
    told = found["broken"]
    assert told["found"] == [PARTS[0]]
    assert told["error"]["known"]
    assert "the model failed" in told["error"]["message"]


def test_translations(found: Found) -> None:
    told = found["translations"]
    assert (told["json"]["text"], told["text"]) == (SAID, f"{SAID}\n")
    assert (told["verbose"]["language"], told["verbose"]["duration"]) == ("english", 2.5)


@pytest.mark.parametrize(
    ("case", "kind", "expected"),
    [
        ("temperature", "BadRequestError", (400, "invalid_value", "temperature")),
        ("language", "BadRequestError", (400, "unsupported_language", "language")),
        ("model", "NotFoundError", (404, "model_not_found", "model")),
        ("diarizer", "BadRequestError", (400, "no_diarizer", "response_format")),
        ("rubbish", "BadRequestError", (400, "invalid_file_format", "file")),
        ("large", "APIError", (413, "request_too_large", None)),
        ("server", "InternalServerError", (500, "backend_failed", None)),
    ],
)
def test_errors_are_the_clients_own(found: Found, case: str, kind: str, expected: tuple[int, str, str | None]) -> None:
    told = found["errors"][case]
    assert told["known"]
    assert told["kind"] == kind
    assert (told["status"], told["code"], told["param"]) == expected


def test_azures_client(found: Found) -> None:
    assert found["azure"] == {"heard": SAID, "path": "/openai/deployments/ears/audio/transcriptions"}


def test_the_sdk_hears_every_model(sdk: Found) -> None:
    told = sdk["models"]
    assert {name: each["text"] for name, each in told.items()} == dict.fromkeys(told, SAID)
    assert told["ears"]["modelId"] == "ears"


@pytest.mark.parametrize("model", ["ears", "bare"])
def test_the_sdk_takes_the_segments_of_every_model(sdk: Found, model: str) -> None:
    told: dict[str, Any] = sdk["options"][model]
    assert (told["text"], told["language"], told["durationInSeconds"]) == (SAID, "en", 2.5)
    assert told["segments"]


def test_the_sdk_takes_silence(sdk: Found) -> None:
    assert sdk["nothing"] == ""
