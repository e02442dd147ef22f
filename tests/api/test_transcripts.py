"""Transcripts and captions made of segments, letter by letter."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.support.ears import segment
from voicegw.api.openai import captions, transcripts
from voicegw.api.openai.transcripts import Transcript
from voicegw.backend import TranscriptDone
from voicegw.services.transcribing import Heard


def said(*texts: str) -> list[Heard]:
    return [Heard(n, replace(segment(n, n, n + 0.5, "x"), text=text)) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "added", "whole"),
    [
        ([], [], ""),
        ([" one", " two."], ["one", " two."], "one two."),
        (["one ", "two\n", " "], ["one", " two", ""], "one two"),
        (["  ", " one", "  ", "two "], ["", "one", "", "  two"], "one  two"),
        (["你好", "世界"], ["你好", "世界"], "你好世界"),
        ([" "], [""], ""),
    ],
)
def test_what_each_segment_adds_makes_the_text(texts: list[str], added: list[str], whole: str) -> None:
    transcript = Transcript()
    assert [transcript.add(each) for each in said(*texts)] == added
    assert transcript.text == "".join(added) == whole == "".join(texts).strip()


def test_srt() -> None:
    heard = said(" one\n\ntwo ", " ", "--> three")
    heard[2] = Heard(2, replace(heard[2].segment, start_s=3599.9996, end_s=360_000.0))
    assert captions.srt(heard) == (
        "1\n00:00:00,000 --> 00:00:00,500\none two\n\n2\n01:00:00,000 --> 100:00:00,000\n-> three\n\n"
    )


def test_vtt() -> None:
    heard = said(" AT&T <b>", "", "--> x")
    assert captions.vtt(heard) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\nAT&amp;T &lt;b&gt;\n\n00:00:02.000 --> 00:00:02.500\n--&gt; x\n\n"
    )


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-1.0, "00:00:00,000"),
        (0.0004, "00:00:00,000"),
        (0.0006, "00:00:00,001"),
        (59.9996, "00:01:00,000"),
        (3661.25, "01:01:01,250"),
    ],
)
def test_times(seconds: float, written: str) -> None:
    assert captions._time(seconds, ",") == written


def test_captions_of_silence() -> None:
    assert (captions.srt([]), captions.vtt([])) == ("", "WEBVTT\n\n")


def transcript(*heard: Heard, done: TranscriptDone | None = None) -> Transcript:
    made = Transcript()
    for each in heard:
        made.add(each)
    made.done = done or TranscriptDone(1.25, None, None)
    return made


def test_numbers_that_json_cannot_hold_are_none() -> None:
    odd = replace(
        segment(0, 0, math.inf, "x"),
        avg_logprob=math.nan,
        compression_ratio=None,
        text="",
        logprobs=(("a", -math.inf),),
    )
    told = transcripts.verbose_json(transcript(Heard(0, odd)), "transcribe", "en", segments=True, words=True)
    (only,) = told["segments"]
    assert (only["end"], only["avg_logprob"], only["compression_ratio"]) == (0.0, 0.0, 0.0)
    plain = transcripts.plain_json(transcript(Heard(0, odd)), None, logprobs=True)
    assert plain["logprobs"] == [{"token": "a", "logprob": 0.0, "bytes": [97]}]


def test_a_language_that_nobody_knows() -> None:
    told = transcripts.verbose_json(transcript(), "transcribe", None, segments=False, words=False)
    assert told == {
        "task": "transcribe",
        "language": "unknown",
        "duration": 1.25,
        "text": "",
        "usage": {"type": "duration", "seconds": 2},
    }
    assert "languages" not in transcripts.plain_json(transcript(), None, logprobs=False)


def test_diarized_json() -> None:
    heard = [replace(each, speaker=name) for each, name in zip(said(" one", " two "), ("A", "anna"), strict=True)]
    assert transcripts.diarized_json(transcript(*heard, done=TranscriptDone(1.5, 4, 2)), "transcribe") == {
        "task": "transcribe",
        "duration": 1.5,
        "text": "one two",
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": "seg_001",
                "start": 0.0,
                "end": 0.5,
                "text": "one",
                "speaker": "A",
            },
            {
                "type": "transcript.text.segment",
                "id": "seg_002",
                "start": 1.0,
                "end": 1.5,
                "text": "two",
                "speaker": "anna",
            },
        ],
        "usage": {
            "type": "tokens",
            "input_tokens": 4,
            "output_tokens": 2,
            "total_tokens": 6,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 4},
        },
    }


def test_events_of_a_speaker() -> None:
    (heard,) = said(" one")
    told = [*transcripts.events(replace(heard, speaker="A"), "one", logprobs=False)]
    assert told == [
        {"type": "transcript.text.delta", "delta": "one", "segment_id": "seg_001"},
        {"type": "transcript.text.segment", "id": "seg_001", "start": 0.0, "end": 0.5, "text": "one", "speaker": "A"},
    ]


def test_a_segment_that_adds_nothing_has_no_delta() -> None:
    (heard,) = said(" ")
    assert [*transcripts.events(heard, "", logprobs=True)] == []


def test_tokens_that_are_half_a_character() -> None:
    (heard,) = said("x")
    odd = replace(heard, segment=replace(heard.segment, logprobs=(("\ud83d", -1.0),)))
    (delta,) = transcripts.events(odd, "x", logprobs=True)
    assert delta["logprobs"] == [{"token": "\ud83d", "logprob": -1.0, "bytes": [63]}]
