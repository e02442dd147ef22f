"""Where settings come from: command line, ``VOICEGW_*`` variables, ``.env``, a YAML file, in this order of weight."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource
from pydantic_settings import SettingsError as UnreadableVariable

from voicegw.services.lexicon import LexiconFile
from voicegw.settings import ApiKey, Defaults, Limits, Logging, Model, Server, Settings, Tracing, merged

CONFIG_VARIABLE: Final = "VOICEGW_CONFIG"
FOUND_FILES: Final = ("voicegw.yaml", "config/voicegw.yaml")
_PREFIX: Final = "VOICEGW_"
_CLIENT_VARIABLES: Final = {CONFIG_VARIABLE, "VOICEGW_URL", "VOICEGW_API_KEY"}
_SERVICE_LINK: Final = re.compile(r"VOICEGW_(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP)(_.*)?)?)")
_PLAIN_WORDS: Final = (
    (re.compile(r"valid tuple"), "list"),
    (re.compile(r"valid dictionary( or instance of \w+)?"), "mapping"),
    (re.compile(r"^input should"), "should"),
)
_PARTS: Final[Mapping[str, type[BaseModel]]] = {
    "": Settings,
    "server": Server,
    "server.api_keys[]": ApiKey,
    "models[]": Model,
    "defaults": Defaults,
    "limits": Limits,
    "logging": Logging,
    "tracing": Tracing,
}


class SettingsError(Exception):
    """The settings cannot be used; ``problems`` names each fault in one line that begins with the key's path."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings, the file that was read, and the source of every value that was given, by its path."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Layer:
    name: str
    values: Mapping[str, Any]


