"""One hollow node: its view, its outbox and its pods, all on the process's one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from apps.cluster import types
from apps.cluster.types.agent import NodeReport
from node_agent import machine
from node_agent.hollow.engine import HollowEngine
from node_agent.hollow.network import HollowNetwork
from node_agent.hollow.pod import HollowPod
from node_agent.outbox import Outbox
from node_agent.view import Touched, View
from node_agent.waiting import utcnow

HOLLOW_LABEL = "node.drover.dev/hollow"
Describe = Callable[[str], types.NodeStatus]


class HollowNode:
    """``synced`` belongs to the connection; everything else follows from it."""

    def __init__(self, name: str, address: str, describe: Describe) -> None:
        self.name, self._address = name, address
        self.view, self.outbox = View(None), Outbox()
        self._engine, self._network = HollowEngine(), HollowNetwork()
        self._pods: dict[str, HollowPod] = {}
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        labels = {**machine.labels(name), HOLLOW_LABEL: "true"}
        self.outbox.node(NodeReport(seq=0, status=describe(name), labels=labels))

    @property
    def pods(self) -> int:
        return len(self._pods)

    def synced(self, touched: Touched) -> None:
        """The view has moved on."""
        node = self.view.node(self.name)
        was_up = self._network.is_up
        if node is not None:
            self._network.start(node.spec.pod_cidr)
        if touched.pods or self._network.is_up != was_up:
            wanted = self.view.pods()
            for uid in {*touched.pods, *(wanted if not was_up else ())}:
                self._desire(uid, wanted.get(uid))
        for uid, pod in list(self._pods.items()):
            if pod.record.binding and not pod.record.address:
                self._settle(uid)

    def _desire(self, uid: str, wanted: types.Pod | None) -> None:
        if uid not in self._pods:
            if wanted is None:
                return
            self._pods[uid] = HollowPod(uid, self._engine, self._network, self.outbox, self._address)
        self._pods[uid].desire(wanted)
        self._settle(uid)

    def _settle(self, uid: str) -> None:
        if (alarm := self._alarms.pop(uid, None)) is not None:
            alarm.cancel()
        pod = self._pods.get(uid)
        if pod is None:
            return
        again = pod.settle(self.view.number, utcnow())
        if pod.done:
            del self._pods[uid]
        elif again is not None:
            self._wake_at(uid, again)

    def _wake_at(self, uid: str, moment: datetime) -> None:
        wait = max((moment - utcnow()).total_seconds(), 0.01)
        self._alarms[uid] = asyncio.get_running_loop().call_later(wait, self._settle, uid)
