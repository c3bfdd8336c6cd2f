"""One pod of a hollow node: the same plan and the same status as a real one, carried out by pretending."""

from __future__ import annotations

from datetime import datetime

from apps.cluster import types
from apps.cluster.types.agent import EventReport, PodReport
from node_agent.hollow.engine import INIT_ENDS_WITH, HollowEngine
from node_agent.hollow.network import HollowNetwork
from node_agent.outbox import Outbox
from node_agent.pods import plan, spec, status, wanting
from node_agent.pods.record import Record
from node_agent.pods.sight import PostStart
from node_agent.runtime.base import SANDBOX, Seen

SIGTERM_EXIT, SIGKILL_EXIT = 143, 137


class HollowPod:
    """Each step succeeds at once, so ``settle`` brings the pod all the way in one call."""

    def __init__(
        self, uid: str, engine: HollowEngine, network: HollowNetwork, outbox: Outbox, address: str
    ) -> None:
        self.record = Record(uid)
        self._engine, self._network, self._outbox, self._address = engine, network, outbox, address
        self._last = b""

    def desire(self, pod: types.Pod | None) -> None:
        """What the server has now. A pod that ran under an earlier process runs on: nothing was ever real."""
        first = self.record.pod is None and pod is not None
        self.record.desire(pod)
        if first and pod is not None and pod.status.pod_ip and not self.record.ending():
            self._take_up(pod)

    @property
    def done(self) -> bool:
        return self.record.deleted and self.record.released

    def settle(self, view_number: int, now: datetime) -> datetime | None:
        """Take every step there is, report, and say when to look again."""
        while True:
            ready = view_number >= self.record.binding and self._network.is_up
            step = plan.next_step(self.record.pod, self.record.sight(ready), now)
            if isinstance(step, plan.Settled):
                self._report(now)
                return step.until
            self._take(step, now)

    def _take(self, step: plan.Step, now: datetime) -> None:
        record, engine = self.record, self._engine
        match step:
            case plan.MakeSandbox():
                record.made(engine.create(record.uid, SANDBOX, step.attempt))
            case plan.StartSandbox():
                record.observe(engine.start(step.id, now))
            case plan.Attach():
                record.address = self._network.attach(record.uid)
            case plan.MakeContainer():
                image = getattr(record.wanted(step.name), "image", "")
                made = engine.create(record.uid, step.name, step.attempt, image=image, sandbox=step.sandbox)
                record.made(made)
                self._tell("Created", f"Created container: {step.name}", step.name)
            case plan.StartContainer():
                self._start(step, now)
            case plan.RunPostStart():
                record.post_started(step.id)
                self._healthy(step.id)
            case _:
                self._take_down(step, now)

    def _take_down(self, step: plan.Step, now: datetime) -> None:
        record = self.record
        match step:
            case plan.Terminate() | plan.Signal():
                record.ending_since = record.ending_since or now
                self._end(step.ids, SIGTERM_EXIT, now)
            case plan.Kill():
                self._end(step.ids, SIGKILL_EXIT, now)
            case plan.Remove():
                self._remove(step.ids, now)
            case plan.DropSandbox():
                self._network.detach(record.uid)
                record.address = ""
                self._remove(step.ids, now)
            case _:
                record.released = True

    def _start(self, step: plan.StartContainer, now: datetime) -> None:
        pod = self.record.pod
        self.record.observe(self._engine.start(step.id, now))
        self._tell("Started", f"Started container {step.name}", step.name)
        if pod is not None and wanting.part_of(pod, step.name) is wanting.Part.INIT:
            self.record.observe(self._engine.end(step.id, INIT_ENDS_WITH, now))
            return
        self._healthy(step.id)

    def _healthy(self, id: str) -> None:
        """Probes of containers that do not exist succeed."""
        health = self.record.health.get(id)
        if health is not None and health.post_start is not PostStart.DUE:
            health.started = health.ready = True

    def _end(self, ids: tuple[str, ...], exit_code: int, now: datetime) -> None:
        for id in ids:
            self.record.observe(self._engine.end(id, exit_code, now))

    def _remove(self, ids: tuple[str, ...], now: datetime) -> None:
        for id in ids:
            self._engine.remove(id)
            self.record.lost(id, None, now)

    def _take_up(self, pod: types.Pod) -> None:
        """Pretend the containers that the pod's status tells of, as a restarted agent would find them."""
        now = pod.status.start_time or types.now()
        sandbox = self._engine.create(self.record.uid, SANDBOX, 0)
        self.record.adopt([self._engine.start(sandbox.id, now)])
        self.record.address = pod.status.pod_ip
        self._network.adopt(self.record.uid, pod.status.pod_ip)
        for told in (*pod.status.container_statuses, *pod.status.ephemeral_container_statuses):
            if told.state.running is None or not told.container_id:
                continue
            made = self._engine.adopt(self._seen(told, sandbox.id))
            self.record.adopt([self._engine.start(made.id, told.state.running.started_at or now)])
            self._healthy(made.id)

    def _seen(self, told: types.ContainerStatus, sandbox: str) -> Seen:
        return self._engine.shape(
            told.container_id.removeprefix(status.SCHEME),
            self.record.uid,
            told.name,
            told.restart_count,
            sandbox,
        )

    def _tell(self, reason: str, message: str, container: str) -> None:
        pod = self.record.pod
        if pod is not None:
            meta = pod.metadata
            self._outbox.event(
                EventReport(
                    namespace=meta.namespace,
                    name=meta.name,
                    uid=meta.uid,
                    reason=reason,
                    message=message,
                    container=container,
                )  # fmt: skip
            )

    def _report(self, now: datetime) -> None:
        record, pod = self.record, self.record.pod
        if pod is None or record.deleted:
            return
        found = status.pod_status(
            pod, record.sight(True), before=record.reported, host_ip=self._address, now=now
        )
        found.qos_class = found.qos_class or spec.qos_class(pod)
        encoded = types.encode(found) + (b"gone" if record.released else b"")
        doubted = record.doubted and not self._outbox.pending(record.uid)
        record.doubted = False
        if encoded == self._last and not doubted:
            return
        self._last, record.reported = encoded, found
        meta = pod.metadata
        self._outbox.status(
            PodReport(
                namespace=meta.namespace, name=meta.name, uid=meta.uid, status=found, gone=record.released
            )
        )
