"""What is looked after by the clock: the pods' network, put right where somebody changed it, and how the node is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from apps.cluster import types
from apps.cluster.types.agent import NodeReport
from node_agent import machine
from node_agent.edge.trouble import Trouble
from node_agent.network import Neighbour, NetworkError
from node_agent.network.announcing import Announcer
from node_agent.network.bridge import BridgeNetwork
from node_agent.outbox import Outbox
from node_agent.pods.tools import Node
from node_agent.runtime.base import Runtime, RuntimeTrouble
from node_agent.settings import Settings
from node_agent.view import View

log = logging.getLogger(__name__)


class Troubles(NamedTuple):
    """What other processes of the agent cannot do; "" and None for nothing."""

    names: str
    edge: Trouble | None


class Upkeep:
    """Safe to ask from any thread. ``up`` is called once, when pods can have addresses."""

    def __init__(
        self,
        settings: Settings,
        node: Node,
        view: View,
        runtime: Runtime,
        network: BridgeNetwork,
        announcer: Announcer,
        outbox: Outbox,
        *,
        up: Callable[[], None],
        troubles: Callable[[], Troubles],
    ) -> None:
        self._settings, self._node = settings, node
        self._view, self._runtime = view, runtime
        self._network, self._announcer = network, announcer
        self._outbox = outbox
        self._up, self._troubles = up, troubles
        self._turn = threading.Lock()
        self._trouble = ""
        self._status: types.NodeStatus | None = None

    def look(self) -> None:
        """The regular one, at both."""
        self._report(self.network())

    def network(self) -> str:
        """Start the pods' network once it is known, keep it as it should be; why it is not, in words."""
        with self._turn:
            trouble = ""
            try:
                self._start_or_mend_network()
            except NetworkError as error:
                trouble = str(error)
            if trouble != self._trouble:
                self._trouble = trouble
                log.log(
                    logging.WARNING if trouble else logging.INFO,
                    "the pods' network: %s",
                    trouble or "well again",
                )
            return trouble

    def _start_or_mend_network(self) -> None:
        self._network.connect(Neighbour(each.address, each.pod_cidr) for each in self._view.peers())
        if self._node.network_up:
            for mended in [*self._network.verify(), *self._announcer.verify()]:
                log.warning("somebody removed %s: restored", mended)
            return
        node = self._view.node(self._settings.node)
        if node is not None and node.spec.pod_cidr:
            settings = self._settings
            self._network.start(
                node.spec.pod_cidr, settings.service_cidr, settings.cluster_cidr, settings.dns
            )
            self._node.network_up = True
            self._up()

    def _report(self, network_trouble: str) -> None:
        try:
            version = self._runtime.version()
        except RuntimeTrouble:
            version = ""
        settings, troubles = self._settings, self._troubles()
        found = machine.node_status(
            node=settings.node,
            address=settings.address,
            disk=settings.state,
            door_port=settings.door_port,
            runtime_version=version,
            network_trouble=network_trouble,
            names_trouble=troubles.names,
            edge_trouble=troubles.edge,
            before=self._status,
        )
        if found == self._status:
            return
        self._status = found
        self._outbox.node(
            NodeReport(
                seq=0, status=found, labels=machine.labels(settings.node), door_port=settings.door_port
            )
        )
