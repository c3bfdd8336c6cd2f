"""What the agent asks of a container engine. Pods, images and logs know only this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

SANDBOX = "POD"  # the container name of a pod's sandbox

LABEL_UID = "drover.dev/pod.uid"
LABEL_POD = "drover.dev/pod.name"
LABEL_NAMESPACE = "drover.dev/pod.namespace"
LABEL_CONTAINER = "drover.dev/container.name"
LABEL_ATTEMPT = "drover.dev/container.attempt"
LABEL_SANDBOX = "drover.dev/sandbox"  # the sandbox's engine id, on app containers
LABEL_DIGEST = "drover.dev/image.digest"  # repository@digest of the image, where a registry knows it


class RuntimeTrouble(Exception):
    """The engine refused or failed; the message says why in words."""


class EngineAway(RuntimeTrouble):
    """The engine does not answer at all. What was asked may or may not have happened."""


class NoSuchContainer(RuntimeTrouble):
    """The container is gone."""


class NoSuchImage(RuntimeTrouble):
    """The image is not on this machine (or, on a pull, not in the registry)."""


class State(Enum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One container as the engine shows it."""

    id: str
    uid: str
    name: str  # the container's name in the pod, SANDBOX for the sandbox
    attempt: int
    state: State
    namespace: str = ""
    pod: str = ""
    sandbox: str = ""
    pid: int = 0
    image: str = ""
    image_id: str = ""
    digest: str = ""  # repository@digest of its image, "" for one that no registry knows
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    stop_signal: str = "SIGTERM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """Everything the engine needs to make one container."""

    name: str
    image: str
    labels: dict[str, str]
    command: list[str] = field(default_factory=list)  # replaces the image's entrypoint when not empty
    args: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    working_dir: str = ""
    user: str = ""
    groups: list[str] = field(default_factory=list)
    hostname: str = ""
    sysctls: dict[str, str] = field(default_factory=dict)  # of its own network and IPC
    network: str = "none"  # none, host or container:<id>
    ipc: str = ""  # shareable, host or container:<id>
    pid: str = ""  # "" for its own processes only, or container:<id>
    mounts: list[Mount] = field(default_factory=list)
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    privileged: bool = False
    read_only: bool = False
    no_new_privileges: bool = False
    unconfined: bool = False  # no filter of system calls
    capabilities_add: list[str] = field(default_factory=list)
    capabilities_drop: list[str] = field(default_factory=list)
    cpu_shares: int = 0
    cpu_quota: int = 0  # microseconds of each 100,000
    memory: int = 0  # bytes, 0 for no limit
    pids: int = 0
    oom_score: int = 0


@dataclass(frozen=True, slots=True)
class Happening:
    """Something the engine reports: ``action`` is start, die, oom or destroy."""

    id: str
    action: str
    labels: dict[str, str]
    exit_code: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image of this machine."""

    id: str
    user: str
    digests: tuple[str, ...] = ()  # repository@digest, for each registry it came from
    name: str = ""  # as the engine knows it, where that is not what was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWish:
    """Which part of a container's output is wanted."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None  # seconds since 1970
    timestamps: bool = False


class Stream(Protocol):
    """Chunks of output; closing it from another thread ends the iteration at once."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class Runtime(Protocol):
    """Every call raises a RuntimeTrouble when it fails. Safe to call from many threads."""

    def version(self) -> str:
        """As nodes report it: ``docker://20.10.24``."""
        ...

    def containers(self) -> list[Seen]:
        """All containers of this agent. Exit codes and times are filled in by ``inspect`` only."""
        ...

    def inspect(self, id: str) -> Seen: ...

    def create(self, spec: ContainerSpec) -> str:
        """Make a container, not started; when its name is taken by one of ours, that one's id is returned."""
        ...

    def start(self, id: str) -> None: ...

    def signal(self, id: str, signal: str) -> None:
        """Does nothing when the container does not run."""
        ...

    def remove(self, id: str) -> None:
        """Kill and remove; does nothing when it is gone."""
        ...

    def image(self, reference: str) -> ImageFacts:
        """By a digest it is found whichever registry it came from. Raises NoSuchImage when it is not here."""
        ...

    def digest(self, reference: str) -> str:
        """``repository@digest`` of what the registry has under a tag now. Raises NoSuchImage."""
        ...

    def pull(self, reference: str, auth: dict[str, str] | None = None) -> None: ...

    def tag(self, source: str, reference: str) -> None: ...

    def untag(self, reference: str) -> None:
        """Take a name from an image; with its last tag go the digests by which it is known, and so the image."""
        ...

    def load(self, archive: bytes) -> None: ...

    def happenings(self, since: datetime | None) -> Iterator[Happening]:
        """Everything that happens to this agent's containers, until the engine goes away."""
        ...

    def close(self) -> None:
        """End the streams of happenings; nothing may be asked afterwards."""
        ...

    def logs(self, id: str, wish: LogWish) -> Stream: ...
