"""A container engine without containers: everything asked of it succeeds at once, in memory."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime

from node_agent.runtime.base import NoSuchContainer, Seen, State

VERSION = "hollow://1"
INIT_ENDS_WITH = 0


class HollowEngine:
    """The containers of one node. What runs goes on running until it is asked to stop."""

    def __init__(self) -> None:
        self._containers: dict[str, Seen] = {}
        self._numbers = itertools.count(1)

    def create(self, uid: str, name: str, attempt: int, *, image: str = "", sandbox: str = "") -> Seen:
        id = f"{uid.replace('-', '')}{next(self._numbers):032x}"
        made = Seen(
            id=id,
            uid=uid,
            name=name,
            attempt=attempt,
            state=State.CREATED,
            image=image,
            sandbox=sandbox,
            pid=1,
        )
        self._containers[id] = made
        return made

    def shape(self, id: str, uid: str, name: str, attempt: int, sandbox: str) -> Seen:
        return Seen(id=id, uid=uid, name=name, attempt=attempt, state=State.CREATED, sandbox=sandbox, pid=1)

    def adopt(self, container: Seen) -> Seen:
        """As if it had been there before."""
        self._containers[container.id] = container
        return container

    def start(self, id: str, now: datetime) -> Seen:
        return self._change(id, state=State.RUNNING, started_at=now)

    def end(self, id: str, exit_code: int, now: datetime) -> Seen:
        """It exits by itself, or because it was asked to."""
        return self._change(id, state=State.EXITED, exit_code=exit_code, finished_at=now)

    def remove(self, id: str) -> None:
        self._containers.pop(id, None)

    def _change(self, id: str, **changes: object) -> Seen:
        if id not in self._containers:
            raise NoSuchContainer(id)
        changed = self._containers[id] = replace(self._containers[id], **changes)  # type: ignore[arg-type]
        return changed
