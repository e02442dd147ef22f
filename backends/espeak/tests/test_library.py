"""The C interface says so when it fails; by itself the library goes on with something else."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from voicegw_espeak import EspeakBackend, library
from voicegw_espeak.library import Mark, MarkKind, Setting


@pytest.mark.usefixtures("espeak")
def test_an_unknown_voice_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no/such"):
        library.set_voice("no/such")


@pytest.mark.usefixtures("espeak")
def test_an_exception_in_the_callback_ends_the_synthesis_and_is_raised() -> None:
    calls = []

    def fail(_pcm: NDArray[np.int16], _marks: list[Mark]) -> bool:
        calls.append(1)
        raise ZeroDivisionError

    library.set_voice("gmw/en-US")
    with pytest.raises(ZeroDivisionError):
        library.synthesize("One two three four five six seven.", fail)
    assert len(calls) == 1


@pytest.mark.usefixtures("espeak")
def test_marks_stand_at_their_samples() -> None:
    marks: list[Mark] = []
    made = 0

    def hear(pcm: NDArray[np.int16], found: list[Mark]) -> bool:
        nonlocal made
        assert all(made <= mark.sample <= made + len(pcm) for mark in found)
        made += len(pcm)
        marks.extend(found)
        return True

    library.set_voice("gmw/en-US")
    library.synthesize("Hello world. Bye.", hear)
    words = [(mark.char_start, mark.char_end) for mark in marks if mark.kind == MarkKind.WORD]
    assert words == [(0, 5), (6, 11), (13, 16)]
    assert [mark.sample for mark in marks] == sorted(mark.sample for mark in marks)
    assert sum(mark.kind == MarkKind.END for mark in marks) == 2


@pytest.mark.usefixtures("espeak")
def test_a_setting_that_the_library_does_not_take_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="99 = 1"):
        library.set_parameter(cast("Setting", 99), 1)


def test_speaking_before_the_library_is_initialised_is_an_error() -> None:
    script = "from voicegw_espeak import library; library.synthesize('hi', lambda pcm, marks: True)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert "RuntimeError: espeak-ng could not speak (code -1)" in done.stderr


async def test_missing_data_is_an_error_that_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = EspeakBackend({})
    monkeypatch.setattr(library, "data_path", lambda: tmp_path)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match=tmp_path.name):
        await backend.load(lambda _fraction, _what: None)
    await backend.close()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("espeak")] == []
    assert threading.active_count() <= before + 1  # asyncio's own


def test_the_adapter_needs_the_contract_numpy_and_the_library_alone() -> None:
    script = """
import sys
before = set(sys.modules)
import voicegw_espeak
print(*{name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
print(*{name for name in sys.modules if name.startswith("voicegw.")})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    packages, rooms = (set(line.split()) for line in done.stdout.splitlines())
    assert {name for name in packages if not name.startswith("_")} == {
        "numpy",
        "espeakng_loader",
        "voicegw",
        "voicegw_espeak",
    }
    assert rooms == {"voicegw.backend", "voicegw.backend.contract", "voicegw.backend.manifest", "voicegw.errors"}
