"""Have every OpenAI voice say the same sentence, all at once, each into a file of its own.

    python examples/every_voice.py folder [model]

The server speaks as many at the same time as the model has slots; the others wait their turn in its queue, and what
finds the queue full is tried again by the client after the time that the server names. OPENAI_BASE_URL names another
server.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from openai import AsyncOpenAI

VOICES = [
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
]


async def speak(client: AsyncOpenAI, model: str, voice: str, folder: Path) -> None:
    """Write what one voice says to ``folder/VOICE.mp3``."""
    answer = await client.audio.speech.create(model=model, voice=voice, input=f"Hello, my name is {voice}.")
    await asyncio.to_thread((folder / f"{voice}.mp3").write_bytes, answer.content)
    print(voice)


async def main(folder: Path, model: str) -> None:
    """Let all voices speak into a folder."""
    base_url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=5) as client, asyncio.TaskGroup() as tasks:
        for voice in VOICES:
            tasks.create_task(speak(client, model, voice, folder))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target, sys.argv[2] if len(sys.argv) > 2 else "tts-1"))
