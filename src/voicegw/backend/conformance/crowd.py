"""Many utterances at the same time, and who was heard when."""

from __future__ import annotations

import asyncio

from voicegw.backend.conformance.cancelling import done_or
from voicegw.backend.conformance.stage import Model
from voicegw.backend.conformance.take import Take


async def speak_together(model: Model, texts: list[str]) -> list[Take]:
    """Speak texts at the same time, each to its end. The first error ends all of them."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(model.speak(text)) for text in texts]
    return [task.result() for task in tasks]


async def under_way(model: Model, many: int) -> list[asyncio.Task[Take]]:
    """Let many long utterances begin; give them once all are heard, or failed before."""
    takes = [Take(model.info.sample_rate) for _ in range(many)]
    tasks = [asyncio.create_task(model.listen(model.utterance(model.long), take)) for take in takes]
    for task, take in zip(tasks, takes, strict=True):
        await done_or(task, take.heard)
    return tasks


async def crowd_starts_together(model: Model) -> bool:
    """Speak in all slots at once; tell whether everybody was heard before anybody was done.

    A model that is much faster than the event loop gets ahead of it now and then, hence several tries.
    """
    for _ in range(model.bounds.tries):
        takes = await speak_together(model, [model.long] * model.slots)
        last_first = max(take.first_at or 0.0 for take in takes)
        if last_first < min(take.ended_at or 0.0 for take in takes):
            return True
    return False
