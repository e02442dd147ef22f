"""The answer to a request for speech, as audio or as events, sent while it is spoken."""

from __future__ import annotations

import math
from binascii import b2a_base64
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicegw.api import body, sse
from voicegw.api.disconnect import Listener, while_connected
from voicegw.api.errors import error_object
from voicegw.services.speech import Speech, SpeechRequest, SpeechService
from voicegw.services.words import SpeechPart

_DELTA_BYTES = 32 * 1024
"""Most bytes of audio in one event: its line then fits into the 64 KiB that some clients read at a time."""

_TOKENS_PER_S = 20
"""Output tokens of a second of audio, as OpenAI counts its own."""


class SpeechResponse(Response):
    """Speaks while it is sent.

    What goes wrong before the first bytes exist is raised before anything is sent; the client's leaving cancels the
    work at any time, unless the model is done with it and the rest can be kept for when the client asks again.

    Args:
        service: What speaks.
        request: What is to be spoken, and whether as events rather than as audio.
    """

    def __init__(self, service: SpeechService, request: SpeechRequest) -> None:
        super().__init__()
        self._service = service
        self._request = request
        self._events = request.events
        self._speech: Speech | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request of the ASGI server."""
        del scope
        listener = Listener(lambda: self._speech is not None and self._speech.keepable)
        await while_connected(receive, self._speak(send, listener), listener)

    async def _speak(self, send: Send, listener: Listener) -> None:
        async with aclosing(await self._service.start(self._request)) as speech, aclosing(speech.parts()) as parts:
            self._speech = speech
            first = await anext(parts)
            self._request.watch.heard()
            headers = [*_headers(speech, events=self._events)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if self._events:
                async with sse.event_stream(send) as stream:
                    await self._tell(stream, speech, first, parts)
            else:
                await send({"type": "http.response.body", "body": first, "more_body": True})
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})  # what waits after it is cancelled: the server says the client left
        speech.settle(delivered=not listener.gone)

    async def _tell(
        self, stream: sse.EventStream, speech: Speech, first: SpeechPart, parts: AsyncGenerator[SpeechPart, None]
    ) -> None:
        try:
            await stream.write(_events(first))
            async for part in parts:
                await stream.write(_events(part))
        except Exception as error:
            await stream.write(sse.event(error_object(error)))
            raise
        await stream.write(_done(len(self._request.text), speech.seconds))


def _events(part: SpeechPart) -> bytes:
    """Give the events of bytes, each a slice of the one encoded stream, or the one event of words."""
    if isinstance(part, bytes):
        return b"".join(_delta(part[at : at + _DELTA_BYTES]) for at in range(0, len(part), _DELTA_BYTES))
    words = [{"word": each.word, "start": each.start, "end": each.end, "source": each.source} for each in part]
    return sse.event({"type": "speech.audio.words", "words": words})


def _delta(data: bytes) -> bytes:
    return b'data: {"type":"speech.audio.delta","audio":"%b"}\n\n' % b2a_base64(data, newline=False)


def _done(characters: int, seconds: float) -> bytes:
    """Give the last event: a token is a character of the input, or 50 ms of audio, whole or begun."""
    spoken = math.ceil(round(seconds * _TOKENS_PER_S, 6))
    usage = {"input_tokens": characters, "output_tokens": spoken, "total_tokens": characters + spoken}
    return sse.event({"type": "speech.audio.done", "usage": usage})


def _headers(speech: Speech, *, events: bool) -> Iterator[tuple[bytes, bytes]]:
    kind = sse.CONTENT_TYPE if events else speech.format.content_type_at(speech.sample_rate)
    yield b"content-type", kind.encode()
    yield b"cache-control", b"no-cache"
    yield b"x-accel-buffering", b"no"
    yield b"x-sample-rate", b"%d" % speech.sample_rate
    optional = {
        b"content-length": None if events else speech.size,
        b"x-voicegw-model": _safe(speech.model),
        b"x-voicegw-voice": _safe(speech.voice or ""),
        b"x-voicegw-warning": _safe("; ".join(speech.warnings)),
        b"x-voicegw-ignored": body.header_list(speech.ignored),
        b"x-voicegw-cache": "hit" if speech.repeated else None,
        b"x-voicegw-first-audio-at": speech.first_audio_at,
    }
    yield from ((name, str(value).encode()) for name, value in optional.items() if value not in (None, ""))


def _safe(value: str) -> str:
    """Leave what a header can hold: printable ASCII, at most 1,000 characters of it."""
    return "".join(c if " " <= c <= "~" else "?" for c in value[:1000])
