"""Checks of repetition and company: the same again, beside others, with a slow or a failing neighbour."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from voicegw.backend.conformance.check import Failure, NotApplicable, applies, check, require
from voicegw.backend.conformance.crowd import crowd_starts_together, speak_together, under_way
from voicegw.backend.conformance.stage import SENTENCE, SHORT, Model, Stage, is_audio
from voicegw.backend.conformance.take import Take, next_event, record

_FACTOR = 2.0
_SOME = 4
_SEEDS = (0, 1, 2**32 - 1)
_TEXTS = (SENTENCE, "Eight nine ten.", "Eleven twelve thirteen fourteen fifteen.", "Sixteen.")


@check
async def slots_run_at_the_same_time(stage: Stage) -> None:
    """All declared slots are heard before any of them is done."""
    model = await stage.model()
    applies(model.info.streaming, "the model does not stream")
    applies(model.slots > 1, "the model has one slot")
    require(await crowd_starts_together(model), f"of {model.slots} slots some begin when others are done")


@check
async def slow_listener_delays_nobody(stage: Stage) -> None:
    """While one listener stands still, all others are served to their ends."""
    model = await stage.model()
    applies(model.slots > 1, "the model has one slot")
    async with aclosing(await model.stream(model.utterance(model.long))) as slow:
        while not is_audio(await next_event(slow, stage.bounds.stall_s)):
            pass
        await speak_together(model, [SENTENCE] * (min(model.slots, _SOME) - 1))
        while True:
            try:
                await next_event(slow, stage.bounds.stall_s)
            except StopAsyncIteration:
                return


@check
async def repeats_itself_as_claimed(stage: Stage) -> None:
    """The same seeded request twice is equal, or without that claim at least about as long."""
    model = await stage.model()
    first, second = await model.speak(model.long), await model.speak(model.long)
    if model.info.determinism == "none":
        ratio = max(first.seconds, second.seconds) / max(1e-9, min(first.seconds, second.seconds))
        require(ratio <= _FACTOR, f"one text lasts {first.seconds:.2f} s and then {second.seconds:.2f} s")
    else:
        require(first.sounds_like(second), f"determinism is {model.info.determinism}, a repetition differs")


@check
async def company_changes_nothing(stage: Stage) -> None:
    """With determinism exact, an utterance beside others, from the start or joined later, is the same as alone."""
    model = await stage.model()
    applies(model.info.determinism == "exact", f"determinism is {model.info.determinism}")
    applies(model.slots > 1, "the model has one slot")
    texts = list(_TEXTS[: min(model.slots, _SOME)])
    alone = [await model.speak(text) for text in texts]
    _require_equal(alone, await speak_together(model, texts), "beside others from the start")
    _require_equal(alone, await _joined_later(model, texts), "joined later by others")


@check
async def seeds_fix_the_noise(stage: Stage) -> None:
    """Each seed, 0 included, gives the same audio whenever it is used."""
    model = await stage.model()
    applies(model.info.determinism != "none", "determinism is none")
    first = [await model.speak(SHORT, seed=seed) for seed in _SEEDS]
    again = [await model.speak(SHORT, seed=seed) for seed in _SEEDS]
    for seed, one, other in zip(_SEEDS, first, again, strict=True):
        require(one.sounds_like(other), f"seed {seed} gives different audio when used again")


@check
async def error_stays_alone(stage: Stage) -> None:
    """A request that fails takes no other with it: those beside it end well, and so does the next."""
    model = await stage.model()
    neighbours = await under_way(model, min(model.slots, _SOME) - 1)
    try:
        provoked = [await _provoke(model, kind) for kind in ("voice", "text", "speed")]
        takes = await asyncio.gather(*neighbours)
    except Exception as error:
        raise Failure(f"beside a failing request another one raised {type(error).__name__}: {error}") from error
    finally:
        for task in neighbours:
            task.cancel()
        await asyncio.gather(*neighbours, return_exceptions=True)
    require(all(take.done is not None for take in takes), "beside a failing request another one did not end well")
    require((await model.speak()).samples > 0, "after a failed request there is no audio")
    if not any(provoked):
        raise NotApplicable("no request could be made to fail")


async def _provoke(model: Model, kind: str) -> bool:
    """Send a request that the model should not like; tell whether it failed."""
    bad = {
        "voice": model.utterance(SHORT, voice="no such voice"),
        "text": model.utterance("a" * 100_000),
        "speed": model.utterance(SHORT, parameters={"speed": "fast"}),
    }[kind]
    try:
        await model.begins(bad, Take(model.info.sample_rate))
    except Failure:
        raise
    except Exception:  # noqa: BLE001 - any error will do: it is the neighbours that matter
        return True
    return False


async def _joined_later(model: Model, texts: list[str]) -> list[Take]:
    first, tasks = Take(model.info.sample_rate), []
    async with asyncio.TaskGroup() as group, aclosing(await model.stream(model.utterance(texts[0]))) as events:
        while not first.chunks:
            first.add(await next_event(events, model.bounds.stall_s))
        for text in texts[1:]:
            tasks.append(group.create_task(model.speak(text)))
            await asyncio.sleep(0)  # one after the other
        await record(events, first, model.bounds.stall_s)
    return [first, *(task.result() for task in tasks)]


def _require_equal(alone: list[Take], beside: list[Take], how: str) -> None:
    differing = sum(not one.sounds_like(other) for one, other in zip(alone, beside, strict=True))
    require(not differing, f"{how}, {differing} of {len(alone)} utterances differ from the same ones alone")
