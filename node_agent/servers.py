"""Where this agent finds a server: the one it was started with, then those that a server told it of."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from node_agent import disk

log = logging.getLogger(__name__)


class Servers:
    """Tried in turn. ``file`` keeps the others for an agent that is started again while its first server is away."""

    def __init__(self, first: str, file: Path | None = None) -> None:
        self._first, self._file = first.rstrip("/"), file
        self._others = _kept(file)
        self._turn = 0

    @property
    def current(self) -> str:
        """The one to be asked now, as a URL."""
        found = [self._first, *(each for each in self._others if each != self._first)]
        return found[self._turn % len(found)]

    @property
    def several(self) -> bool:
        """Whether another server may be well while this one is not."""
        return len(self._others) > 1

    def next(self) -> None:
        """The current one is away: the turn is another's."""
        self._turn += 1

    def told(self, places: Sequence[str]) -> None:
        """All servers of the cluster, as host:port."""
        others = [f"https://{place}" for place in places]
        if others == self._others:
            return
        log.info("servers of the cluster: %s", ", ".join(places))
        here, self._others = self.current, others
        found = [self._first, *(each for each in others if each != self._first)]
        self._turn = found.index(here) if here in found else 0
        if self._file is not None:
            disk.write(self._file, json.dumps(others).encode())


def _kept(file: Path | None) -> list[str]:
    try:
        return [str(each) for each in json.loads(file.read_bytes())] if file is not None else []
    except (OSError, ValueError, TypeError):
        return []
