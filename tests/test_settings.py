"""The settings tree: its defaults, its units, and every value that it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import voicegw
from voicegw.api.arrival import Pace
from voicegw.decoder.backend import Decoder
from voicegw.engine.spec import EngineLimits, ModelSpec
from voicegw.settings import Limits, Model, Server, Settings
from voicegw.settings_values import OPENAI_SPEECH_NAMES
from voicegw.transport.limits import ConnectionLimits

PACKAGED = Path(voicegw.__file__).with_name("voicegw.yaml")
TONE: dict[str, Any] = {"id": "tone", "backend": "tone"}


HASH = "0a" * 32


def made(**given: Any) -> Settings:
    """Make the tree of plain values, as a file gives them."""
    return Settings(**given)


def refusal(**given: Any) -> str:
    """Give what the tree says against some values."""
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    return "\n".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in caught.value.errors())


def test_the_packaged_file_says_what_holds_without_it() -> None:
    assert Settings(**yaml.safe_load(PACKAGED.read_text("utf-8"))) == Settings()


def test_the_packaged_file_names_every_key() -> None:
    tree = yaml.safe_load(PACKAGED.read_text("utf-8"))
    assert set(tree) == set(Settings.model_fields)
    for part in ("server", "defaults", "limits", "logging", "tracing"):
        assert set(tree[part]) == set(type(getattr(Settings(), part)).model_fields), part
    assert set(tree["models"][0]) == set(Model.model_fields)


def test_the_usual_models() -> None:
    settings = Settings()
    assert [(model.id, model.backend, model.workers) for model in settings.models] == [
        ("espeak", "espeak", 2),
        ("tone", "tone", 1),
    ]
    assert (settings.defaults.speech, settings.defaults.clone, settings.defaults.transcription) == (
        "espeak",
        "tone",
        None,
    )


def test_a_default_model_that_is_not_configured_gives_way() -> None:
    settings = made(models=[{"id": "a", "backend": "x"}, {"id": "b", "backend": "x"}])
    assert (settings.defaults.speech, settings.defaults.clone) == ("a", None)
    assert Settings(models=(Model(id="tone", backend="tone"),)).defaults.speech == "tone"


def test_the_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_SERVER__PORT", "9")
    assert Settings().server.port == 8000


def test_keys_and_the_tenants_they_stand_for() -> None:
    keys = made(
        server={
            "api_keys": [
                HASH.upper(),
                {"sha256": "1" * 64, "name": "anna"},
                {"sha256": "2" * 64, "name": "bert", "tenant": "team", "concurrent": 4, "requests_per_minute": 60},
            ]
        }
    ).server.api_keys
    assert [key.account() for key in keys] == [HASH[:12], "anna", "team"]
    assert keys[0].sha256 == HASH
    assert (keys[2].concurrent, keys[2].requests_per_minute) == (4, 60)


@pytest.mark.parametrize(
    "origin", ["https://Example.org:8443", "app://obsidian.md", "capacitor://localhost", "*", "null"]
)
def test_origins(origin: str) -> None:
    assert made(server={"cors_origins": [origin]}).server.cors_origins == (origin.lower(),)


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1


def test_openai_names_mean_the_default_speech_model() -> None:
    assert Settings().all_aliases() == dict.fromkeys(OPENAI_SPEECH_NAMES, "espeak")


def test_an_alias_or_a_model_of_that_name_wins_over_the_openai_name() -> None:
    settings = made(models=[TONE, {"id": "tts-1", "backend": "tone"}], aliases={"tts-1-hd": "tts-1", "x": "tone"})
    aliases = settings.all_aliases()
    assert "tts-1" not in aliases
    assert (aliases["tts-1-hd"], aliases["x"], aliases["gpt-4o-mini-tts"]) == ("tts-1", "tone", "tone")


def test_what_decodes_uploads_as_the_engine_takes_it() -> None:
    limits = Limits(decode_workers=3, decode_queue=7, decode_wall_s=50, worker_hang_s=5, stream_bytes=9, decode_renew=4)
    spec = limits.decode_spec()
    assert (spec.id, spec.backend, spec.workers, spec.expendable, spec.renew_after) == ("decode", "decode", 3, True, 4)
    assert spec.renew_growth_bytes == 128 * 2**20
    assert spec.parameters == {"upload_bytes": 25 * 2**20, "memory_bytes": 256 * 2**20, "stuck_s": 2.0, "wall_s": 50.0}
    assert Decoder.describe(spec.parameters).kind == "decode"
    assert limits.decode_engine() == replace(limits.engine(), queue_per_slot=7, stall_s=55.0)


def test_a_model_as_the_engine_takes_it(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.touch()
    model = Model(
        id="org/name:v1",
        backend="x",
        workers=3,
        devices=("cuda:0",),
        memory_fraction=0.5,
        python=python,
        preload=False,
        idle_unload_s="10min",  # type: ignore[arg-type]  # as a file has it
        required=True,
        parameters={"a": [1]},
    )
    assert model.spec() == ModelSpec(
        id="org/name:v1",
        backend="x",
        workers=3,
        devices=("cuda:0",),
        memory_fraction=0.5,
        python=str(python),
        preload=False,
        idle_unload_s=600.0,
        required=True,
        parameters={"a": [1]},
    )


def test_an_interpreter_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Model(id="a", backend="x", python=tmp_path / "link").spec().python == str(tmp_path / "link")


def test_the_limits_as_the_engine_takes_them() -> None:
    assert Limits().engine() == EngineLimits()
    limits = Limits(queue_per_slot=0, worker_ping_s=1, worker_hang_s=2, load_s=3, crashes=9)
    assert limits.engine() == EngineLimits(queue_per_slot=0, ping_s=1, hang_s=2, load_s=3, crashes=9)


def test_the_limits_as_the_server_takes_them() -> None:
    assert Limits().transport() == ConnectionLimits()
    limits = Limits(connections=1, headers_s=2, header_bytes=3, keep_alive_s=4, write_idle_s=5)
    assert limits.transport() == ConnectionLimits(1, 2, 3, 4, 5)
    assert Pace(Limits().body_idle_s, Limits().body_bytes_per_s) == Pace()


@pytest.mark.parametrize(
    ("text", "size"), [("16MiB", 2**24), ("1.5 kib", 1536), ("25 MB", 25_000_000), ("7b", 7), ("12", 12), (5, 5)]
)
def test_sizes(text: Any, size: int) -> None:
    assert Limits(json_bytes=text).json_bytes == size


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30 s", 30), ("2m", 120), ("4h", 14400), ("1.5", 1.5)])
def test_durations(text: Any, seconds: float) -> None:
    assert Limits(drain_s=text).drain_s == seconds


@pytest.mark.parametrize(("text", "seconds"), [(0, 0), ("0s", 0), ("2m", 120), ("24h", 86_400)])
def test_durations_that_may_be_nothing(text: Any, seconds: float) -> None:
    assert Limits(result_cache_s=text).result_cache_s == seconds


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"limits": {"json_bytes": "3 apples"}},
            "limits.json_bytes: Value error, unknown unit 'apples'; write it like",
        ),
        ({"limits": {"drain_s": "3 apples"}}, "write it like 30s or 4h"),
        ({"limits": {"drain_s": 0}}, "limits.drain_s: Input should be greater than 0"),
        ({"limits": {"json_bytes": "0MiB"}}, "limits.json_bytes: Input should be greater than 0"),
        ({"limits": {"queue_per_slot": -1}}, "limits.queue_per_slot: "),
        (
            {"limits": {"upload_bytes": "100MiB"}},
            f"limits.decode_memory_bytes: must be at least {264 * 2**20} for limits.upload_bytes as it is",
        ),
        ({"limits": {"worker_ping_s": 10}}, "limits.worker_hang_s: must be longer than limits.worker_ping_s"),
        ({"limits": {"restart_max_s": 0.01}}, "limits.restart_max_s: must not be shorter"),
        ({"limits": {"result_cache_s": -1}}, "limits.result_cache_s: Input should be greater than or equal to 0"),
        ({"limits": {"result_cache_s": "25h"}}, "limits.result_cache_s: Input should be less than or equal to 86400"),
        ({"limits": {"result_cache_s": "inf"}}, "limits.result_cache_s: Input should be less than"),
        ({"limits": {"result_cache_bytes": 0}}, "limits.result_cache_bytes: Input should be greater than 0"),
        ({"lexicon": "nowhere.yaml"}, "lexicon: Value error, there is no file 'nowhere.yaml'"),
        ({"server": {"port": 65536}}, "server.port: "),
        ({"server": {"tls_cert": "nowhere.pem"}}, "server.tls_cert: Value error, there is no file 'nowhere.pem'"),
        ({"models": []}, "models: at least one is needed"),
        ({"models": {}}, "models: Input should be a valid tuple"),
        ({"models": [3]}, "models.0: "),
        ({"models": [TONE, TONE]}, "models[1].id: 'tone' is the id of another model"),
        ({"models": [{"id": "-x", "backend": "x"}]}, "models.0.id: Value error, a name is 1 to 128 letters"),
        ({"models": [{"id": "x"}]}, "models.0.backend: Field required"),
        ({"models": [{**TONE, "workers": 0}]}, "models.0.workers: "),
        ({"models": [{**TONE, "memory_fraction": 1.5}]}, "models.0.memory_fraction: "),
        ({"models": [{**TONE, "python": "/no/python"}]}, "models.0.python: Value error, there is no file"),
        ({"aliases": {"espeak": "tone"}}, "aliases.espeak: this is the id of a model"),
        ({"aliases": {"a": "b"}}, "aliases.a: there is no model 'b' (models: espeak, tone)"),
        ({"voice_aliases": {"b": {}}}, "voice_aliases.b: there is no model 'b'"),
        ({"defaults": {"speech": "b"}}, "defaults.speech: there is no model 'b'"),
        ({"defaults": {"clone": "b"}}, "defaults.clone: there is no model 'b'"),
        ({"defaults": {"transcription": "b"}}, "defaults.transcription: there is no model 'b'"),
        ({"defaults": {"language": "english please"}}, "defaults.language: Value error, write a language tag"),
        ({"defaults": 3}, "defaults: "),
        ({"logging": {"level": "loud"}}, "logging.level: "),
        ({"tracing": {"endpoint": "collector:4318"}}, "tracing.endpoint: Value error, write an address such as http"),
        ({"tracing": {"endpoint": "http://me:secret@host"}}, "tracing.endpoint: Value error, write an address"),
        ({"tracing": {"flush_s": "4s"}}, "tracing.flush_s: Input should be less than or equal to 3"),
        ({"tracing": {"enable": True}}, "tracing.enable: Extra inputs are not permitted"),
        ({"server": {"keys": ["k"]}}, "server.keys: Extra inputs are not permitted"),
        ({"server": {"api_keys": ["sk-k"]}}, "server.api_keys.0.sha256: Value error, this is no sha256"),
        ({"server": {"api_keys": [{"key": "sk-k"}]}}, "server.api_keys.0.sha256: Field required"),
        ({"server": {"api_keys": [3]}}, "server.api_keys.0: "),
        ({"server": {"api_keys": [HASH, HASH.upper()]}}, "server.api_keys[1].sha256: another entry has the same"),
        ({"server": {"api_keys": [{"sha256": HASH, "concurrent": 0}]}}, "server.api_keys.0.concurrent: "),
        ({"server": {"cors_origins": ["example.org"]}}, "server.cors_origins.0: Value error, write an origin such"),
        ({"server": {"cors_origins": ["https://a.org/"]}}, "server.cors_origins.0: Value error, write an origin"),
    ],
)
def test_what_is_refused(given: dict[str, Any], said: str) -> None:
    assert said in refusal(**given)


def test_a_key_and_its_certificate_come_together(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    pem.touch()
    assert "server.tls_cert: missing" in refusal(server={"tls_key": pem})
    assert "server.tls_key: missing" in refusal(server={"tls_cert": pem})
    assert Settings(server=Server(tls_cert=pem, tls_key=pem)).server.tls_cert == pem


def test_all_faults_are_named_at_once() -> None:
    said = refusal(models=[TONE, TONE], aliases={"a": "b"}, defaults={"speech": "c"})
    assert ("models[1].id" in said, "aliases.a" in said, "defaults.speech" in said) == (True, True, True)
