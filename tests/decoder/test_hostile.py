"""What people upload who mean no good, in a process that could still open files: it does not even try to."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.decoder.kit import decoded, refusal
from tests.support.hostile_uploads import SOUND, elsewhere, no_audio
from tests.support.recordings import FORMATS, Track, encoded, flac_of_silence, tone, wav

ELSEWHERE = elsewhere()
NO_AUDIO = no_audio()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_names_a_file_or_a_host_is_no_audio(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sound.wav").write_bytes(wav(SOUND, 16_000))
    monkeypatch.chdir(tmp_path)
    error = refusal(ELSEWHERE[name])
    assert (error.code, error.param) == ("invalid_file_format", "file")
    assert error.message.startswith("Invalid file format. Supported formats: ['flac', 'mp3',")


@pytest.mark.parametrize("path", ["sound.wav", "./sound.wav", "sub/sound.wav", "{}/sound.wav"])
def test_neither_file_nor_port_is_touched(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path, tmp_path / "sub"):
        os.mkfifo(place / "sound.wav")  # whoever opens it hangs
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        for data in elsewhere(path.format(tmp_path), listener.getsockname()[1]).values():
            assert refusal(data).code == "invalid_file_format"
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_pyav_by_itself_would_have_opened_it(tmp_path: Path) -> None:
    """What these tests keep away is there: without the allowlists, an upload can read another file."""
    (tmp_path / "sound.wav").write_bytes(wav(SOUND, 16_000))
    code = (
        "import av, io, sys; file = av.open(io.BytesIO(sys.stdin.buffer.read()))\n"
        "print(sum(frame.samples for frame in file.decode(audio=0)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, input=ELSEWHERE["ffconcat"], capture_output=True, check=True
    )
    assert int(found.stdout) == 16_000


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_is_no_audio_is_refused(name: str) -> None:
    error = refusal(NO_AUDIO[name], max_s=3600.0)
    assert error.param == "file"
    assert error.code in ("invalid_file_format", "audio_undecodable", "audio_too_short", "audio_too_long")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wav with 255 channels", "The audio has 255 channels; 1 to 16 are taken."),
        ("wav at 4 MHz", "The audio has a sample rate of 4000000 Hz; 4000 to 384000 Hz are taken."),
        ("wav at 1 Hz", "The audio has a sample rate of 1 Hz; 4000 to 384000 Hz are taken."),
        ("an hour of silence too much", "The file holds more than the 3600 s of audio that are taken."),
        ("truncated wav", "The file was cut off: of 1.00 s of audio it holds 0.50 s."),
    ],
)
def test_the_problem_is_named(name: str, message: str) -> None:
    assert refusal(NO_AUDIO[name], max_s=3600.0).message == message


def test_a_bomb_is_weighed_before_anything_of_it_is_decoded() -> None:
    bomb = bytearray(FORMATS["ogg, opus"].make(3.0))
    lie = bytes(bomb).replace(b"OpusHead\x01\x02", b"OpusHead\x01\x00")  # its decoder would refuse it
    assert refusal(lie).code != "audio_too_long"
    assert refusal(lie, max_s=2.0).code in ("audio_too_long", "audio_undecodable")
    assert refusal(flac_of_silence(100_000), max_s=60.0).code == "audio_too_long"


def test_a_bomb_that_lies_about_its_weight_is_counted() -> None:
    data = bytearray(encoded("mp4", Track(tone(3.0, 48_000), 48_000, "aac")).replace(b"edts", b"free"))
    at = data.index(b"stts") + 8
    entries = struct.unpack_from(">I", data, at)[0]
    for entry in range(entries):
        struct.pack_into(">I", data, at + 8 + 8 * entry, 1)  # every frame says that it lasts one sample
    assert decoded(bytes(data))[1].duration_s == pytest.approx(3.0, abs=0.1)
    assert refusal(bytes(data), max_s=2.0).code == "audio_too_long"


def test_an_mp4_whose_samples_lie_in_another_file_reads_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "sound.wav")
    whole = encoded("mov", Track(tone(1.0, 48_000), 48_000, "pcm_s16le"))
    own = whole.index(b"dref") - 4
    size = struct.unpack_from(">I", whole, own)[0]
    entry = struct.pack(">I4sI", 12 + 10, b"url ", 0) + b"sound.wav\0"
    dref = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    grown = bytearray(whole[:own] + dref + whole[own + size :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = grown.index(name) - 4
        struct.pack_into(">I", grown, at, struct.unpack_from(">I", grown, at)[0] + len(dref) - size)
    decoded(bytes(grown))  # as if it had no such entry: the samples are taken from where they would be in this file


def test_many_channels_of_noise_in_planes_are_no_crash() -> None:
    """Seven channels and eight: the second of these once read behind the planes of a frame."""
    for layout, channels in (("6.1", 7), ("7.1", 8)):
        sound = tone(1.0, 48_000, channels)
        assert len(sound) == channels, layout
        data = encoded("mp4", Track(sound, 48_000, "aac"))
        pcm, done = decoded(data)
        assert done.source_channels == channels
        assert len(pcm) == pytest.approx(16_000, abs=600)


def test_what_is_no_number_in_one_sample_of_an_hour() -> None:
    samples = np.zeros(8_000 * 600, np.float32)
    samples[-1] = np.inf
    assert "NaN" in refusal(wav(samples, 8_000), max_s=3600.0).message
