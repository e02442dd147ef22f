"""From the path of a request to the one template under which it is counted, however its client wrote it."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter
from starlette.routing import Route, compile_path

OTHER: Final = "other"
"""Stands for all paths at which there is nothing, so that clients cannot make up templates."""


class Templates:
    """The templates of all routes. Those that lead to the same place, by whatever prefix, have the same one."""

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []

    def add(self, routes: APIRouter, prefix: str = "", *, shown: str = "") -> None:
        """Take routes in.

        Args:
            routes: With a prefix of their own, if they have one.
            prefix: Below which they are included.
            shown: What stands in the template for both prefixes.
        """
        for route in routes.routes:
            if isinstance(route, Route):
                template = shown + route.path_format.removeprefix(compile_path(routes.prefix)[1])
                self.add_path(prefix + route.path, template)

    def add_path(self, path: str, template: str) -> None:
        """Take one path in, with or without parameters."""
        pattern, _, parameters = compile_path(path)
        if parameters:
            self._patterns.append((pattern, template))
        else:
            self._exact[path] = template

    def of(self, path: str) -> str:
        """Give the template of a request's path, or :data:`OTHER`."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        return next((template for pattern, template in self._patterns if pattern.match(path)), OTHER)
