"""The answer to an upload: the transcript as a whole, or in events while it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicegw.api import body, sse
from voicegw.api.disconnect import while_connected
from voicegw.api.errors import error_object
from voicegw.api.limits import BodySizes
from voicegw.api.openai import transcripts
from voicegw.api.openai.received import received
from voicegw.api.openai.rendered import render
from voicegw.api.openai.submitted import Submission, Task, parse
from voicegw.api.openai.transcripts import Transcript
from voicegw.api.uploads import Upload, UploadSpace
from voicegw.services.transcribing import Event, Heard, Transcription
from voicegw.services.transcription import TranscriptionService


@dataclass(frozen=True, slots=True)
class Intake:
    """Where uploads go: what transcribes them, how large they may be, and where they are held."""

    service: TranscriptionService
    sizes: BodySizes
    space: UploadSpace


class TranscriptionResponse(Response):
    """Reads the upload, transcribes it and answers.

    What goes wrong before something was heard is raised before anything is sent; the client's leaving cancels the work
    at any time.

    Args:
        intake: Where the upload goes.
        task: What is to be written: its own language, or English.
        model: Model for a request that names none; None = it must.
    """

    def __init__(self, intake: Intake, task: Task, model: str | None = None) -> None:
        super().__init__()
        self._intake = intake
        self._task: Task = task
        self._model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request of the ASGI server."""
        request, intake = Request(scope, receive), self._intake
        with Upload(intake.space, intake.sizes.upload_bytes) as upload:
            fields = await received(request, upload, intake.sizes.json_bytes)
            asked = self._asked(request, fields)
            del fields
            transcription = await intake.service.start(asked.request, upload)
            await while_connected(receive, _answer(asked, transcription, send))

    def _asked(self, request: Request, fields: dict[str, Any]) -> Submission:
        asked = parse({**fields, "model": fields.get("model") or self._model}, self._task)
        return replace(
            asked,
            request=replace(
                asked.request,
                request_id=request.state.request_id,
                tenant=getattr(request.state, "tenant", ""),
                strict=asked.request.strict or body.strict_by_header(request),
                watch=request.state.exchange,
            ),
        )


async def _answer(asked: Submission, transcription: Transcription, send: Send) -> None:
    async with aclosing(transcription.events()) as events:
        if asked.stream:
            await _tell(asked, transcription, events, send)
        else:
            transcript = Transcript()
            async for event in events:
                transcript.take(event)
            data, kind = render(asked, transcript, transcription.language)
            headers = [*_headers(transcription, kind), (b"content-length", b"%d" % len(data))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body"})  # last of all: what comes after it is cancelled


async def _tell(
    asked: Submission, transcription: Transcription, events: AsyncGenerator[Event, None], send: Send
) -> None:
    """Send events from when something was heard, or from when it takes so long that the client may give up waiting."""
    first = asyncio.ensure_future(anext(events))
    try:
        while not first.done() and not transcription.begun:
            await asyncio.wait((first,), timeout=sse.KEEP_ALIVE_S)
        if first.done():
            first.result()  # what went wrong until now has a status of its own
        headers = [*_headers(transcription, sse.CONTENT_TYPE), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with sse.event_stream(send) as stream:
            try:
                await _tell_all(asked, transcription, first, events, stream)
            except Exception as error:
                await stream.write(sse.event(error_object(error)))
                raise
    finally:
        first.cancel()
        await asyncio.wait((first,))
        if not first.cancelled():
            first.exception()  # told already, or nobody is there to be told


async def _tell_all(
    asked: Submission,
    transcription: Transcription,
    first: asyncio.Future[Event],
    events: AsyncGenerator[Event, None],
    stream: sse.EventStream,
) -> None:
    transcript, logprobs = Transcript(), asked.request.logprobs
    event: Event | None = await first
    while event is not None:
        added = transcript.take(event)
        if isinstance(event, Heard):
            for told in transcripts.events(event, added, logprobs=logprobs):
                await stream.write(sse.event(told))
        event = await anext(events, None)
    await stream.write(sse.event(transcripts.done(transcript, transcription.language, logprobs=logprobs)))


def _headers(transcription: Transcription, kind: str) -> Iterator[tuple[bytes, bytes]]:
    yield b"content-type", kind.encode()
    yield b"cache-control", b"no-cache"
    yield b"x-voicegw-model", transcription.model.encode()
    if transcription.ignored:
        yield b"x-voicegw-ignored", body.header_list(transcription.ignored).encode()
