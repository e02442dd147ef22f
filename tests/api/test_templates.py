"""Paths are counted by what they lead to, and there are as many templates as routes."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, WebSocket

from voicegw.api.templates import OTHER, Templates


def made() -> Templates:
    """Make the templates of two routes below two prefixes, of one with a prefix of its own, and of a single path."""
    routes, own, templates = APIRouter(), APIRouter(prefix="/far/{place:path}"), Templates()

    @routes.post("/things")
    @own.post("/things")
    async def things() -> None:
        """Do nothing."""

    @routes.get("/things/{thing:path}")
    async def of(thing: str) -> None:
        """Do nothing."""

    @routes.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        """Do nothing."""

    for prefix in ("/v1", ""):
        templates.add(routes, prefix, shown="/v1")
    templates.add(own, shown="/v1")
    templates.add_path("/one.json", "/one.json")
    return templates


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1/things", "/v1/things"),
        ("/things", "/v1/things"),
        ("/far/away/and/more/things", "/v1/things"),
        ("/v1/things/a/b?c", "/v1/things/{thing}"),
        ("/things/", "/v1/things/{thing}"),
        ("/one.json", "/one.json"),
        ("/v1/v1/things", OTHER),
        ("/v2/things", OTHER),
        ("/far/things", OTHER),
        ("/THINGS", OTHER),
        ("/one_json", OTHER),
        ("/socket", OTHER),
        ("", OTHER),
        ("/" + "a" * 100_000, OTHER),
    ],
)
def test_the_template_of_a_path(path: str, template: str) -> None:
    assert made().of(path) == template
