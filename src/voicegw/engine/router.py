"""From the name a client uses to the model's pool."""

from __future__ import annotations

from collections.abc import Mapping

from voicegw.engine.pool import ModelPool
from voicegw.errors import NotFound


class Router:
    """Model ids and aliases.

    Args:
        pools: By model id, in the configuration's order.
        aliases: Alias to model id.
        missing: Configured models whose backend is not installed, with that backend's name.
        unset: Names that clients know and nothing has here, with what to do about it.
    """

    def __init__(
        self,
        pools: Mapping[str, ModelPool],
        aliases: Mapping[str, str],
        missing: Mapping[str, str] | None = None,
        unset: Mapping[str, str] | None = None,
    ) -> None:
        self.pools = pools
        self.aliases = aliases
        self.missing = missing or {}
        self.unset = unset or {}

    def resolve(self, model: str) -> ModelPool:
        """Give the pool of a model id or alias.

        Raises:
            NotFound: There is none; says what exists, or how to install its backend.
        """
        target = self.aliases.get(model, model)
        pool = self.pools.get(target)
        if pool is not None:
            return pool
        backend = self.missing.get(target)
        if backend is not None:
            why = f"its backend is not installed: make install BACKENDS={backend}, or pip install voicegw-{backend}"
        elif target in self.unset:
            why = self.unset[target]
        else:
            why = f"there are: {', '.join([*self.pools, *self.aliases])}"
        shown = model if len(model) <= _SHOWN else model[:_SHOWN] + "…"
        raise NotFound(f"The model {shown!r} does not exist here; {why}", param="model", code="model_not_found")


_SHOWN = 100