def load(config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Read the settings.

    Args:
        config: YAML file; None means the one that ``VOICEGW_CONFIG`` names, else ``./voicegw.yaml``, else
            ``./config/voicegw.yaml``, else the defaults that come with the package.
        overrides: What the command line says, nested like the tree.

    Raises:
        SettingsError: A file is missing or malformed, a key is unknown, a value is wrong; all of them are named.
    """
    path = _find_file(config)
    layers = [
        *([_Layer(str(path), _read_yaml(path))] if path else []),
        _Layer(".env", _variables(_dotenv())),
        _Layer("environment", _variables(os.environ)),
        _Layer("command line", overrides or {}),
    ]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        values = merged(values, layer.values)
        origins.update((path, layer.name) for path, _ in leaves(layer.values))
    try:
        return Loaded(Settings(**values), path, origins)
    except ValidationError as error:
        raise SettingsError(*_problems(error, origins)) from None


def lexicon_of(settings: Settings) -> LexiconFile | None:
    """Read the lexicon that the settings name.

    Raises:
        SettingsError: It cannot be used; the file and the entry are named.
    """
    try:
        return LexiconFile(settings.lexicon) if settings.lexicon else None
    except ValueError as error:
        raise SettingsError(f"lexicon: {error}") from None


def _find_file(config: Path | None) -> Path | None:
    named = config or _named_by_variable()
    if named is None:
        return next((path for path in map(Path, FOUND_FILES) if path.is_file()), None)
    if not named.expanduser().is_file():
        raise SettingsError(f"there is no configuration file {str(named)!r}")
    return named.expanduser()


def _named_by_variable() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE) or _dotenv().get(CONFIG_VARIABLE)
    return Path(named) if named else None


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError(f"{path}{where}: is not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: is not YAML: {str(error).splitlines()[0]}") from None
    if not _is_tree(tree):
        raise SettingsError(f"{path}: must hold keys and values, such as 'server: {{port: 8000}}'")
    return tree or {}


def _is_tree(tree: Any) -> bool:
    return tree is None or (isinstance(tree, dict) and all(isinstance(key, str) for key in tree))


def _dotenv() -> dict[str, str]:
    from dotenv import dotenv_values

    path = Path(".env")
    return {name: value or "" for name, value in dotenv_values(path).items()} if path.is_file() else {}


def _variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Turn ``VOICEGW_A__B=value`` into ``{"a": {"b": value}}``; an empty variable counts as one that is not set."""
    try:
        if environ is os.environ:
            values = EnvSettingsSource(Settings, env_ignore_empty=True)()
        else:
            source = DotEnvSettingsSource(
                Settings, env_file=".env", env_ignore_empty=True, dotenv_filtering="only_existing"
            )
            values = source()
    except UnreadableVariable as error:
        cause = error.__cause__
        reason = f": {cause.msg}" if isinstance(cause, json.JSONDecodeError) else ""
        field = re.search(r'field "(\w+)"', str(error))
        raise SettingsError(f"{_PREFIX}{field[1].upper() if field else '*'}: is not JSON{reason}") from None
    for name in environ:
        if _is_unknown(name, environ[name]):
            path = name.upper().removeprefix(_PREFIX).lower().split("__")
            values = merged(values, _nested(path, environ[name]))
    return values


def _is_unknown(name: str, value: str) -> bool:
    upper = name.upper()
    if not upper.startswith(_PREFIX) or upper in _CLIENT_VARIABLES or not value:
        return False
    if _SERVICE_LINK.fullmatch(upper) and (upper != "VOICEGW_PORT" or "://" in value):
        return False  # Kubernetes gives these to every pod beside a service named voicegw
    return upper.removeprefix(_PREFIX).lower().split("__")[0] not in Settings.model_fields


def _nested(path: list[str], value: str) -> dict[str, Any]:
    return {path[0]: _nested(path[1:], value) if len(path) > 1 else value}


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give every value of a tree with its path, such as ``server.port`` or ``models[0].id``; empty parts are values."""
    if isinstance(tree, Mapping) and (tree or not prefix):
        for key, value in tree.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(tree, list) and tree:
        for index, value in enumerate(tree):
            yield from leaves(value, f"{prefix}[{index}]")
    else:
        yield prefix, tree


def _problems(error: ValidationError, origins: Mapping[str, str]) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        if not fault["loc"]:
            yield from fault["msg"].removeprefix("Value error, ").splitlines()
            continue
        path = _dotted(fault["loc"])
        yield f"{path}: {_reason(fault, path)}{_origin(path, origins)}"


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        if part == "[key]":
            continue
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _reason(fault: Any, path: str) -> str:
    kind, given = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        return f"unknown key; did you mean {_nearest(path)}?"
    if kind == "missing":
        return "missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    for pattern, word in _PLAIN_WORDS:
        message = pattern.sub(word, message)
    secret = path.startswith("server.api_keys")
    shown = isinstance(given, str | int | float) and repr(given) not in message and not secret
    return f"{message}, not {str(given)[:60]!r}" if shown else message


def _nearest(path: str) -> str:
    """Find the known key that is most like an unknown one: among its neighbours first, then anywhere."""
    parent, _, name = path.rpartition(".")
    part = re.sub(r"\[\d+\]", "[]", parent)
    neighbours = list(_PARTS[part].model_fields) if part in _PARTS else []
    close = difflib.get_close_matches(name, neighbours, 1, 0.6)
    if close:
        return f"{parent}.{close[0]}" if parent else close[0]
    known = [f"{head}.{key}" if head else key for head, kind in _PARTS.items() for key in kind.model_fields]
    same = [key for key in known if key.rpartition(".")[2] == name]
    return (same or difflib.get_close_matches(path, known, 1, 0.0))[0]


def _origin(path: str, origins: Mapping[str, str]) -> str:
    """Say in brackets where a value comes from; for one that is missing, where its neighbours come from."""
    name = next((name for given, name in origins.items() if re.match(re.escape(path) + r"($|[.\[])", given)), "")
    if not name and "." in path:
        return _origin(path.rpartition(".")[0], origins)
    if name == "environment":
        name = _PREFIX + path.partition("[")[0].upper().replace(".", "__")
    return f" ({name})" if name else ""
