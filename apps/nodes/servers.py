"""The web processes of this cluster: each says now and then where it is reached; agents and pods are told of all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db.utils import Error as DatabaseError

from apps.cluster import kinds, store, types
from apps.cluster.actors import system
from apps.cluster.errors import ApiError
from apps.cluster.transaction import Transaction
from apps.cluster.work import in_db
from apps.cluster.writing import exclusive, persistently
from apps.nodes.models import Server

EVERY, SOONEST = 5.0, 1.0
LATELY = timedelta(seconds=15)
"""A server that said nothing for so long is gone."""
SERVERS = system("servers")
NAMESPACE, NAME = "default", "kubernetes"

logger = logging.getLogger(__name__)


def place(address: str, port: int) -> str:
    """``host:port``, as in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def living(now: datetime) -> list[str]:
    """Where the servers are reached that were heard of lately."""
    return sorted(Server.objects.filter(at__gte=now - LATELY).values_list("place", flat=True))


def versions(now: datetime) -> dict[str, str]:
    """The same with what each runs."""
    return dict(Server.objects.filter(at__gte=now - LATELY).order_by("place").values_list("place", "version"))


def beat(here: str, now: datetime, version: str = "") -> list[str]:
    """The server at this place lives; where all that live are reached. Pods are told by ``kubernetes``' endpoints."""
    persistently(lambda: _note(here, now, version))
    found = living(now)
    _tell_pods(found)
    return found


def leave(here: str, now: datetime) -> None:
    """The server at this place ends: nobody is sent there any more. The last one stays named."""
    persistently(lambda: _forget(here))
    if others := living(now):
        _tell_pods(others)


def _note(here: str, now: datetime, version: str) -> None:
    with exclusive():
        if not Server.objects.filter(place=here).update(at=now, version=version):
            Server.objects.bulk_create([Server(place=here, at=now, version=version)], ignore_conflicts=True)
        Server.objects.filter(at__lt=now - LATELY).delete()


def _forget(here: str) -> None:
    with exclusive():
        Server.objects.filter(place=here).delete()


def _tell_pods(places: Iterable[str]) -> None:
    wanted = subsets(places)
    row = store.find(kinds.ENDPOINTS, NAMESPACE, NAME)
    if row is None or types.encode(row.object.subsets) != types.encode(wanted):
        store.write(SERVERS, lambda tx: _put(tx, wanted))


def _put(tx: Transaction, wanted: list[types.EndpointSubset]) -> None:
    found: Any = tx.find(kinds.ENDPOINTS, NAMESPACE, NAME)
    if found is None:
        meta = types.ObjectMeta(name=NAME, namespace=NAMESPACE)
        tx.create(kinds.ENDPOINTS, types.Endpoints(metadata=meta, subsets=wanted))
    else:
        found.subsets = wanted
        tx.update(kinds.ENDPOINTS, found)


def subsets(places: Iterable[str]) -> list[types.EndpointSubset]:
    """The same as endpoints, those with one port together. Pure."""
    by_port: dict[int, list[str]] = {}
    for each in sorted(places):
        parts = urlsplit(f"//{each}")
        by_port.setdefault(parts.port or 443, []).append(parts.hostname or "")
    return [
        types.EndpointSubset(
            addresses=[types.EndpointAddress(ip=address) for address in addresses],
            ports=[types.EndpointPort(name="https", port=port, protocol="TCP")],
        )
        for port, addresses in sorted(by_port.items())
    ]


class Presence:
    """This process among the servers, for as long as it serves."""

    def __init__(self) -> None:
        self._here = self._version = ""
        self._looked_at = 0.0
        self._beating = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.known: list[str] = []
        """Where all servers are reached, as last heard; this one last: who loses it needs another."""

    def begin(self, here: str, version: str) -> None:
        self._here, self._version = here, version
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def end(self) -> None:
        """Safe to call again."""
        task, self._task = self._task, None
        if task is None:
            return
        async with self._beating:  # one that has begun would come after the farewell
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(DatabaseError, ApiError):
            await in_db(leave, self._here, datetime.now(UTC))

    async def look(self) -> None:
        """Learn now of all servers, for an agent that has just come: this one may end before the next beat."""
        now = asyncio.get_running_loop().time()
        if self._task is not None and now - self._looked_at > SOONEST:
            self._looked_at = now
            self._note(await in_db(living, datetime.now(UTC)))

    async def _run(self) -> None:
        while True:
            try:
                async with self._beating:
                    self._note(await in_db(beat, self._here, datetime.now(UTC), self._version))
            except (DatabaseError, ApiError) as error:
                logger.warning("this server could not say that it lives: %s", error)
            await asyncio.sleep(EVERY)

    def _note(self, places: Iterable[str]) -> None:
        self.known = sorted(places, key=lambda place: place == self._here)


presence = Presence()
