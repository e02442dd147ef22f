"""A whole transcript in the form that was asked for."""

from __future__ import annotations

import json
from typing import Any, Final

from voicegw.api.openai import captions, transcripts
from voicegw.api.openai.submitted import Submission
from voicegw.api.openai.transcripts import Transcript

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
"""Content type of all that is no JSON, captions too: clients give it to their callers as it is."""


def render(asked: Submission, transcript: Transcript, language: str | None) -> tuple[bytes, str]:
    """Give the answer and its content type; ``language`` is the tag of what was spoken."""
    if asked.format == "text":
        return _encoded(f"{transcript.text}\n"), TEXT
    if asked.format == "srt":
        return _encoded(captions.srt(transcript.heard)), TEXT
    if asked.format == "vtt":
        return _encoded(captions.vtt(transcript.heard)), TEXT
    return _encoded(json.dumps(_told(asked, transcript, language), ensure_ascii=False, separators=(",", ":"))), JSON


def _told(asked: Submission, transcript: Transcript, language: str | None) -> dict[str, Any]:
    task = asked.request.task
    if asked.format == "json":
        return transcripts.plain_json(transcript, language, logprobs=asked.request.logprobs)
    if asked.format == "diarized_json":
        return transcripts.diarized_json(transcript, task)
    written = "en" if task == "translate" else language
    return transcripts.verbose_json(transcript, task, written, segments=asked.segments, words=asked.words)


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # half a character, as a model may give it
