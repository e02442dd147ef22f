"""What was heard, in the JSON of OpenAI's API: whole answers, and the events of one that comes piece by piece."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from voicegw.backend import TranscriptDone, TranscriptSegment
from voicegw.services.languages import english_name
from voicegw.services.transcribing import Event, Heard


class Transcript:
    """What was heard so far.

    Attributes:
        heard: The segments.
        done: The end, once it is there.
    """

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.done = TranscriptDone(0.0, None, None)
        self._said: list[str] = []
        self._space = ""

    def take(self, event: Event) -> str:
        """Take what comes of a transcription, and give what it adds to the text: all of that together is the text."""
        if isinstance(event, Heard):
            return self.add(event)
        self.done = event
        return ""

    def add(self, heard: Heard) -> str:
        """Take a segment; see :meth:`take`."""
        self.heard.append(heard)
        text = self._space + heard.segment.text
        text = text if self._said else text.lstrip()
        added = text.rstrip()
        self._space = text[len(added) :]
        if added:
            self._said.append(added)
        return added

    @property
    def text(self) -> str:
        """What all of them say, without white space around it."""
        return "".join(self._said)


def plain_json(transcript: Transcript, language: str | None, *, logprobs: bool) -> dict[str, Any]:
    """Give the answer ``json``; ``language`` is a tag."""
    told: dict[str, Any] = {"text": transcript.text}
    if logprobs:
        told["logprobs"] = [*_logprobs(transcript.heard)]
    if language:
        told["languages"] = [{"code": language}]
    return {**told, "usage": _usage(transcript.done)}


def verbose_json(
    transcript: Transcript, task: str, language: str | None, *, segments: bool, words: bool
) -> dict[str, Any]:
    """Give the answer ``verbose_json``; ``language`` is a tag, of what is written."""
    told: dict[str, Any] = {
        "task": task,
        "language": english_name(language) if language else "unknown",
        "duration": _seconds(transcript.done.duration_s),
        "text": transcript.text,
    }
    if words:
        told["words"] = [*_words(transcript.heard)]
    if segments:
        told["segments"] = [_segment(each) for each in transcript.heard]
    return {**told, "usage": _duration(transcript.done)}


def diarized_json(transcript: Transcript, task: str) -> dict[str, Any]:
    """Give the answer ``diarized_json``."""
    return {
        "task": task,
        "duration": _seconds(transcript.done.duration_s),
        "text": transcript.text,
        "segments": [_spoken(each) for each in transcript.heard],
        "usage": _usage(transcript.done),
    }


def events(heard: Heard, added: str, *, logprobs: bool) -> Iterator[dict[str, Any]]:
    """Give the events that tell of a segment, which adds ``added`` to the text."""
    diarized = heard.speaker is not None
    if added:
        delta: dict[str, Any] = {"type": "transcript.text.delta", "delta": added}
        if logprobs:
            delta["logprobs"] = [*_logprobs((heard,))]
        yield {**delta, "segment_id": _id(heard)} if diarized else delta
    if diarized:
        yield _spoken(heard)


def done(transcript: Transcript, language: str | None, *, logprobs: bool) -> dict[str, Any]:
    """Give the last event."""
    told = plain_json(transcript, language, logprobs=logprobs)
    if told["usage"]["type"] != "tokens":
        del told["usage"]  # clients know no other kind here
    return {"type": "transcript.text.done", **told}


def _segment(heard: Heard) -> dict[str, Any]:
    """Give a segment with its ten keys, each of which some clients insist on: numbers even where a model has none."""
    segment = heard.segment
    return {
        "id": heard.number,
        "seek": segment.seek,
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": _number(segment.temperature),
        "avg_logprob": _number(segment.avg_logprob),
        "compression_ratio": _number(_ratio(segment)),
        "no_speech_prob": _number(segment.no_speech_prob),
    }


def _ratio(segment: TranscriptSegment) -> float:
    """Give how well the text is compressed, as Whisper counts it, where the model does not say."""
    if segment.compression_ratio is not None or not segment.text:
        return segment.compression_ratio or 0.0
    data = segment.text.encode(errors="replace")
    return round(len(data) / len(zlib.compress(data)), 4)


def _words(heard: Iterable[Heard]) -> Iterator[dict[str, Any]]:
    for word in (word for each in heard for word in each.segment.words):
        yield {"word": word.text.strip(), "start": _seconds(word.start_s), "end": _seconds(word.end_s)}


def _spoken(heard: Heard) -> dict[str, Any]:
    return {
        "type": "transcript.text.segment",
        "id": _id(heard),
        "start": _seconds(heard.segment.start_s),
        "end": _seconds(heard.segment.end_s),
        "text": heard.segment.text.strip(),
        "speaker": heard.speaker or "",
    }


def _id(heard: Heard) -> str:
    return f"seg_{heard.number + 1:03}"


def _logprobs(heard: Iterable[Heard]) -> Iterator[dict[str, Any]]:
    for token, logprob in (each for one in heard for each in one.segment.logprobs):
        yield {"token": token, "logprob": _number(logprob), "bytes": [*token.encode(errors="replace")]}


def _usage(end: TranscriptDone) -> dict[str, Any]:
    """Count tokens where the model has some, seconds elsewhere."""
    if end.input_tokens is None or end.output_tokens is None:
        return _duration(end)
    return {
        "type": "tokens",
        "input_tokens": end.input_tokens,
        "output_tokens": end.output_tokens,
        "total_tokens": end.input_tokens + end.output_tokens,
        "input_token_details": {"text_tokens": 0, "audio_tokens": end.input_tokens},
    }


def _duration(end: TranscriptDone) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(_seconds(end.duration_s))}


def _seconds(value: float) -> float:
    return round(_number(value), 3)


def _number(value: float | None) -> float:
    """Give a number that JSON can hold."""
    return float(value) if value is not None and math.isfinite(value) else 0.0
