"""A new identity in good time: asked for with a fresh key when the server says so, taken without a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from apps.cluster.types import agent
from node_agent import identity


class Renewal:
    """``taken`` is called once the new files are in place."""

    def __init__(self, state: Path, node: str, taken: Callable[[], None]) -> None:
        self._state, self._node, self._taken = state, node, taken
        self._key = ""

    def request(self) -> agent.Renew:
        """What to send; the same key until there is an answer."""
        from node_agent import keys  # noqa: PLC0415  once in many months: not held in memory until then

        self._key = self._key or keys.new()
        return agent.Renew(request=keys.request(self._node, self._key))

    def take(self, given: agent.Identity) -> None:
        identity.put(self._state, given, self._key)
        self._key = ""
        self._taken()
