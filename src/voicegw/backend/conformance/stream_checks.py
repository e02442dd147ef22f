"""Checks of one stream: its audio, its end, its words."""

from __future__ import annotations

import math

import numpy as np

from voicegw.backend.conformance.check import applies, check, require
from voicegw.backend.conformance.stage import SENTENCE, Model, Stage, audible
from voicegw.backend.conformance.take import Take
from voicegw.backend.contract import AudioChunk, SpeechDone, WordTiming

_EARLY = 0.8
_PEAK = 1.25
_WORDS = len(SENTENCE.split())
_WORD_S = (0.02, 5.0)
_SLACK_S = 0.05


@check
async def first_chunk_comes_early(stage: Stage) -> None:
    """A model that streams gives its first chunk before it has made the last."""
    model = await stage.model()
    applies(model.info.streaming, "the model does not stream")
    share = math.inf
    for _ in range(stage.bounds.tries):
        take = await model.speak(model.long)
        require(len(take.chunks) > 1, f"a long text came in {len(take.chunks)} chunk")
        share = min(share, _share_before_first(take))
        if share <= _EARLY:
            return
    require(False, f"the first chunk came after {share:.0%} of the time that all of them took")


@check
async def audio_has_one_form(stage: Stage) -> None:
    """All chunks are one-dimensional arrays, all float32 or all int16."""
    chunks = (await (await stage.model()).speak()).chunks
    for chunk in chunks:
        require(isinstance(chunk, np.ndarray), f"a chunk is a {type(chunk).__name__}, not an array")
        require(chunk.ndim == 1, f"a chunk has the shape {chunk.shape}")
        require(chunk.dtype in (np.float32, np.int16), f"a chunk has the type {chunk.dtype}")
    types = sorted({str(chunk.dtype) for chunk in chunks})
    require(len(types) <= 1, f"chunks of one stream have the types {', '.join(types)}")


@check
async def audio_is_in_range(stage: Stage) -> None:
    """Audio is finite and, but for what clipping forgives, within [-1, 1]."""
    pcm = (await (await stage.model()).speak()).pcm()
    require(bool(np.isfinite(pcm).all()), "there are samples that are not finite")
    peak = float(np.max(np.abs(pcm), initial=0.0))
    require(peak <= _PEAK, f"the peak is {peak:.2f}")


@check
async def audio_is_heard(stage: Stage) -> None:
    """A sentence is audible."""
    require(audible(await (await stage.model()).speak()), "seven words are silent")


@check
async def audio_lasts_as_speech_does(stage: Stage) -> None:
    """At the declared sample rate a sentence lasts as long as one could."""
    take = await (await stage.model()).speak()
    shortest, longest = (_WORDS * seconds for seconds in _WORD_S)
    require(take.seconds >= shortest, f"seven words last {take.seconds:.2f} s")
    if take.done is not None and take.done.finish == "stop":
        require(take.seconds <= longest, f"seven words last {take.seconds:.2f} s")


@check
async def chunks_stay_what_they_were(stage: Stage) -> None:
    """A chunk that was given away does not change when the next one is made."""
    model = await stage.model()
    take = await model.speak(model.long)
    changed = sum(not np.array_equal(chunk, copy) for chunk, copy in zip(take.chunks, take.copies, strict=True))
    require(not changed, f"{changed} chunks were written over later")


@check
async def done_comes_once_and_last(stage: Stage) -> None:
    """SpeechDone is the last event and the only one of its kind, and no event is of an unknown kind."""
    events = (await (await stage.model()).speak()).events
    odd = [type(event).__name__ for event in events if not isinstance(event, AudioChunk | WordTiming | SpeechDone)]
    require(not odd, f"events of unknown kinds: {', '.join(odd[:3])}")
    ends = [number for number, event in enumerate(events, 1) if isinstance(event, SpeechDone)]
    require(len(ends) == 1, f"SpeechDone came {len(ends)} times")
    require(ends[-1] == len(events), f"{len(events) - ends[-1]} events came after SpeechDone")


@check
async def finish_has_a_known_reason(stage: Stage) -> None:
    """The reason of the end is one of stop, length and runaway."""
    done = (await (await stage.model()).speak()).done
    reason = done.finish if done is not None else None
    require(reason in {"stop", "length", "runaway", None}, f"finish is {reason!r}")


@check
async def continuation_is_bounded(stage: Stage) -> None:
    """What goes to the next segment is within its limit, and the next segment speaks from it."""
    model = await stage.model()
    limit = model.info.limits.continuation_bytes
    done = (await model.speak()).done
    given = done.continuation if done is not None else None
    require(given is None or isinstance(given, bytes), f"a continuation is a {type(given).__name__}")
    require(len(given or b"") <= limit, f"a continuation of {len(given or b'')} bytes, {limit} are declared")
    applies(given is not None, "no continuation is given")
    require((await model.speak(continuation=given)).samples > 0, "there is no audio after a continuation")


@check
async def words_come_only_when_asked(stage: Stage) -> None:
    """There are word times if they are asked for and the manifest says so, and none otherwise."""
    model = await stage.model()
    require(not (await model.speak()).words, "word times came unasked")
    asked = (await model.speak(words=True)).words
    require(bool(asked) == model.info.words, f"words is {model.info.words}, and {len(asked)} word times came")


@check
async def words_are_spans_of_the_text(stage: Stage) -> None:
    """Word times are in order, inside the audio, and name parts of the text with something to speak in them."""
    take = await _spoken_with_words(stage)
    slack = round(_SLACK_S * take.rate)
    before = (0, 0)
    for word in take.words:
        name = f"word {word.char_start}-{word.char_end} at {word.start}-{word.end}"
        require(0 <= word.char_start < word.char_end <= len(SENTENCE), f"{name} is no span of the text")
        spoken = SENTENCE[word.char_start : word.char_end]
        require(any(char.isalnum() for char in spoken), f"{name} names {spoken!r}")
        require(0 <= word.start < word.end, f"{name} ends before it starts")
        require(word.end <= take.samples + slack, f"{name} lies beyond the {take.samples} samples of audio")
        require((word.start, word.char_start) >= before, f"{name} comes after a later word")
        before = (word.start, word.char_start)


@check
async def words_come_in_time(stage: Stage) -> None:
    """A word's time is told before the chunk in which the word starts."""
    take = await _spoken_with_words(stage)
    passed = 0
    for event in take.events:
        if isinstance(event, AudioChunk):
            passed += np.size(event.pcm)
        elif isinstance(event, WordTiming):
            late = passed - event.start
            require(late <= 0, f"a word that starts at sample {event.start} was told {late} samples too late")


async def _spoken_with_words(stage: Stage) -> Take:
    model: Model = await stage.model()
    applies(model.info.words, "the model gives no word times")
    return await model.speak(words=True)


def _share_before_first(take: Take) -> float:
    ended = take.ended_at or math.inf
    return ((take.first_at or ended) - take.begun) / max(ended - take.begun, 1e-9)
