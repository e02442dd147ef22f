"""What surrounds every route surrounds these too: other paths, keys, CORS, methods, lists, the document."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import openai
import pytest

from tests.api.transcription.conftest import Post
from tests.support.gateway import Gateway, serving
from tests.support.uploads import PATH, ears_installed, heard, listening_models, sound
from voicegw.api.openai.submitted import FORMATS, OBEYED
from voicegw.app import create_app
from voicegw.settings import ApiKey, Defaults, Model, Server, Settings
from voicegw.settings_values import OPENAI_TRANSCRIPTION_NAMES

AUDIO = sound(1.0)
KEY = "sk-anna-0123456789"
ORIGIN = "app://obsidian.md"


@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1", "/openai"])
def test_every_path_without_its_version(post: Post, prefix: str, kind: str) -> None:
    assert post(AUDIO, f"{prefix}/audio/{kind}").json()["text"] == heard(AUDIO)


@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
def test_azures_deployment_is_the_model(client: httpx.Client, kind: str) -> None:
    path = f"/openai/deployments/{{}}/audio/{kind}?api-version=2025-04-01-preview"
    for name, more, model in (
        ("ears", {}, "ears"),
        ("many", {"model": ""}, "many"),
        ("ears", {"model": "many"}, "many"),
    ):
        response = client.post(path.format(name), data=more, files={"file": AUDIO})
        assert (response.status_code, response.headers["x-voicegw-model"]) == (200, model)
    assert client.post(path.format("nix"), files={"file": AUDIO}).status_code == 404


def test_azures_client(gateway: Gateway) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=gateway.url, api_key="none", api_version="2025-04-01-preview", max_retries=0
    ) as client:
        told = client.audio.transcriptions.create(model="ears", file=AUDIO)
        assert told.text == heard(AUDIO)
        verbose = client.audio.transcriptions.create(model="ears", file=AUDIO, response_format="verbose_json")
        assert verbose.duration == 1.0


def test_methods(client: httpx.Client) -> None:
    assert client.options(PATH).headers["allow"] == "POST, OPTIONS"
    response = client.get(PATH)
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


def test_the_manifest_tells_what_a_recogniser_honours(client: httpx.Client) -> None:
    models = {each["id"]: each for each in client.get("/v1/models").json()["data"]}
    ears = client.get("/v1/models/ears").json()
    assert (ears["kind"], ears["task"]) == ("transcription", "automatic-speech-recognition")
    assert ears["formats"] == list(FORMATS["transcribe"])
    assert ears["options"] == ["translate", "prompt", "keywords", "temperature", "logprobs"]
    assert models["simple"]["options"] == []
    assert "options" not in models["tone"]
    assert {name: models[name]["alias_of"] for name in OPENAI_TRANSCRIPTION_NAMES} == dict.fromkeys(
        OPENAI_TRANSCRIPTION_NAMES, "ears"
    )
    listed = {each["id"] for each in client.get("/v1/audio/models").json()["models"]}
    assert "ears" not in listed, "these speak"


def test_the_document(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    for path, task, answers in (("transcriptions", "transcribe", 6), ("translations", "translate", 5)):
        route = document["paths"][f"/v1/audio/{path}"]["post"]
        content = route["requestBody"]["content"]
        for kind, audio in (("multipart/form-data", "file"), ("application/json", "input_audio")):
            schema: dict[str, Any] = content[kind]["schema"]
            assert set(schema["properties"]) == {*OBEYED, audio}
            assert schema["required"] == [audio, "model"]
            formats = schema["properties"]["response_format"]["enum"]
            assert formats[:answers] == list(FORMATS[task])  # type: ignore[index]  # a task
        answered = route["responses"]["200"]
        assert set(answered["content"]) == {"application/json", "text/plain", "text/event-stream"}
    response = client.post(PATH, data={"model": "ears", "nix": "1"}, files={"file": AUDIO})
    sure = {name for name, told in answered["headers"].items() if told["required"]}
    assert {*sure, "x-voicegw-ignored"} <= set(response.headers)


def test_keys_and_other_origins() -> None:
    server = Server(
        api_keys=(ApiKey(sha256=hashlib.sha256(KEY.encode()).hexdigest(), name="anna", requests_per_minute=5),),
        cors_origins=(ORIGIN,),
    )
    defaults = Defaults(speech="ears", clone=None, transcription="ears")
    settings = Settings(models=listening_models(), server=server, defaults=defaults)
    with ears_installed(), serving(create_app(settings)) as gateway, gateway.client() as client:
        files, data = {"file": ("a.wav", AUDIO)}, {"model": "whisper-1", "echo": "true"}
        origin = {"origin": ORIGIN}
        assert client.post(PATH, files=files, data=data).status_code == 401
        wrong = client.post(PATH, files=files, data=data, headers={"authorization": "Bearer nix", **origin})
        assert wrong.status_code == 401
        assert wrong.headers["access-control-allow-origin"] == ORIGIN
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization", **origin}
        assert client.options(PATH, headers=asked).status_code == 200
        for key in ({"authorization": f"Bearer {KEY}"}, {"api-key": KEY}):
            told = client.post(PATH, files=files, data=data, headers={**key, **origin})
            assert told.status_code == 200
            assert '"tenant": "anna"' in told.json()["text"]
            assert "x-voicegw-ignored" in told.headers["access-control-expose-headers"]
        assert told.headers["x-ratelimit-remaining-requests"] == "3"
        client.post(PATH, files=files, data=data, headers=key)
        assert KEY not in told.text


@pytest.mark.parametrize("name", OPENAI_TRANSCRIPTION_NAMES)
def test_where_no_model_transcribes_its_names_say_how_to_get_one(name: str) -> None:
    settings = Settings(models=(Model(id="tone", backend="tone"),))
    assert name not in settings.all_aliases()
    assert "defaults.transcription" in settings.without_model()[name]


def test_where_no_model_transcribes() -> None:
    app = create_app(Settings(models=(Model(id="tone", backend="tone"),)))
    with serving(app) as gateway, gateway.client() as client:
        response = client.post(PATH, files={"file": AUDIO}, data={"model": "whisper-1"})
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
        assert "add one that does to 'models' and name it in 'defaults.transcription'" in error["message"]
        assert "whisper-1" not in [each["id"] for each in client.get("/v1/models").json()["data"]]
