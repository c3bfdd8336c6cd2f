"""N hollow nodes in this process: one loop, one trust in the server, few connections being opened at a time."""

from __future__ import annotations

import asyncio
import logging
import signal
from copy import copy
from pathlib import Path

from apps.cluster import types
from node_agent import VERSION, limits, machine
from node_agent.connection import Connection, Identity
from node_agent.hollow.engine import VERSION as ENGINE_VERSION
from node_agent.hollow.node import HollowNode
from node_agent.servers import Servers
from node_agent.settings import Settings

log = logging.getLogger(__name__)

OPENING_AT_ONCE = 16
DESCRIPTORS_BESIDE = 64


class Fleet:
    """The nodes ``<node>-1`` ... of ``settings.state``, each with the ``token`` in its own folder below it."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings
        self._names = [f"{settings.node}-{number}" for number in range(1, count + 1)]
        self._model = machine.node_status(
            node="",
            address=settings.address,
            disk=settings.state,
            door_port=0,
            runtime_version=ENGINE_VERSION,
        )

    def missing(self) -> list[Path]:
        """Tokens that are not there."""
        return [path for path in map(self._token, self._names) if not path.exists()]

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        limits.lift()
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        turn = asyncio.Semaphore(OPENING_AT_ONCE)
        tasks = [asyncio.create_task(self._connection(name, turn).run()) for name in self._names]
        log.info("%d hollow nodes are connecting to %s", len(tasks), self._settings.server)
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [each for each in results if isinstance(each, Exception)]
        if broken:
            raise broken[0]

    def _connection(self, name: str, turn: asyncio.Semaphore) -> Connection:
        settings = self._settings
        node = HollowNode(name, settings.address, self._describe)
        identity = Identity(
            node=name, version=VERSION, boot_id=machine.boot_id(), token=self._token(name),
            ca=settings.ca, alone=True,
        )  # fmt: skip
        return Connection(identity, Servers(settings.server), node.view, node.outbox, node.synced, turn=turn)

    def _token(self, name: str) -> Path:
        return self._settings.state / name / "token"

    def _describe(self, name: str) -> types.NodeStatus:
        """This machine, under the node's name."""
        found = copy(self._model)
        found.addresses = [
            types.NodeAddress(type="InternalIP", address=self._settings.address),
            types.NodeAddress(type="Hostname", address=name),
        ]
        return found
