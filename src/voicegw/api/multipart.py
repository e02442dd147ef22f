"""Forms with a file, read while they come: every part is bounded, nothing is written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from voicegw.api.uploads import Upload
from voicegw.errors import InvalidRequest, TooLarge

FILE: Final = "file"
"""Name of the part that is the upload, whatever else is said of it; all others are text."""

_PARTS: Final = 1024
_HEADERS, _HEADER_BYTES = 16, 16 * 1024
_SLICE: Final = 16 * 1024
"""Bytes that are looked at before others get their turn: those that are made to be difficult take 4 ms."""

_CHARSETS: Final = {"iso-8859-1", "latin-1", "us-ascii", "windows-1252"}
"""Of text that is not UTF-8; no others, for some codecs can be made to take for ever."""

_PLAIN: Final = {"", "7bit", "8bit", "binary"}

Pair: TypeAlias = tuple[str, str | bytes]
"""A field's name and its text; bytes where it is none in its character set."""


def boundary_of(content_type: str) -> bytes | None:
    """Give what divides the parts of a form; None where the type is not that of a form with files.

    Raises:
        InvalidRequest: It is, and does not say.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InvalidRequest(
            "The header 'Content-Type' of your form has no boundary: do not set it yourself, your client adds it."
        )
    return boundary


async def read_form(body: AsyncIterator[bytes], boundary: bytes, upload: Upload, most: int) -> list[Pair]:
    """Read a form; its file goes into ``upload``.

    Args:
        body: Of the request.
        boundary: What divides the parts.
        upload: Where the file is put, and where all that is held is counted.
        most: Bytes that all fields beside the file may have, their names included.

    Raises:
        InvalidRequest: It is no form, or has too many parts or too long headers, or more than one file, or none. All of
            it has been read then.
        TooLarge: The file, or the fields, are over their limit; at once, as all that follows.
        Unavailable: There is no memory for more.
    """
    form = _Form(upload, most)
    try:
        parser = form.parser(boundary)
        async for data in body:
            for at in range(0, len(data), _SLICE):
                parser.write(data[at : at + _SLICE])
                await asyncio.sleep(0)
        return form.finish()
    except FormParserError as error:
        wrong = InvalidRequest(f"We could not parse the form of your request: {str(error)[:200]}.")
    except InvalidRequest as error:
        wrong = error
    upload.discard()
    async for _ in body:
        pass  # a client that is answered before it has sent all may never see the answer
    raise wrong


class _Form:
    """Takes a form apart; its methods are called by the parser."""

    def __init__(self, upload: Upload, most: int) -> None:
        self._upload = upload
        self._most = most
        self._fields_bytes = 0
        self._pairs: list[Pair] = []
        self._parts = 0
        self._files = 0
        self._whole = False
        self._begin()

    def parser(self, boundary: bytes) -> MultipartParser:
        """Make what calls these methods."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finished,
            },
            max_header_count=_HEADERS,
            max_header_size=_HEADER_BYTES,
        )

    def finish(self) -> list[Pair]:
        """Give the fields in their order, once everything has come."""
        if not self._whole:
            raise InvalidRequest("The form of your request has no end: its last boundary is missing.")
        if not self._files:
            raise InvalidRequest(f"You must provide {FILE!r}.", param=FILE, code="missing_required_parameter")
        return self._pairs

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._field: str | None = None
        self._charset = "utf-8"
        self._text = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise InvalidRequest(f"The form of your request has more than {_PARTS} parts.")
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in options:
            raise InvalidRequest("A part of your form has no name: 'Content-Disposition: form-data; name=...'.")
        self._field = options[b"name"].decode(errors="replace")
        encoding = self._headers.get(b"content-transfer-encoding", b"").strip().lower().decode("latin-1")
        if encoding not in _PLAIN:
            raise InvalidRequest(f"The part {self._field[:64]!r} is encoded; send it as it is.", param=self._field[:64])
        if self._field == FILE:
            self._files += 1
            if self._files > 1:
                raise InvalidRequest(f"There is more than one {FILE!r}; one is taken.", param=FILE)
        else:
            _, of_type = parse_options_header(self._headers.get(b"content-type"))
            told = of_type.get(b"charset", b"").decode("latin-1").lower()
            self._charset = told if told in _CHARSETS else "utf-8"
            self._hold(len(options[b"name"]))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field == FILE:
            self._upload.put(data[start:end])
        else:
            self._hold(end - start)
            self._text += data[start:end]

    def _hold(self, size: int) -> None:
        self._fields_bytes += size
        if self._fields_bytes > self._most:
            raise TooLarge(
                f"Maximum size limit of the fields of a form ({self._most}) exceeded ({self._fields_bytes} bytes read)"
            )
        self._upload.count(size)

    def _end(self) -> None:
        if self._field is not None and self._field != FILE:
            self._pairs.append((self._field, _text(bytes(self._text), self._charset)))

    def _finished(self) -> None:
        self._whole = True


def _text(data: bytes, charset: str) -> str | bytes:
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        return data
