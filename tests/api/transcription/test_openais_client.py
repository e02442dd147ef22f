"""OpenAI's client for Python, with everything that it can ask of transcriptions and translations."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.audio import (
    Transcription,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionVerbose,
    TranslationVerbose,
)

from tests.api.transcription.conftest import UPLOAD
from tests.support.gateway import Gateway
from tests.support.uploads import heard, sound

AUDIO = sound(2.5)
SAID = heard(AUDIO)
FIRST = heard(AUDIO, 0, 1)
EACH_SECOND: dict[str, Any] = {"extra_body": {"segment_s": 1}}

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # OpenAI ends these names in 2027


@pytest.fixture
def sync(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as made:
        yield made
    gateway.wait_idle()


def test_files_in_all_the_ways_that_it_takes_them(sync: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "speech.m4a"
    path.write_bytes(AUDIO)
    with path.open("rb") as opened:
        for given in (path, opened, AUDIO, io.BytesIO(AUDIO), ("a.wav", AUDIO), ("a.ogg", AUDIO, "audio/ogg")):
            told = sync.audio.transcriptions.create(model="whisper-1", file=given)
            assert isinstance(told, Transcription)
            assert told.text == SAID


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
def test_text_and_captions_are_strings(sync: openai.OpenAI, form: Any) -> None:
    told: Any = sync.audio.transcriptions.create(model="whisper-1", file=AUDIO, response_format=form)
    assert isinstance(told, str)
    assert SAID in told
    assert told.endswith("\n")
    assert told.startswith({"text": SAID, "srt": "1\n00:00:00,000 --> ", "vtt": "WEBVTT\n\n00:00:00.000 --> "}[form])


def test_verbose(sync: openai.OpenAI) -> None:
    told = sync.audio.transcriptions.create(
        model="whisper-1",
        file=AUDIO,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
        prompt="Before.",
        temperature=0.2,
        **EACH_SECOND,
    )
    assert isinstance(told, TranscriptionVerbose)
    assert (told.language, told.duration) == ("english", 2.5)
    assert told.segments
    assert told.words
    assert [(each.id, each.start, each.end) for each in told.segments] == [(0, 0.0, 1.0), (1, 1.0, 2.0), (2, 2.0, 2.5)]
    assert [each.word for each in told.words[:3]] == FIRST.split()
    assert told.usage
    assert told.usage.seconds == 3


def test_logprobs_languages_keywords_and_chunking(sync: openai.OpenAI) -> None:
    raw = sync.audio.transcriptions.with_raw_response.create(
        model="gpt-4o-transcribe",
        file=AUDIO,
        include=["logprobs"],
        languages=["en"],
        keywords=["Voicegw"],
        chunking_strategy={"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 300},
        extra_body={"nested": {"a": [1]}, "flag": True},
    )
    assert raw.headers["x-voicegw-ignored"] == "chunking_strategy, nested, flag"
    told = raw.parse()
    assert told.logprobs
    assert [each.token for each in told.logprobs] == SAID.split()
    assert told.languages
    assert told.languages[0].code == "en"
    assert told.usage
    assert told.usage.type == "tokens"


def test_known_speakers_are_taken_where_nobody_tells_them_apart(sync: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="No diarizer is configured") as refused:
        sync.audio.transcriptions.create(
            model="gpt-4o-transcribe-diarize",
            file=AUDIO,
            response_format="diarized_json",
            chunking_strategy="auto",
            known_speaker_names=["anna", "bert"],
            known_speaker_references=["data:audio/wav;base64,AAAA", "data:audio/wav;base64,BBBB"],
        )
    assert (refused.value.param, refused.value.code) == ("response_format", "no_diarizer")


def test_streaming(sync: openai.OpenAI) -> None:
    events = sync.audio.transcriptions.create(model="gpt-transcribe", file=AUDIO, stream=True, **EACH_SECOND)
    *deltas, done = events
    assert all(isinstance(each, TranscriptionTextDeltaEvent) for each in deltas)
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert len(deltas) == 3
    assert "".join(each.delta for each in deltas if isinstance(each, TranscriptionTextDeltaEvent)) == done.text
    assert done.usage
    assert done.usage.output_tokens == 2


def test_streaming_that_fails_raises(sync: openai.OpenAI) -> None:
    extra = {"segment_s": 1, "raise_after": 1}
    events = sync.audio.transcriptions.create(model="narrow", file=AUDIO, stream=True, extra_body=extra)
    with pytest.raises(openai.APIError, match="the model failed"):
        list(events)


async def test_async(gateway: Gateway) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        told = await client.audio.transcriptions.create(model="whisper-1", file=AUDIO)
        assert told.text == SAID
        events = await client.audio.transcriptions.create(model="whisper-1", file=AUDIO, stream=True, **EACH_SECOND)
        kinds = [event.type async for event in events]
        assert kinds == ["transcript.text.delta"] * 3 + ["transcript.text.done"]
        verbose = await client.audio.transcriptions.create(
            model="whisper-1", file=AUDIO, response_format="verbose_json", timestamp_granularities=["word"]
        )
        assert verbose.segments is None
        assert verbose.words
        async with client.audio.transcriptions.with_streaming_response.create(
            model="whisper-1", file=AUDIO, response_format="text"
        ) as response:
            assert await response.text() == f"{SAID}\n"


def test_translations(sync: openai.OpenAI) -> None:
    assert sync.audio.translations.create(model="whisper-1", file=AUDIO, prompt="x", temperature=0).text == SAID
    verbose = sync.audio.translations.create(model="whisper-1", file=AUDIO, response_format="verbose_json")
    assert isinstance(verbose, TranslationVerbose)
    assert (verbose.language, verbose.duration) == ("english", 2.5)
    assert verbose.segments
    text: Any = sync.audio.translations.create(model="whisper-1", file=AUDIO, response_format="srt")
    assert text == f"1\n00:00:00,000 --> 00:00:02,500\n{SAID}\n\n"


def test_errors_are_the_clients_own_kinds(sync: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        sync.audio.transcriptions.create(model="whisper-1", file=AUDIO, temperature=3)
    assert (bad.value.param, bad.value.code, bad.value.type) == (
        "temperature",
        "invalid_value",
        "invalid_request_error",
    )
    assert bad.value.request_id
    with pytest.raises(openai.NotFoundError) as unknown:
        sync.audio.transcriptions.create(model="nix", file=AUDIO)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.APIStatusError) as large:
        sync.audio.transcriptions.create(model="whisper-1", file=bytes(UPLOAD + 1))
    assert (large.value.status_code, large.value.code) == (413, "request_too_large")


def test_a_retried_upload_is_sent_again_whole(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=2) as client:
        with pytest.raises(openai.InternalServerError):
            client.audio.transcriptions.create(model="narrow", file=AUDIO, extra_body={"raise_after": 0})
        assert client.audio.transcriptions.create(model="narrow", file=AUDIO).text == SAID
