"""What the door asks of a container engine: a process's streams, both ways. For one event loop, unlike ``base``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

OUTPUT, ERRORS = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWish:
    """Which streams are wanted; ``command`` and ``tty`` are exec's."""

    command: tuple[str, ...] = ()
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class Session(Protocol):
    """A process in a container and its streams. Whoever has one closes it."""

    async def start(self) -> None:
        """Begin. Raises a RuntimeTrouble."""
        ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """OUTPUT or ERRORS and a piece of it, until the process has said everything."""
        ...

    async def write(self, data: bytes) -> None:
        """Waits while the process does not read. What it never reads is lost in silence, as on any pipe."""
        ...

    async def end_input(self) -> None: ...

    def resize(self, width: int, height: int) -> None:
        """The newest size counts; does nothing where there is no terminal."""
        ...

    def cut(self) -> None:
        """End the output now, whatever the process still has to say."""
        ...

    async def exit_code(self) -> int:
        """Once the output has ended."""
        ...

    async def close(self) -> None:
        """A process that exec began ends too, if need be by force; the container's own goes on."""
        ...


class StreamingRuntime(Protocol):
    """Every call raises a RuntimeTrouble when it fails."""

    async def exec(self, id: str, wish: StreamWish) -> Session:
        """A new process in a running container, not yet started."""
        ...

    async def attach(self, id: str, wish: StreamWish) -> Session:
        """The container's own process."""
        ...

    async def end_left_behind(self, ids: Iterable[str]) -> None:
        """End what ``exec`` began in these containers for an agent that was killed. Never raises."""
        ...
