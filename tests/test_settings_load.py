"""Where settings come from: precedence, the files that are found, and how every fault is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from voicegw.settings_load import Loaded, SettingsError, load


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without variables of ours."""
    for name in [name for name in os.environ if name.upper().startswith("VOICEGW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def problems(config: Path | None = None, **overrides: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(config, overrides)
    return caught.value.problems


def ports(loaded: Loaded) -> tuple[int, str | None]:
    return loaded.settings.server.port, loaded.origins.get("server.port")


def test_nothing_said() -> None:
    loaded = load()
    assert (loaded.file, dict(loaded.origins)) == (None, {})
    assert loaded.settings.server.port == 8000


def test_the_nearer_source_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder / "my.yaml", "server: {port: 1, host: 0.0.0.0}\nlimits: {drain_s: 5s}\n")
    assert ports(load(file)) == (1, str(file))
    write(folder / ".env", "VOICEGW_SERVER__PORT=2\nOTHER_THING=x\n")
    assert ports(load(file)) == (2, ".env")
    monkeypatch.setenv("VOICEGW_SERVER__PORT", "3")
    assert ports(load(file)) == (3, "environment")
    loaded = load(file, {"server": {"port": 4}})
    assert ports(loaded) == (4, "command line")
    assert (loaded.settings.server.host, loaded.settings.limits.drain_s) == ("0.0.0.0", 5.0)


def test_lists_are_replaced_and_mappings_merged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(
        folder / "my.yaml",
        "models: [{id: a, backend: x}, {id: b, backend: x}]\naliases: {one: c, two: c}\n",
    )
    monkeypatch.setenv("VOICEGW_MODELS", '[{"id": "c", "backend": "x"}]')
    monkeypatch.setenv("VOICEGW_ALIASES", '{"three": "c"}')
    settings = load(file).settings
    assert [model.id for model in settings.models] == ["c"]
    assert sorted(settings.aliases) == ["one", "three", "two"]


def test_which_file_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "config" / "voicegw.yaml", "server: {port: 1}")
    assert ports(load()) == (1, "config/voicegw.yaml")
    write(folder / "voicegw.yaml", "server: {port: 2}")
    assert ports(load()) == (2, "voicegw.yaml")
    write(folder / "a.yaml", "server: {port: 3}")
    write(folder / ".env", "VOICEGW_CONFIG=a.yaml\n")
    assert ports(load()) == (3, "a.yaml")
    write(folder / "b.yaml", "server: {port: 4}")
    monkeypatch.setenv("VOICEGW_CONFIG", "b.yaml")
    assert ports(load()) == (4, "b.yaml")
    file = write(folder / "c.yaml", "server: {port: 5}")
    assert load(file).file == file


def test_an_empty_file_and_empty_variables_say_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_SERVER__PORT", "")
    monkeypatch.setenv("VOICEGW_NONSENSE", "")
    assert load(write(folder / "my.yaml", "# nothing\n")).settings.server.port == 8000


def test_variables_of_the_clients_and_of_kubernetes_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "VOICEGW_API_KEY": "k",
        "VOICEGW_URL": "http://x",
        "VOICEGW_SERVICE_HOST": "10.0.0.1",
        "VOICEGW_SERVICE_PORT_HTTP": "80",
        "VOICEGW_PORT": "tcp://10.0.0.1:80",
        "VOICEGW_PORT_80_TCP_ADDR": "10.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    assert load().settings.server.port == 8000


def test_a_port_in_the_wrong_variable_is_no_service_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_PORT", "9000")
    assert problems() == ("port: unknown key; did you mean server.port? (VOICEGW_PORT)",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {prot: 1}", "server.prot: unknown key; did you mean server.port?"),
        ("servr: {port: 1}", "servr: unknown key; did you mean server?"),
        ("drain_s: 1", "drain_s: unknown key; did you mean limits.drain_s?"),
        ("models: [{id: a, backend: x, worker: 1}]", "models[0].worker: unknown key; did you mean models[0].workers?"),
        ("limits: {decoded: 1}", "limits.decoded: unknown key; did you mean limits.decoded_s?"),
        ("server: {port: x}", "server.port: should be a valid integer, unable to parse string as an integer, not 'x'"),
        ("server: {port: 70000}", "server.port: should be less than or equal to 65535, not '70000'"),
        ("models: {}", "models: should be a list"),
        ("models: [3]", "models[0]: should be a mapping, not '3'"),
        ("models: [{id: a}]", "models[0].backend: missing"),
        ("server: 3", "server: should be a mapping, not '3'"),
        ("aliases: {a b: tone}", "aliases.a b: a name is 1 to 128 letters, digits or ._:/@+-"),
        ("server: {tls_cert: x.pem}", "server.tls_cert: there is no file 'x.pem'"),
    ],
)
def test_a_fault_in_the_file(folder: Path, text: str, said: str) -> None:
    file = write(folder / "my.yaml", text)
    (problem,) = problems(file)
    assert problem.startswith(said)
    assert problem.endswith(f" ({file})")


