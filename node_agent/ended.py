"""What pods that are gone had written: the end of each container's output, kept on this node within limits.

A file holds one container's: a line that says whose it is, then the lines with their times, compressed. Nothing else of
a pod is in it, no variable and no mounted file; what a program itself wrote is kept as it wrote it, for root only.
"""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from apps.cluster import types
from apps.cluster.types.agent import EndedLog
from node_agent import disk
from node_agent.refused import Refused
from node_agent.runtime.base import Seen

log = logging.getLogger(__name__)

MOST_LINES = 2000
MOST_BYTES = 256 * 1024
"""Of one container; the newest stay."""
MOST_KEPT = 64 * 2**20
"""Of all, as they are on the disk; the oldest go."""
KEPT_FOR = timedelta(days=7)


class EndedLogs:
    """Safe to use from any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._known: dict[str, tuple[EndedLog, int]] | None = None  # with their sizes; None before the first look

    def keep(self, pod: types.Pod, container: Seen, written: bytes, now: datetime) -> None:
        """Keep what a container wrote. Doing it twice keeps it once; a full disk keeps nothing and holds up nobody."""
        words = tail_of(written)
        if not words:
            return
        meta = pod.metadata
        entry = EndedLog(
            id=f"{meta.uid}_{container.name}_{container.attempt}", namespace=meta.namespace, pod=meta.name,
            container=container.name, labels=dict(meta.labels), ended_at=container.finished_at or now,
        )  # fmt: skip
        content = gzip.compress(types.encode(entry) + b"\n" + words, compresslevel=1, mtime=0)
        try:
            with self._lock:
                known = self._loaded()
                disk.write(self._directory / entry.id, content)
                known[entry.id] = entry, len(content)
            self.sweep(now)
        except OSError as error:
            log.warning("the log of %s in pod %s is not kept: %s", container.name, meta.name, error)

    def find(self, namespace: str, labels: Mapping[str, str]) -> list[EndedLog]:
        """Those of pods that had these labels, oldest first."""
        with self._lock:
            every = [entry for entry, _ in self._loaded().values()]
        found = [one for one in every if one.namespace == namespace and labels.items() <= one.labels.items()]
        return sorted(found, key=lambda one: one.ended_at)

    def read(self, namespace: str, id: str) -> bytes:
        """The lines, each after its time. Raises Refused."""
        with self._lock:
            entry, _ = self._loaded().get(id, (None, 0))
        if entry is None or entry.namespace != namespace:
            raise Refused(404, "this log is not kept any more")
        try:
            return gzip.decompress((self._directory / id).read_bytes()).partition(b"\n")[2]
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            raise Refused(404, f"this log cannot be read: {error}") from error

    def sweep(self, now: datetime) -> None:
        """Let go of what is too old, and of the oldest beyond the limit."""
        with self._lock:
            known = self._loaded()
            for id in surplus([*known.values()], now):
                (self._directory / id).unlink(missing_ok=True)
                del known[id]

    def _loaded(self) -> dict[str, tuple[EndedLog, int]]:
        if self._known is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._known = {}
            for path in self._directory.iterdir():
                try:
                    with gzip.open(path) as file:
                        entry = types.decode(EndedLog, file.readline())
                    self._known[path.name] = entry, path.stat().st_size
                except (OSError, EOFError, ValueError):
                    path.unlink(missing_ok=True)  # half written, or not ours
        return self._known


def tail_of(written: bytes) -> bytes:
    """The end of it, whole lines only. Pure."""
    if len(written) > MOST_BYTES:
        written = written[-MOST_BYTES:].partition(b"\n")[2]
    return written


def surplus(known: list[tuple[EndedLog, int]], now: datetime) -> list[str]:
    """What is to go. Pure."""
    gone, kept = [], 0
    for entry, size in sorted(known, key=lambda each: each[0].ended_at, reverse=True):
        kept += size
        if kept > MOST_KEPT or now - entry.ended_at > KEPT_FOR:
            gone.append(entry.id)
    return gone
