"""Forms with a file: the same however they are cut, bounded in every part."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.support.uploads import BOUNDARY, file, form, part
from voicegw.api.multipart import Pair, boundary_of, read_form
from voicegw.api.uploads import Upload, UploadSpace
from voicegw.errors import InvalidRequest, TooLarge, Unavailable

MOST = 1000


async def cut(data: bytes, size: int) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def taken(upload: Upload) -> bytes:
    return b"".join([piece async for piece in upload])


async def read(data: bytes, size: int = 10_000, fields: int = MOST) -> tuple[list[Pair], bytes]:
    space = UploadSpace(10 * MOST)
    with Upload(space, MOST) as upload:
        pairs = await read_form(cut(data, size), BOUNDARY.encode(), upload, fields)
        found = await taken(upload)
    assert space.held == 0
    return pairs, found


PARTS = (
    part("model", "ears"),
    file(b"\r\n--X-boundary\r\n\x00\xff" * 20 + b"\r"),
    part("languages[]", "en"),
    part("languages[]", "dé"),
    part("empty", ""),
    part("odd", b"\xff"),
)
EXPECTED = [("model", "ears"), ("languages[]", "en"), ("languages[]", "dé"), ("empty", ""), ("odd", b"\xff")]


@pytest.mark.parametrize("size", [*range(1, 40), 100, 1000, 10_000])
async def test_it_is_the_same_however_it_is_cut(size: int) -> None:
    assert await read(form(*PARTS), size) == (EXPECTED, b"\r\n--X-boundary\r\n\x00\xff" * 20 + b"\r")


async def test_every_beginning_of_a_form_is_no_form() -> None:
    whole = form(part("model", "ears"), file(b"abc"), part("x", "y"))
    assert (await read(whole))[1] == b"abc"
    for end in range(len(whole) - 2):  # the last line break is not missed
        with pytest.raises(InvalidRequest, match="has no end"):
            await read(whole[:end])


async def test_the_rest_is_read_before_a_refusal() -> None:
    given = 0

    async def body() -> AsyncGenerator[bytes, None]:
        nonlocal given
        for piece in (b"no form", *[bytes(100)] * 50):
            given += 1
            yield piece

    with Upload(UploadSpace(MOST), MOST) as upload, pytest.raises(InvalidRequest, match="could not parse the form"):
        await read_form(body(), b"b", upload, MOST)
    assert given == 51


async def test_a_file_over_the_limit_is_refused_at_once() -> None:
    given = 0

    async def body() -> AsyncGenerator[bytes, None]:
        nonlocal given
        yield form(file(b"")).rpartition(b"\r\n--")[0]
        for _ in range(50):
            given += 100
            yield bytes(100)

    space = UploadSpace(10 * MOST)
    with Upload(space, MOST) as upload, pytest.raises(TooLarge, match=r"\(1000\) exceeded \(1[01]\d\d bytes read\)"):
        await read_form(body(), BOUNDARY.encode(), upload, MOST)
    assert given == MOST + 100
    assert space.held == 0


async def test_fields_and_their_names_are_bounded() -> None:
    for parts in ([part("x", "y" * 101)], [part("x" * 101, "y")], [part(f"n{n}", "y" * 9) for n in range(10)]):
        with pytest.raises(TooLarge, match=r"fields of a form \(100\) exceeded"):
            await read(form(*parts, file(b"a")), fields=100)
    assert (await read(form(part("x", "y" * 99), file(b"a")), fields=100))[1] == b"a"


async def test_all_that_is_held_is_counted() -> None:
    space = UploadSpace(500)
    with Upload(space, MOST) as upload, pytest.raises(Unavailable):
        await read_form(cut(form(file(bytes(300)), part("x", bytes(300))), 100), BOUNDARY.encode(), upload, MOST)
    assert space.held == 0


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; x=y; boundary="a b;c"', b"a b;c"),
        ("multipart/mixed; boundary=abc", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_what_divides_a_form(kind: str, boundary: bytes | None) -> None:
    assert boundary_of(kind) == boundary


def test_a_form_that_does_not_say_what_divides_it() -> None:
    with pytest.raises(InvalidRequest, match="no boundary"):
        boundary_of("multipart/form-data")


async def test_an_upload_gives_back_what_is_taken_and_the_rest_in_the_end() -> None:
    space = UploadSpace(400_000)
    with Upload(space, 150_000) as upload, Upload(space, 300_000) as other:
        for size in (10, 65_530, 70_000, 14_460):
            upload.put(bytes(size))
        other.put(bytes(250_000))
        assert (space.held, upload.size) == (400_000, 150_000)
        with pytest.raises(Unavailable) as full:
            other.put(b"x")
        assert (full.value.code, full.value.retry_after_s) == ("uploads_full", 2.0)
        with pytest.raises(TooLarge):
            upload.put(b"x")
        assert len(await anext(upload)) == 65_540
        assert space.held == 400_000 - 65_540
        assert [len(piece) async for piece in upload] == [70_000, 14_460]
        assert space.held == 250_000
        other.discard()
        assert space.held == 0
        assert [piece async for piece in other] == []
    assert space.held == 0