def test_what_contradicts_itself_is_told_line_by_line(folder: Path) -> None:
    file = write(folder / "my.yaml", "aliases: {a: b, tone: espeak}")
    assert problems(file) == (
        "aliases.tone: this is the id of a model; an alias needs a name of its own",
        "aliases.a: there is no model 'b' (models: espeak, tone)",
    )


def test_a_fault_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_SERVER__PROT", "1")
    monkeypatch.setenv("VOICEGW_MODELS", '[{"id": "", "backend": "x"}]')
    first, second = sorted(problems())
    assert first.endswith(", not '' (VOICEGW_MODELS)")
    assert second == "server.prot: unknown key; did you mean server.port? (VOICEGW_SERVER__PROT)"


def test_a_fault_in_dotenv(folder: Path) -> None:
    write(folder / ".env", "VOICEGW_LIMITS__DRAIN=1\nVOICEGW_STRANGE=1\n")
    first, second = problems()
    assert first == "limits.drain: unknown key; did you mean limits.drain_s? (.env)"
    assert second.startswith("strange: unknown key; did you mean ")


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_variable_that_is_not_json(folder: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == ".env":
        write(folder / ".env", "VOICEGW_MODELS=[{\n")
    else:
        monkeypatch.setenv("VOICEGW_MODELS", "[{")
    (problem,) = problems()
    assert problem.startswith("VOICEGW_MODELS: is not JSON: ")


def test_the_value_of_an_unknown_key_is_not_shown(folder: Path) -> None:
    (problem,) = problems(write(folder / "my.yaml", "server: {api_key: very-secret}"))
    assert "very-secret" not in problem


@pytest.mark.parametrize("entry", ["very-secret", "{sha256: very-secret}", "{key: very-secret}", "[very-secret]"])
def test_a_key_in_the_clear_is_refused_and_not_shown(folder: Path, entry: str) -> None:
    told = "\n".join(problems(write(folder / "my.yaml", f"server: {{api_keys: [{entry}]}}")))
    assert told.startswith("server.api_keys[0]")
    assert "very-secret" not in told


def test_a_key_in_the_clear_is_told_how_to_hash_it(folder: Path) -> None:
    (problem,) = problems(write(folder / "my.yaml", "server: {api_keys: [very-secret]}"))
    assert "`voicegw keys hash`" in problem


def test_keys_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGW_SERVER__API_KEYS", f'[{{"sha256": "{"0" * 64}", "concurrent": 2}}]')
    (key,) = load().settings.server.api_keys
    assert key.concurrent == 2


def test_an_unknown_key_beside_a_hash(folder: Path) -> None:
    file = write(folder / "my.yaml", f"server: {{api_keys: [{{sha256: '{'0' * 64}', concurent: 2}}]}}")
    (problem,) = problems(file)
    assert problem.startswith("server.api_keys[0].concurent: unknown key; did you mean server.api_keys[0].concurrent?")


def test_files_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(folder / "no.yaml") == (f"there is no configuration file '{folder / 'no.yaml'}'",)
    file = folder / "my.yaml"
    file.write_bytes(b"server: \xff\n")
    assert problems(file) == (f"{file}: is not UTF-8 text",)
    (problem,) = problems(write(file, "server:\n  port: [\n"))
    assert problem.startswith(f"{file}, line 3: is not YAML: ")
    (problem,) = problems(write(file, "[1, 2]"))
    assert problem == f"{file}: must hold keys and values, such as 'server: {{port: 8000}}'"
    assert problems(write(file, "1: 2")) == (problem,)
    (problem,) = problems(write(file, "a: \x01"))
    assert problem.startswith(f"{file}: is not YAML: ")
    monkeypatch.setenv("VOICEGW_CONFIG", "gone.yaml")
    assert problems() == ("there is no configuration file 'gone.yaml'",)


def test_a_file_that_is_not_ours_to_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder / "my.yaml", "server: {port: 1}")

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)  # the superuser, who may run the tests, can read everything
    assert problems(file) == (f"{file}: Permission denied",)
