"""Everything a decision about a pod rests on: what the engine shows, and what is known beyond that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from apps.cluster import types
from node_agent.backoff import BackOff
from node_agent.runtime.base import SANDBOX, Seen, State


class PostStart(Enum):
    """How far a container's postStart hook is."""

    DUE = "due"
    RUNS = "runs"
    DONE = "done"


@dataclass(slots=True)
class Life:
    """What is known of one container name beyond what the engine still shows."""

    attempt: int = -1  # of the newest container ever made for it, -1 when there was none
    ending: types.ContainerStateTerminated | None = None  # of that newest one, once it ended
    before: types.ContainerStateTerminated | None = None  # of the one before
    ended_at: datetime | None = None  # finer than the API's whole seconds
    container_id: str = ""
    image_id: str = ""
    sandbox: str = ""  # the one the newest belongs to, "" when nobody knows any more
    backoff: BackOff = field(default_factory=BackOff)
    pulling: bool = False
    retry_at: datetime | None = None  # after a trouble that kept it from being made
    reason: str = ""  # that trouble, in one word
    message: str = ""  # and in a sentence


@dataclass(slots=True)
class Health:
    """What is known of one running container beyond that it runs."""

    post_start: PostStart = PostStart.DONE
    started: bool = True
    ready: bool = True
    doomed: bool = False  # it must end, and its restart policy says what follows
    grace: timedelta | None = None  # a doomed one's own, where its probe names one


@dataclass(slots=True)
class Stop:
    """A container on its way to its end."""

    until: datetime  # killed then
    hooked: bool = False  # its preStop hook is under way
    signalled: bool = False
    extended: bool = False  # its hook took all of its grace: a last moment after the signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Everything a decision rests on, besides the pod itself."""

    seen: tuple[Seen, ...] = ()
    lives: Mapping[str, Life] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)  # by engine id
    stops: Mapping[str, Stop] = field(default_factory=dict)  # by engine id
    address: str = ""
    may_start: bool = True  # services known up to the pod's binding, network up
    retry_at: datetime | None = None  # the sandbox could not be made; not before
    start_time: datetime | None = None  # when the pod came to this node
    evicted: str = ""  # why the node wants it gone
    ending: bool = False  # deleted, or unknown to the server
    ending_since: datetime | None = None  # when the containers were asked to stop
    served_until: datetime | None = None  # nodes may send it new requests until then
    grace: timedelta = timedelta(0)
    released: bool = False  # volumes and files are gone too

    def of(self, name: str) -> list[Seen]:
        """Newest first."""
        return sorted(
            (each for each in self.seen if each.name == name), key=lambda each: each.attempt, reverse=True
        )

    def newest(self, name: str) -> Seen | None:
        return next(iter(self.of(name)), None)

    def life(self, name: str) -> Life:
        return self.lives.get(name) or Life()

    def sandbox(self) -> Seen | None:
        return self.newest(SANDBOX)

    def apps(self) -> list[Seen]:
        return [each for each in self.seen if each.name != SANDBOX]

    def running_apps(self) -> list[Seen]:
        return [each for each in self.apps() if each.state is State.RUNNING]

    def health_of(self, container: Seen) -> Health:
        return self.health.get(container.id) or Health()


def ended(container: Seen) -> bool:
    """Exited, or refused by the engine when it was to be started."""
    return container.state is State.EXITED or (container.state is State.CREATED and bool(container.error))
