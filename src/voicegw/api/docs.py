"""``/docs`` and ``/redoc``: the OpenAPI document for people, with all that the pages need from this server."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import FileResponse, Response

from voicegw.errors import NotFound

_FOLDER = Path(str(files("fastapi_offline"))) / "static"
ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "favicon.png")
"""The files that the pages load: Swagger UI (Apache-2.0) and ReDoc (MIT)."""

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)
"""Nothing comes from elsewhere, whatever the scripts would like to load."""


def docs_routes(title: str) -> APIRouter:
    """Make the routes; the pages refer to what is beside them, so that they work behind a path of a proxy."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    async def docs() -> Response:
        """Show the document with Swagger UI, where requests can be tried."""
        page = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=title,
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},  # else it asks a server on the internet
        )
        return _guarded(page)

    @routes.get("/redoc")
    async def redoc() -> Response:
        """Show the document with ReDoc, for reading."""
        page = get_redoc_html(
            openapi_url="openapi.json",
            title=title,
            redoc_js_url="docs/assets/redoc.standalone.js",
            redoc_favicon_url="docs/assets/favicon.png",
            with_google_fonts=False,
        )
        return _guarded(page)

    @routes.get("/docs/assets/{name}")
    async def asset(name: str) -> Response:
        """Give a file that the pages load."""
        if name not in ASSETS:
            raise NotFound("There is nothing at this path.", code="unknown_url")
        return FileResponse(_FOLDER / name, headers={"cache-control": "max-age=86400"})

    return routes


def _guarded(page: Response) -> Response:
    page.headers["content-security-policy"] = _POLICY
    return page
