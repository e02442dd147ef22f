"""Speak a text into a file while it is made, with OpenAI's client, and tell when the first audio came.

    python examples/stream_to_file.py "A text of any length." speech.mp3

The format follows the file's suffix: .mp3, .opus, .aac, .flac, .wav or .pcm. OPENAI_BASE_URL names another server.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from openai import OpenAI


def main(text: str, path: Path) -> None:
    """Stream the speech of ``text`` to ``path``."""
    client = OpenAI(base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1"), api_key="none")
    suffix: Any = path.suffix.removeprefix(".")  # the server tells which ones it knows
    started = time.monotonic()
    first_s = None
    with (
        path.open("wb") as file,
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=text, response_format=suffix
        ) as answer,
    ):
        for piece in answer.iter_bytes():
            if first_s is None:
                first_s = time.monotonic() - started
            file.write(piece)
    print(
        f"{path}: first audio after {1000 * (first_s or 0):.0f} ms, all of it after {time.monotonic() - started:.2f} s"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
