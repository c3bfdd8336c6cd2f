"""The agent's side of the proxy's process: hands it the newest state and hears what it did."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import ClassVar

import msgspec

from apps.cluster import types
from node_agent.child import Child, Launch
from node_agent.names import Names
from node_agent.proxy.messages import Answer, Order
from node_agent.proxy.rules import HostPort, Planner, Wanted

log = logging.getLogger(__name__)


class ProxyProcess(Child):
    """Keeps the proxy's process running. Its rules stay when it ends."""

    name: ClassVar[str] = "proxy"

    def __init__(
        self,
        names: Names,
        node: str,
        *,
        backend: str = "",
        verify_seconds: float = 5.0,
        on_restored: Callable[[tuple[str, ...]], None] = lambda restored: None,
        on_applied: Callable[[int], None] = lambda number: None,
    ) -> None:
        super().__init__()
        self._names = names
        self._planner = Planner(node)
        self._on_restored = on_restored
        self._on_applied = on_applied
        self._verify_seconds = verify_seconds
        self._forced = backend
        self._backend = ""
        self._newest = Order(0, Wanted())
        self._told = 0

    @property
    def backend(self) -> str:
        """What writes the rules here; "" until the process has said so."""
        return self._backend

    def update(
        self,
        services: Iterable[types.Service],
        slices: Iterable[types.EndpointSlice],
        host_ports: Iterable[HostPort] = (),
    ) -> int:
        """Sets the whole state that the node wants and returns its number. Only the newest is ever carried out."""
        wanted = self._planner.plan(services, slices, host_ports)
        with self._changed:
            if self._newest.number == 0 or wanted != self._newest.wanted:
                self._newest = Order(self._newest.number + 1, wanted)
            number = self._newest.number
        self._nudge()
        return number

    def _launch(self) -> Launch:
        argv = [sys.executable, "-m", "node_agent.proxy", "--instance", self._names.instance]
        argv += ["--verify-seconds", str(self._verify_seconds)]
        environment = dict(os.environ)
        if self._forced:
            environment["DROVER_PROXY_BACKEND"] = self._forced
        return Launch(argv, environment)

    def _begin(self) -> None:
        self._told = 0

    def _next(self) -> bytes | None:
        order = self._newest
        if order.number <= self._told:
            return None
        self._told = order.number
        return msgspec.json.encode(order)

    def _heard(self, line: bytes) -> bool:
        answer = msgspec.json.decode(line, type=Answer)
        self._backend = answer.backend or self._backend
        done = bool(answer.applied or answer.error)
        self._note(applied=answer.applied, error=answer.error if done else None)
        if answer.applied:
            self._on_applied(answer.applied)
        if answer.restored:
            log.warning("somebody removed service rules, restored: %s", ", ".join(answer.restored[:5]))
            self._on_restored(answer.restored)
        if answer.error:
            log.warning("%s", answer.error)
        return done
