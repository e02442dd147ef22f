"""What people upload who mean no good: files that name other files or hosts, that lie, that unpack to days of audio."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Final

import numpy as np

from tests.support.recordings import FORMATS, flac_of_silence, tone, wav


def _zip(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


def elsewhere(path: str = "sound.wav", port: int = 9) -> Mapping[str, bytes]:
    """Give what names a file of this machine, or a port of it.

    Args:
        path: Of the file.
        port: Of the loopback interface.
    """
    url = f"http://127.0.0.1:{port}/a.wav"
    lists = {
        "ffconcat": f"ffconcat version 1.0\nfile {path}\n",
        "ffconcat, quoted": f"ffconcat version 1.0\nfile '{path}'\nduration 1\n",
        "concat, absolute": f"ffconcat version 1.0\nfile file://{path}\n",
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
        "m3u8, http": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "dash": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
            f'mimeType="audio/mp4"><Representation id="0"><BaseURL>{url}</BaseURL></Representation></AdaptationSet>'
            "</Period></MPD>"
        ),
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/><audio src="{path}"/></svg>',
        "smil": f'<smil><body><audio src="{path}"/></body></smil>',
        "asx": f'<ASX version="3.0"><ENTRY><REF HREF="{url}"/></ENTRY></ASX>',
        "pls": f"[playlist]\nFile1={path}\nNumberOfEntries=1\n",
        "xspf": f"<playlist><trackList><track><location>{path}</location></track></trackList></playlist>",
        "html": f'<!doctype html><audio src="{url}"></audio>',
        "rtsp": f"[Reference]\nRef1=rtsp://127.0.0.1:{port}/\n",
        "imf": f'<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">{path}',
        "webvtt": f"WEBVTT\n\n00:00.000 --> 00:01.000\n{path}\n",
        "path": path,
        "url": url,
    }
    return {name: text.encode() for name, text in lists.items()}


SOUND: Final = (20_000 * tone(1.0, 16_000)[0]).astype(np.int16)


def no_audio() -> Mapping[str, bytes]:
    """Give what is no audio, or broken."""
    noise = np.random.default_rng(1).bytes(200_000)
    return {
        "empty": b"",
        "one byte": b"\0",
        "zeros": bytes(1_000_000),
        "noise": noise,
        "text": "Es war einmal ein Müller. ".encode() * 1000,
        "json": b'{"a": ' * 10_000,
        "zip": _zip("a.wav", wav(SOUND, 16_000)),
        "zip bomb": _zip("a.wav", bytes(20_000_000)),
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + noise,
        "png": b"\x89PNG\r\n\x1a\n" + noise,
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + noise,
        "elf": b"\x7fELF\x02\x01\x01" + noise,
        "pdf": b"%PDF-1.7\n" + noise,
        "truncated wav": wav(SOUND, 16_000)[:16_000],
        "truncated flac": FORMATS["flac"].make(2.0)[:15_000],
        "truncated m4a": FORMATS["m4a"].make(2.0)[:15_000],
        "wav without samples": wav(SOUND[:0], 16_000),
        "wav of 4 GB": wav(SOUND[:0], 16_000, size=0xFFFFFFFF),
        "wav with a header of 4 GB": wav(SOUND, 16_000, before=struct.pack("<4sI", b"LIST", 0xFFFFFFF0) + b"INFOISFT"),
        "wav with 255 channels": wav(np.ones((16_000, 255), np.int16), 16_000),
        "wav with 65,535 channels": wav(np.ones((300, 65_535), np.uint8), 16_000),
        "wav without channels": wav(np.ones((16_000, 1), np.int16)[:, :0], 16_000),
        "wav at 4 MHz": wav(np.ones(800_000, np.int16), 4_000_000),
        "wav at 4 GHz": wav(SOUND, 2**32 - 1),
        "wav at 2 GHz": wav(SOUND, 2**31 - 1),
        "wav at 0 Hz": wav(SOUND, 0),
        "wav at 1 Hz": wav(SOUND, 1),
        "wav of no numbers": wav(np.full(16_000, np.nan, np.float32), 16_000),
        "an hour of silence too much": flac_of_silence(500_000),
    }
