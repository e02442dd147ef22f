"""The OpenAPI document is true: what it allows is served, what it forbids is refused, and every answer is as told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer, running_server
from tests.support.uploads import ears_installed, sound

KEY = "sk-conformance"
MODELS = ("tone", "tts-1")
AUDIO = b64encode(sound(0.2)).decode()
CONFIG = {
    "models": [{"id": "tone", "backend": "tone"}, {"id": "ears", "backend": "ears", "required": True}],
    "defaults": {"transcription": "ears"},
    "limits": {"input_chars": 200},
}
KEYS = {"server": {"api_keys": [{"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "name": "conformance"}]}}
EXAMPLES = 25


@pytest.fixture(params=[{}, KEYS], ids=["without keys", "with keys"], scope="module")
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config = json.dumps({**CONFIG, **request.param})
    with ears_installed(), running_server(tmp_path_factory.mktemp("described"), config=config) as running:
        yield running


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what no document can know: which models there are, their voices, and what they find unknown.

    Else nearly every request would be refused for its model, and nothing of the rest would be seen.
    """
    speech = document["paths"]["/v1/audio/speech"]["post"]
    speech["parameters"] = [each for each in speech["parameters"] if each["name"] != "x-voicegw-strict"]
    fields = speech["requestBody"]["content"]["application/json"]["schema"]["properties"]
    known = {"enum": ["tone", "low", "alloy", ""]}
    named = {"type": "object", "required": ["id"], "properties": {"id": {"enum": ["low", "cedar"]}}}
    fields["model"] = {"enum": [*MODELS]}
    fields["voice"] = {"anyOf": [known, named, {"type": "null"}]}
    fields["strict_parameters"] = {"enum": [False, "false", None]}
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
        _narrow_upload(document["paths"][path]["post"])
    return document


def _narrow_upload(route: dict[str, Any]) -> None:
    """Leave the JSON form, and in it what is audio: of made-up bytes nothing can be heard."""
    route["parameters"] = [each for each in route["parameters"] if each["name"] != "x-voicegw-strict"]
    del route["requestBody"]["content"]["multipart/form-data"]
    fields = route["requestBody"]["content"]["application/json"]["schema"]["properties"]
    fields["input_audio"] = {"enum": [{"data": AUDIO}, {"data": AUDIO, "format": "wav"}]}
    fields["model"] = {"enum": ["ears", "whisper-1"]}
    fields["strict_parameters"] = {"enum": [False, "false", None]}
    for name in ("language", "languages"):
        fields[name] = {"enum": ["en", "en-US", None]}
    for name in ("known_speaker_names", "known_speaker_references"):  # as many of one as of the other
        fields[name] = {"enum": [None]}
    fields["response_format"]["enum"] = [each for each in fields["response_format"]["enum"] if each != "diarized_json"]


def test_requests_made_from_the_document_find_nothing_that_it_does_not_tell(
    described: RunningServer, tmp_path: Path
) -> None:
    document = narrowed(httpx.get(f"{described.url}/openapi.json").json())
    (tmp_path / "openapi.json").write_text(json.dumps(document), "utf-8")
    words = ["--url", described.url, "--header", f"Authorization: Bearer {KEY}", "--max-examples", str(EXAMPLES)]
    words += ["--checks", "all", "--phases", "examples,coverage,fuzzing", "--generation-deterministic", "--no-color"]
    words += ["--suppress-health-check", "all", "--continue-on-failure", "--no-shrink"]
    done = subprocess.run(
        [Path(sys.executable).with_name("st"), "run", tmp_path / "openapi.json", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
    assert described.process.poll() is None


def test_the_document_says_whether_a_key_is_needed(described: RunningServer) -> None:
    document = httpx.get(f"{described.url}/openapi.json").json()
    answer = httpx.post(f"{described.url}/v1/audio/speech", json={"model": "tone", "input": "one"}, timeout=30)
    assert ("security" in document["paths"]["/v1/audio/speech"]["post"]) is (answer.status_code == 401)
    assert "security" not in document["paths"]["/health/live"]["get"]
