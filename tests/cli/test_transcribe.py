"""``voicegw transcribe``: every form, one file and many, with and without a server, and nothing left where it fails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run, on_a_terminal
from tests.support.server import RunningServer, free_port, program, running_server
from tests.support.uploads import ears_installed, heard, sound

CONFIG = """
models:
  - {id: ears, backend: ears, required: true, parameters: {languages: [en, de]}}
  - {id: tone, backend: tone}
defaults: {speech: tone, transcription: ears}
limits: {upload_bytes: 1MiB}
"""
AUDIO, OTHER = sound(1.5), sound(0.5, seed=2)


@pytest.fixture(scope="module", autouse=True)
def _ears() -> Iterator[None]:
    with ears_installed():
        yield


@pytest.fixture(autouse=True)
def _files(folder: Path) -> None:
    (folder / "voicegw.yaml").write_text(CONFIG, "utf-8")
    (folder / "a.wav").write_bytes(AUDIO)
    (folder / "b.wav").write_bytes(OTHER)
    (folder / "bad.mp3").write_bytes(b"no audio at all")


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory, _ears: None) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("listener"), config=CONFIG) as running:
        yield running


def test_the_text_goes_to_standard_output(run: Run) -> None:
    assert run("transcribe", "a.wav") == (0, f"{heard(AUDIO)}\n", "")


def test_captions(run: Run) -> None:
    status, out, _ = run("transcribe", "a.wav", "--format", "srt")
    assert (status, out) == (0, f"1\n00:00:00,000 --> 00:00:01,500\n{heard(AUDIO)}\n\n")
    status, out, _ = run("transcribe", "a.wav", "--format", "vtt")
    assert (status, out) == (0, f"WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n{heard(AUDIO)}\n\n")


def test_json(run: Run) -> None:
    status, out, _ = run("transcribe", "a.wav", "--format", "json")
    assert (status, json.loads(out)["text"]) == (0, heard(AUDIO))
    status, out, _ = run("transcribe", "a.wav", "--format", "verbose_json", "--words", "--language", "de")
    told = json.loads(out)
    assert (told["language"], told["duration"], len(told["segments"]), len(told["words"])) == ("german", 1.5, 1, 3)
    status, out, _ = run("transcribe", "a.wav", "--format", "verbose_json", "--translate")
    assert json.loads(out)["task"] == "translate"


def test_many_files_to_standard_output(run: Run) -> None:
    status, out, err = run("transcribe", "a.wav", "b.wav")
    assert (status, out, err) == (0, f"== a.wav ==\n{heard(AUDIO)}\n== b.wav ==\n{heard(OTHER)}\n", "")
    status, out, _ = run("transcribe", "a.wav", "b.wav", "--format", "json")
    assert [json.loads(line)["text"] for line in out.splitlines()] == [heard(AUDIO), heard(OTHER)]


def test_one_file_into_a_file(run: Run, folder: Path) -> None:
    assert run("transcribe", "a.wav", "-o", "said.srt", "--format", "srt") == (0, "", "")
    assert (folder / "said.srt").read_text("utf-8").startswith("1\n00:00:00,000 --> ")


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("srt", "srt"), ("vtt", "vtt"), ("json", "json")])
def test_many_files_into_a_folder(run: Run, folder: Path, form: str, suffix: str) -> None:
    assert run("transcribe", "a.wav", "b.wav", "-o", "said/here", "--format", form) == (0, "", "")
    found = {path.name: path.read_text("utf-8") for path in (folder / "said" / "here").iterdir()}
    assert set(found) == {f"a.{suffix}", f"b.{suffix}"}
    assert heard(OTHER) in found[f"b.{suffix}"]


def test_one_file_into_a_folder_that_is_there(run: Run, folder: Path) -> None:
    (folder / "said").mkdir()
    assert run("transcribe", "a.wav", "-o", "said")[0] == 0
    assert (folder / "said" / "a.txt").read_text("utf-8") == f"{heard(AUDIO)}\n"


def test_a_file_that_is_no_audio_does_not_stop_the_others(run: Run, folder: Path) -> None:
    status, out, err = run("transcribe", "a.wav", "bad.mp3", "b.wav", "-o", "said")
    assert (status, out) == (1, "")
    assert err.startswith("voicegw: bad.mp3: Invalid file format.")
    assert sorted(path.name for path in (folder / "said").iterdir()) == ["a.txt", "b.txt"]


def test_a_file_of_ones_own_may_be_larger_than_an_upload(run: Run, folder: Path) -> None:
    audio = sound(40.0)
    assert len(audio) > 2**20
    (folder / "long.wav").write_bytes(audio)
    status, out, err = run("transcribe", "long.wav")
    assert (status, err) == (0, "")
    assert out.split()[2] == heard(audio, 0, 10).split()[2]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nowhere.wav"], 2, "nowhere.wav"),
        ([], 2, "Missing argument"),
        (["a.wav", "--format", "xml"], 1, "'response_format' must be one of: json, text, srt, verbose_json, vtt"),
        (["a.wav", "--format", "diarized_json"], 1, "No diarizer is configured here"),
        (["a.wav", "--language", "tlh"], 1, "it hears: en, de"),
        (["a.wav", "--model", "x"], 1, "there is no model 'x'; there are: ears, tone"),
        (["a.wav", "--model", "tone"], 1, "model 'tone' does not transcribe"),
        (["a.wav", "-o", "nowhere/a.txt"], 1, "there is no folder 'nowhere'"),
        (["a.wav", "b.wav", "-o", "voicegw.yaml/x"], 1, "voicegw.yaml/x: Not a directory"),
        (["a.wav", "a.wav", "-o", "said"], 2, "two of these files have the same name"),
        (["a.wav", "--config", "no.yaml"], 2, "there is no configuration file 'no.yaml'"),
    ],
)
def test_what_cannot_be_done(run: Run, arguments: list[str], status: int, said: str) -> None:
    got, out, err = run("transcribe", *arguments)
    assert (got, out) == (status, "")
    assert said in err


def test_where_no_model_transcribes(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("models: [{id: tone, backend: tone}]\n", "utf-8")
    status, _, err = run("transcribe", "a.wav")
    assert status == 1
    assert "name it in 'defaults.transcription'" in err


def test_by_a_server(run: Run, listener: RunningServer, folder: Path) -> None:
    url = f"{listener.url}/v1"
    status, out, err = run("transcribe", "a.wav", "b.wav", "--url", url, "--api-key", "k", "--prompt", "x")
    assert (status, out, err) == (0, f"== a.wav ==\n{heard(AUDIO)}\n== b.wav ==\n{heard(OTHER)}\n", "")
    arguments = ("--format", "verbose_json", "--words", "--translate", "-o", "a.json", "--model", "ears")
    assert run("transcribe", "a.wav", "--url", url, *arguments)[0] == 0
    told = json.loads((folder / "a.json").read_text("utf-8"))
    assert (told["task"], len(told["words"])) == ("translate", 3)


def test_a_server_that_refuses(run: Run, listener: RunningServer) -> None:
    status, out, err = run("transcribe", "bad.mp3", "a.wav", "--url", listener.url)
    assert (status, out) == (1, f"== a.wav ==\n{heard(AUDIO)}\n")
    assert err.startswith("voicegw: bad.mp3: Invalid file format.")
    assert err.endswith("(HTTP 400)\n")


def test_a_server_that_is_not_there(run: Run) -> None:
    status, _, err = run("transcribe", "a.wav", "--url", f"http://127.0.0.1:{free_port()}")
    assert status == 1
    assert err.startswith("voicegw: no answer from ")


def test_a_terminal_is_told_of_the_progress() -> None:
    status, shown = on_a_terminal("transcribe", "a.wav", "b.wav", "-o", "said")
    assert status == 0
    assert "2 files" in shown


def test_nothing_but_the_text_is_written(folder: Path) -> None:
    done = subprocess.run([program(), "transcribe", "a.wav"], cwd=folder, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (f"{heard(AUDIO)}\n".encode(), b"")
