"""Which backends are installed is read from metadata; only a worker imports one."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from voicegw.backend import discovery
from voicegw.engine.spec import ModelSpec


def test_installed_backends_are_listed_by_name_with_what_their_metadata_says() -> None:
    found = {backend.name: backend for backend in discovery.installed()}
    assert list(found) == sorted(found)
    assert found["tone"].distribution == "voicegw-tone"
    assert found["tone"].licence == "Apache-2.0"
    assert found["espeak"].licence == "GPL-3.0-or-later"
    assert found["espeak"].version == "0.1.0"
    assert "espeak-ng" in found["espeak"].summary


def test_what_decodes_uploads_is_there_but_no_model_can_have_it() -> None:
    assert discovery.load("decode").__module__ == "voicegw.decoder.backend"
    assert "decode" not in {backend.name for backend in discovery.installed()}
    assert discovery.present([ModelSpec("a", "decode")]) == []


def test_an_adapter_is_loaded_by_its_name() -> None:
    assert discovery.load("tone").__name__ == "ToneBackend"


def test_what_is_not_installed_is_an_error_that_lists_what_is() -> None:
    with pytest.raises(LookupError, match=r"'nope' is not installed here; installed: .*tone"):
        discovery.load("nope")


def test_an_entry_point_of_no_distribution_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stray = EntryPoint(name="stray", value="nowhere:Nothing", group=discovery.GROUP)
    monkeypatch.setattr(discovery, "entry_points", lambda **_: [stray])
    assert discovery.installed() == ()


def test_models_are_present_by_their_backend_or_by_an_interpreter_that_is_to_have_it() -> None:
    here, far = ModelSpec("a", "tone"), ModelSpec("b", "no-such-backend")
    elsewhere = ModelSpec("c", "no-such-backend", python="/usr/bin/python3")
    assert discovery.present([here, far, elsewhere]) == [here, elsewhere]
