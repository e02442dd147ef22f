"""An upload and the fields that come with it: a form, or JSON that holds the audio as base64."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from voicegw.api.body import media_type, parse_object
from voicegw.api.fields import assemble, base64_pieces
from voicegw.api.limits import BodyRefused
from voicegw.api.multipart import FILE, boundary_of, read_form
from voicegw.api.uploads import Upload
from voicegw.errors import Cancelled, InvalidRequest, TooLarge, Unavailable, UnsupportedMedia

LISTS: Final = (
    "timestamp_granularities",
    "include",
    "languages",
    "keywords",
    "known_speaker_names",
    "known_speaker_references",
)
"""Fields that hold several values."""

OBJECTS: Final = ("chunking_strategy",)
"""Fields that may hold an object."""

AUDIO: Final = "input_audio"
"""What holds the audio in JSON: an object with its ``data``."""

_JSON: Final = ("application/json", "text/plain", "")
_AT_ONCE_BYTES: Final = 256 * 1024
"""Largest JSON that the event loop parses itself: a millisecond."""


async def received(request: Request, upload: Upload, fields_bytes: int) -> dict[str, Any]:
    """Read the body: the file goes into ``upload``, all else is given as a JSON body would have it.

    Args:
        request: Its body has not been read yet.
        upload: Where the file goes, and where all that is held is counted.
        fields_bytes: Bytes that the fields of a form may have.

    Raises:
        InvalidRequest: It is no form or no JSON, or there is no file in it.
        BodyRefused: It is too large or of a wrong type, or there is no memory for it; not all of it has been read.
        Cancelled: The client went away while it sent.
    """
    try:
        boundary = boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            fields, told = await _json(request, upload), AUDIO
        else:
            pairs = await read_form(request.stream(), boundary, upload, fields_bytes)
            fields, told = assemble(pairs, lists=LISTS, objects=OBJECTS), FILE
    except (TooLarge, Unavailable, UnsupportedMedia) as error:
        raise BodyRefused(error) from None
    except ClientDisconnect:
        raise Cancelled("the client went away while it sent its request") from None
    if not upload.size:
        raise InvalidRequest("The audio file is empty.", param=told, code="empty_file")
    return fields


async def _json(request: Request, upload: Upload) -> dict[str, Any]:
    kind = media_type(request)
    if kind not in _JSON and not kind.endswith("+json"):
        raise UnsupportedMedia(
            f"This path takes multipart/form-data with a {FILE!r}, or JSON with {AUDIO!r}, not {kind[:100]}."
        )
    data = bytearray()
    async for part in request.stream():
        upload.count(2 * len(part))  # as bytes, and as the text that is made of them
        data += part
    if len(data) <= _AT_ONCE_BYTES:
        fields = parse_object(bytes(data))
    else:
        fields = await asyncio.to_thread(parse_object, bytes(data))
    audio = fields.pop(AUDIO, None)
    if audio is None:
        raise InvalidRequest(f"You must provide {AUDIO!r}.", param=AUDIO, code="missing_required_parameter")
    text = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(text, str):
        raise InvalidRequest(f"{AUDIO!r} must be an object whose 'data' is base64.", param=AUDIO)
    for piece in base64_pieces(text, f"{AUDIO}.data"):
        upload.put(piece)
        await asyncio.sleep(0)
    return {name: value for name, value in fields.items() if value != ""}  # as in a form
