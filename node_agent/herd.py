"""All pods of the node: hands each worker what concerns it, and keeps the list true to the engine."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from apps.cluster import types
from node_agent.pods.tools import Tools
from node_agent.pods.worker import PodWorker
from node_agent.runtime.base import LABEL_UID, EngineAway, Happening, RuntimeTrouble, Seen
from node_agent.view import Touched, View
from node_agent.waiting import utcnow

log = logging.getLogger(__name__)

RELIST_SECONDS = 10.0
ENGINE_RETRY_SECONDS = 0.5
CONFIGURATION = {"configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes"}
SLICES = "endpointslices"


class Herd:
    def __init__(self, tools: Tools, view: View) -> None:
        self._tools, self._view = tools, view
        self._lock = threading.Lock()
        self._workers: dict[str, PodWorker] = {}
        self._server_spoke = False  # until then a container without a pod may be one we were not told of yet
        self._relist_now = threading.Event()
        self._stopped = False
        self._shown: dict[str, list[Seen]] = {}  # the engine's containers by pod, as last listed
        self._listed_at: datetime | None = None
        self._said_away = False

    def start(self) -> None:
        """Adopt what runs, then follow the engine. Waits for the engine's first answer."""
        began = utcnow()
        while not self._relist():
            time.sleep(ENGINE_RETRY_SECONDS)
        threading.Thread(target=self._follow, args=(began,), name="engine events", daemon=True).start()
        threading.Thread(target=self._keep_listing, name="relist", daemon=True).start()

    def stop(self) -> None:
        """Decide nothing more. What runs goes on running."""
        with self._lock:
            self._stopped = True
            for worker in self._workers.values():
                worker.stop()
        self._relist_now.set()
        self._tools.runtime.close()

    def synced(self, touched: Touched) -> None:
        """The view has moved on; wake the pods it concerns."""
        first, self._server_spoke = not self._server_spoke, True
        if self._listed_at is None:
            return  # nothing is decided before the engine has shown what runs; the first list covers it
        pods = self._view.pods()
        with self._lock:
            self._workers = {uid: each for uid, each in self._workers.items() if not each.done}
            for uid in touched.pods:
                if uid in pods:
                    self._desire(uid, pods[uid])
                elif uid in self._workers:
                    self._workers[uid].desire(None)
            others = {uid: each for uid, each in self._workers.items() if uid not in touched.pods}
        for uid, worker in others.items():
            if touched.kinds & CONFIGURATION or uid in touched.tokens or worker.waits_for_services:
                worker.look_again()
        if SLICES in touched.kinds:
            self.farewell()
        if first:
            self._relist_now.set()

    def farewell(self) -> None:
        """Somewhere rules follow the slices: pods that are to end may be out of all of them."""
        for worker in self.workers():
            if worker.waits_for_farewell:
                worker.look()

    def network_is_up(self) -> None:
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.look_again()

    def workers(self) -> list[PodWorker]:
        with self._lock:
            return list(self._workers.values())

    def has_orphans(self) -> bool:
        """Whether something of a pod is still here that the server has forgotten."""
        pods = self._view.pods()
        return any(each.record.uid not in pods and not each.done for each in self.workers())

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """The worker of a pod by its name; the one that is not ending where a name is used again."""
        found = [
            each
            for each in self.workers()
            if (pod := each.record.pod) is not None
            and (pod.metadata.namespace, pod.metadata.name) == (namespace, name)
        ]
        return min(found, key=lambda each: each.record.deleted, default=None)

    def _desire(self, uid: str, pod: types.Pod | None) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.desire(pod)
            return
        worker = self._workers[uid] = PodWorker(uid, self._tools)
        worker.begin(pod, self._shown.get(uid, []), self._listed_at or utcnow())

    def _relist(self) -> bool:
        """Compare what the engine has with what the workers know. False when the engine is away."""
        asked_at = utcnow()
        try:
            containers = self._tools.runtime.containers()
        except RuntimeTrouble as error:
            self._away(error)
            return False
        self._said_away = False
        shown: dict[str, list[Seen]] = defaultdict(list)
        for each in containers:
            shown[each.uid].append(each)
        with self._lock:
            if self._stopped:
                return True
            self._shown, self._listed_at = shown, asked_at
            known = dict(self._workers)
            self._hand_out(self._view.pods())
        for uid, worker in known.items():
            if not worker.agrees(shown.get(uid, [])):
                worker.listed(shown.get(uid, []), asked_at)
        return True

    def _hand_out(self, pods: dict[str, types.Pod]) -> None:
        """Begin with pods that have no worker, and remove what belongs to no pod at all."""
        for uid in set(pods) - set(self._workers):
            self._desire(uid, pods[uid])
        if not self._server_spoke:
            return
        for uid in (set(self._shown) | set(self._tools.volumes.held())) - set(self._workers):
            log.info("pod %s is not known to the server: what is left of it is removed", uid)
            self._desire(uid, None)

    def _keep_listing(self) -> None:
        while not self._stopped:
            self._relist_now.wait(RELIST_SECONDS)
            self._relist_now.clear()
            if not self._stopped:
                self._relist()

    def _follow(self, since: datetime) -> None:
        """Everything the engine reports, from ``since`` on, over as many connections as it takes."""
        while not self._stopped:
            try:
                for happening in self._tools.runtime.happenings(since):
                    since = happening.at
                    self._happened(happening)
            except EngineAway as error:
                self._away(error)
            except Exception:
                log.exception("the engine's events cannot be read")
            if not self._stopped:
                time.sleep(ENGINE_RETRY_SECONDS)
                self._relist_now.set()

    def _away(self, error: RuntimeTrouble) -> None:
        """Said once, not at every try."""
        if not self._said_away and not self._stopped:
            log.warning("%s", str(error))  # the error itself would keep its sockets alive in a log record
        self._said_away = True

    def _happened(self, happening: Happening) -> None:
        with self._lock:
            worker = self._workers.get(happening.labels.get(LABEL_UID, ""))
        if worker is not None:
            worker.happened(happening)


def host_ports(pods: Iterable[tuple[types.Pod, str]]) -> list[tuple[types.Pod, types.ContainerPort, str]]:
    """The ports of the machine that pods with an address ask for. Pure."""
    return [
        (pod, port, address)
        for pod, address in pods
        for container in pod.spec.all_containers()
        for port in container.ports
        if port.host_port and address and not pod.spec.host_network
    ]
