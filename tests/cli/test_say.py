"""``voicegw say``: whole files, true sizes, and nothing left where it fails."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from tests.cli.conftest import Run, on_a_terminal
from tests.support.server import RunningServer, free_port, program

pytestmark = pytest.mark.usefixtures("tone_only")
SECOND = 24_000


def samples(path: Path) -> int:
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SECOND, 1, 2)
        return file.getnframes()


def test_a_wav_file_has_true_sizes(run: Run, folder: Path) -> None:
    assert run("say", "one two", "-o", "a.wav") == (0, "", "")
    assert samples(folder / "a.wav") == SECOND
    assert (folder / "a.wav").stat().st_size == 44 + 2 * SECOND
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "voicegw.yaml"]


def test_the_suffix_chooses_the_format(run: Run, folder: Path) -> None:
    for suffix, codec in {"mp3": "mp3float", "opus": "opus", "flac": "flac", "aac": "aac"}.items():
        assert run("say", "one", "-o", f"a.{suffix}")[0] == 0
        with av.open(str(folder / f"a.{suffix}")) as container:
            assert container.streams.audio[0].codec_context.name == codec


def test_the_format_may_be_named(run: Run, folder: Path) -> None:
    assert run("say", "one", "-o", "raw.mp3", "--format", "PCM")[0] == 0
    assert (folder / "raw.mp3").stat().st_size == SECOND


def test_standard_input_to_standard_output() -> None:
    command = [str(program()), "say", "-", "--format", "pcm"]
    done = subprocess.run(command, input=b"one two", stdout=subprocess.PIPE, check=True)
    assert len(done.stdout) == 2 * SECOND
    explicit = subprocess.run([program(), "say", "one", "-o", "-"], stdout=subprocess.PIPE, check=True)
    with av.open(io.BytesIO(explicit.stdout)) as container:
        assert container.format.name == "mp3"


def test_sound_is_not_written_to_a_terminal() -> None:
    status, shown = on_a_terminal("say", "one")
    assert status == 2
    assert "a terminal cannot play sound; name a file with -o" in shown


def test_a_terminal_is_told_of_the_progress(folder: Path) -> None:
    status, shown = on_a_terminal("say", "one", "-o", "a.wav")
    assert status == 0
    assert "a.wav" in shown
    assert samples(folder / "a.wav") == SECOND // 2


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["one", "-o", "a.txt"], 2, "no format has the suffix '.txt'; name one of mp3, opus, aac, flac, wav, pcm"),
        (["one", "-o", "a.mp3", "--format", "mp4"], 2, "there is no format 'mp4'; there are: mp3,"),
        (["one", "-o", "nowhere/a.mp3"], 1, "there is no folder 'nowhere'"),
        (["one", "-o", "voicegw.yaml/a.mp3"], 1, "there is no folder 'voicegw.yaml'"),
        (["one", "-o", "a.mp3", "--model", "x"], 1, "there is no model 'x'; there are: tone"),
        (["one", "-o", "a.mp3", "--voice", "x"], 1, "Voice 'x' is not known to model 'tone'"),
        ([" ", "-o", "a.mp3"], 1, "'input' holds nothing to speak"),
        (["one", "-o", "a.mp3", "--speed", "9"], 2, "'--speed'"),
        (["one", "-o", "a.mp3", "--config", "no.yaml"], 2, "there is no configuration file 'no.yaml'"),
    ],
)
def test_what_cannot_be_done(run: Run, folder: Path, arguments: list[str], status: int, said: str) -> None:
    got, out, err = run("say", *arguments)
    assert (got, out) == (status, "")
    assert said in err
    assert [path.name for path in folder.iterdir()] == ["voicegw.yaml"]


def test_a_failure_leaves_the_file_that_was_there(run: Run, folder: Path) -> None:
    (folder / "a.mp3").write_bytes(b"before")
    assert run("say", " ", "-o", "a.mp3")[0] == 1
    assert (folder / "a.mp3").read_bytes() == b"before"
    assert run("say", "one", "-o", "a.mp3")[0] == 0
    assert (folder / "a.mp3").read_bytes() != b"before"


def test_a_folder_is_no_file(run: Run, folder: Path) -> None:
    (folder / "a.mp3").mkdir()
    assert run("say", "one", "-o", "a.mp3") == (1, "", "voicegw: a.mp3: Is a directory\n")


def test_what_is_no_file_is_written_through(run: Run) -> None:
    assert run("say", "one", "-o", "/dev/null", "--format", "wav")[0] == 0
    assert not Path("/dev/null").is_file()


def test_a_model_whose_backend_is_not_installed(run: Run, folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("models: [{id: a, backend: nowhere}]\n", "utf-8")
    status, _, err = run("say", "one", "-o", "a.mp3")
    assert status == 1
    assert "pip install voicegw-nowhere" in err


def test_the_lexicon_holds_here_too(run: Run, folder: Path) -> None:
    (folder / "words.yaml").write_text("{en: {nginx: engine x}, de: {nginx: {ipa: T}}}", "utf-8")
    (folder / "voicegw.yaml").write_text("{models: [{id: tone, backend: tone}], lexicon: words.yaml}", "utf-8")
    assert run("say", "nginx", "-o", "a.wav") == (0, "", "")
    assert samples(folder / "a.wav") == SECOND
    status, _, err = run("say", "nginx", "-o", "a.wav", "--language", "de")
    assert (status, err) == (0, "voicegw: pronunciations in IPA have no effect on tone\n")
    assert samples(folder / "a.wav") == SECOND // 2


def test_a_bad_lexicon_is_refused_before_anything_is_started(run: Run, folder: Path) -> None:
    (folder / "words.yaml").write_text("en: {nginx: {sya: x}}", "utf-8")
    (folder / "voicegw.yaml").write_text("{models: [{id: tone, backend: tone}], lexicon: words.yaml}", "utf-8")
    said = "voicegw: lexicon: The lexicon words.yaml cannot be used: the entry 'en: nginx' has unknown keys: sya.\n"
    assert run("say", "nginx", "-o", "a.wav") == (2, "", said)
    assert run("serve", "--port", "0") == (2, "", said)
    (folder / "words.yaml").unlink()
    missing = "voicegw: lexicon: there is no file 'words.yaml' (voicegw.yaml)\n"
    assert run("say", "nginx", "-o", "a.wav") == run("serve", "--port", "0") == (2, "", missing)


def test_a_warning_is_told(run: Run) -> None:
    status, _, err = run("say", "one", "-o", "a.wav", "--language", "xx")
    assert status == 0
    assert err.startswith("voicegw: language xx is not one of")


def test_by_a_server(run: Run, server: RunningServer, folder: Path) -> None:
    assert run("say", "one two", "-o", "a.wav", "--model", "tone", "--url", server.url, "--api-key", "k")[0] == 0
    assert samples(folder / "a.wav") == SECOND
    run("say", "one two", "-o", "b.wav")
    assert (folder / "a.wav").read_bytes() == (folder / "b.wav").read_bytes()
    url = f"{server.url}/v1"
    status, _, err = run(
        "say", "one two", "-o", "c.wav", "--model", "tone", "--url", url, "--speed", "4", "--language", "xx"
    )
    assert (status, "language xx" in err) == (0, True)
    assert samples(folder / "c.wav") == pytest.approx(SECOND / 4, abs=600)


def test_a_server_that_refuses(run: Run, server: RunningServer, folder: Path) -> None:
    status, _, err = run("say", "one", "-o", "a.wav", "--model", "x", "--url", server.url)
    assert status == 1
    assert err.startswith("voicegw: The model 'x' does not exist")
    assert err.endswith("(HTTP 404)\n")
    assert not (folder / "a.wav").exists()


def test_a_server_that_is_not_there(run: Run) -> None:
    status, _, err = run("say", "one", "-o", "a.wav", "--url", f"http://127.0.0.1:{free_port()}")
    assert status == 1
    assert err.startswith("voicegw: no answer from ")


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Answer one connection with these bytes, whatever it asks."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"}"):  # closing with the body unread would reset the connection
                    asked += connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_a_stream_that_breaks_leaves_no_file(run: Run, folder: Path) -> None:
    with answering(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n") as url:
        status, _, err = run("say", "one", "-o", "a.mp3", "--url", url)
    assert (status, err) == (1, "voicegw: the server broke off in the middle of the speech\n")
    assert [path.name for path in folder.iterdir()] == ["voicegw.yaml"]


def test_an_answer_that_is_no_error_object(run: Run) -> None:
    with answering(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\noops!") as url:
        assert run("say", "one", "-o", "a.mp3", "--url", url) == (1, "", "voicegw: the server answered HTTP 502\n")


def test_an_interrupt_leaves_no_file_and_no_process(folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("models: [{id: tone, backend: tone, parameters: {rtf: 1.0}}]\n", "utf-8")
    with subprocess.Popen([program(), "say", "one " * 200, "-o", "a.wav"], stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 30
        while not list(folder.glob(".a.wav.*.part")) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert [path.name for path in folder.iterdir()] == ["voicegw.yaml"]


def test_a_reader_that_goes_away_is_no_disaster(folder: Path) -> None:
    (folder / "voicegw.yaml").write_text("models: [{id: tone, backend: tone}]\n", "utf-8")
    command = [str(program()), "say", "one " * 500, "--format", "pcm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(30) in (1, 141)
        assert b"Traceback" not in process.stderr.read()
