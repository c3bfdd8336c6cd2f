"""Images that nobody uses go when the disk fills up: only those this agent pulled itself, the longest unused first."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from apps.cluster import types
from apps.cluster.types.agent import EventReport
from node_agent import disk
from node_agent.images import InvalidImageName, Reference
from node_agent.runtime.base import Runtime, RuntimeTrouble

log = logging.getLogger(__name__)

HIGH, LOW = 0.85, 0.80  # parts of the disk: above the one, images go until the other is reached
YOUNGEST = timedelta(minutes=2)  # an image that was in use a moment ago may be wanted again


@dataclass(frozen=True, slots=True)
class Usage:
    """Of the disk that holds the images, in bytes."""

    used: int
    total: int

    @property
    def part(self) -> float:
        return self.used / self.total if self.total else 0.0


def references(pods: Iterable[types.Pod]) -> set[str]:
    """Every image that the pods name, written out."""
    found = set()
    for pod in pods:
        for container in pod.spec.all_containers():
            try:
                found.add(str(Reference.parse(container.image)))
            except InvalidImageName:
                continue
    return found


def candidates(used_at: Mapping[str, datetime], in_use: set[str], now: datetime) -> list[str]:
    """What may go, the longest unused first. Never what is in use or was just now. Pure."""
    idle = [(at, name) for name, at in used_at.items() if name not in in_use and now - at >= YOUNGEST]
    return [name for _, name in sorted(idle)]


class Collector:
    """Told of every pull; sweeps when it is asked to. What it knows is kept in one file."""

    def __init__(
        self,
        runtime: Runtime,
        file: Path,
        *,
        in_use: Callable[[], set[str]],
        usage: Callable[[], Usage],
        tell: Callable[[EventReport], None],
    ) -> None:
        self._runtime, self._file = runtime, file
        self._in_use, self._usage, self._tell = in_use, usage, tell
        self._lock = threading.Lock()
        self._used_at = _read(file)

    def pulled(self, reference: str, now: datetime) -> None:
        """This agent brought the image here."""
        with self._lock:
            self._used_at[reference] = now
            self._keep()

    def sweep(self, now: datetime) -> list[str]:
        """Remove images while the disk is too full; those that went. What others brought here is never touched."""
        in_use = self._in_use()
        with self._lock:
            for name in in_use & self._used_at.keys():
                self._used_at[name] = now
            waiting = candidates(self._used_at, in_use, now)
        if self._usage().part < HIGH:
            return []
        gone = []
        for name in waiting:
            if self._usage().part < LOW:
                break
            if self._remove(name):
                gone.append(name)
        found = self._usage()
        if found.part >= LOW:
            self._complain(found)
        return gone

    def _remove(self, name: str) -> bool:
        try:
            self._runtime.untag(name)
        except RuntimeTrouble as error:
            log.info("the image %s stays: %s", name, error)  # a container that we do not know of uses it
            return False
        log.info("the image %s went, because the disk is full", name)
        with self._lock:
            self._used_at.pop(name, None)
            self._keep()
        return True

    def _complain(self, found: Usage) -> None:
        words = (
            f"Failed to garbage collect required amount of images. The disk is {found.part:.0%} full "
            f"and no image is left that nobody uses."
        )
        self._tell(
            EventReport(
                namespace="", name="", uid="", reason="FreeDiskSpaceFailed", message=words, type="Warning"
            )
        )

    def _keep(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: at.isoformat() for name, at in sorted(self._used_at.items())})
        disk.write(self._file, text.encode())


def _read(file: Path) -> dict[str, datetime]:
    """What was kept. A file that cannot be read means that nothing is known to be ours to remove."""
    try:
        held: dict[str, str] = json.loads(file.read_bytes())
        return {name: datetime.fromisoformat(at) for name, at in held.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
