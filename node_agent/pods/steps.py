"""Carrying out the steps that ``plan`` chose: talk to the engine, then fold what it shows into the record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import assert_never

from apps.cluster import types
from apps.cluster.types.agent import PodReport
from node_agent import disk
from node_agent import ended as ended_logs
from node_agent.pods import plan, spec, status
from node_agent.pods.care import Care
from node_agent.pods.env import ConfigTrouble
from node_agent.pods.making import Making
from node_agent.pods.record import Record
from node_agent.pods.sight import ended
from node_agent.pods.tools import Tools
from node_agent.pods.voice import Voice
from node_agent.runtime.base import (
    SANDBOX,
    EngineAway,
    LogWish,
    NoSuchContainer,
    RuntimeTrouble,
    Seen,
    State,
)
from node_agent.waiting import utcnow

log = logging.getLogger(__name__)

FINISH, BEGIN = 0, 1  # ranks at the gate
BEFORE_CONTAINERS = (plan.MakeSandbox, plan.StartSandbox, plan.Attach, plan.Settled)
CONFIG_RETRY = timedelta(seconds=10)
MESSAGE_LIMIT, MESSAGE_LINES = 4096, 80
ADDRESS_FILE = "address"


class Steps:
    """All of it runs in the pod's worker thread, except what is handed to ``tell``."""

    def __init__(self, record: Record, tools: Tools, tell: Callable[[Callable[[], None]], None]) -> None:
        self.made_at: dict[str, datetime] = {}  # so that an older list is not taken for a loss
        self._record, self._tools = record, tools
        self._voice = Voice(record, tools.reports)
        self._making = Making(record, tools, self._voice, tell)
        self.care = Care(record, tools, self._voice, tell)
        self._last_report = b""

    def take(self, step: plan.Step, now: datetime) -> None:  # noqa: C901, PLR0912 (one line a step)
        """Do it. Raises RuntimeTrouble or OSError when it could not be done; then it is tried again."""
        if not isinstance(step, BEFORE_CONTAINERS) and self._take_over():
            return  # there is more now than the step was chosen for
        match step:
            case plan.MakeSandbox():
                self._make_sandbox(step, now)
            case plan.StartSandbox():
                self._start_sandbox(step.id)
            case plan.Attach():
                self._attach(step.pid, now)
            case plan.MakeContainer():
                self._make_container(step, now)
            case plan.StartContainer():
                self._start_container(step)
            case plan.RunPostStart():
                self.care.run_post_start(step.id)
            case plan.Terminate():
                self._terminate(step.ids, now)
            case plan.Signal():
                for id in step.ids:
                    self.care.signal_late(self._record.seen[id], now)
            case plan.Kill():
                self._kill(step.ids)
            case plan.Remove():
                self._remove(step.ids)
            case plan.DropSandbox():
                self._drop_sandbox(step.ids)
            case plan.Release():
                self._release()
            case plan.Settled():
                pass
            case _:
                assert_never(step)

    def observe(self, container: Seen) -> None:
        """Fold in what the engine shows, with the message an ended container left."""
        self._record.observe(container)
        life = self._record.life(container.name)
        if ended(container) and life.ending is not None and not life.ending.message:
            life.ending.message = self._last_words(container)

    def desire(self, pod: types.Pod | None) -> None:
        """The pod as the server has it now; its labels and annotations may be shown in files."""
        before = self._record.pod
        self._record.desire(pod)
        if pod is not None and before is not None and _told_in_files(pod) != _told_in_files(before):
            self._making.refresh_volumes()

    def adopt(self) -> None:
        """After a restart of the agent: take up the address of a sandbox that runs."""
        record = self._record
        held = self._address_file()
        if record.address or not self._tools.node.network_up or not held.exists():
            return
        if any(each.name == SANDBOX and each.state is State.RUNNING for each in record.seen.values()):
            record.address = held.read_text()
            self._tools.network.adopt(record.uid, record.address)
            self._moved()

    def hope(self) -> None:
        """What a container waited for may be there now: look at once instead of at the retry time."""
        record = self._record
        for life in record.lives.values():
            if life.reason in ("CreateContainerConfigError", "ContainerCreating"):
                life.retry_at = None
        self._making.refresh_volumes()
        self.adopt()

    def evict(self, words: str) -> None:
        record = self._record
        if record.evicted or record.ending() or record.pod is None or record.reported.is_finished:
            return
        record.evicted = words
        self._voice.say("Evicted", words, warning=True)

    def report(self, now: datetime) -> None:
        """Tell the server the pod's status, when it is another one than it was told last."""
        record = self._record
        if record.pod is None or record.deleted:
            return
        sight = record.sight(True)
        found = status.pod_status(
            record.pod, sight, before=record.reported, host_ip=self._tools.node.address, now=now
        )
        found.qos_class = found.qos_class or spec.qos_class(record.pod)
        encoded = types.encode(found) + (b"gone" if record.released else b"")
        doubted = record.doubted and not self._tools.reports.pending(record.uid)
        record.doubted = False
        if encoded == self._last_report and not doubted:
            return
        self._tell_crashes(record.reported, found)
        self._last_report, record.reported = encoded, found
        meta = record.pod.metadata
        self._tools.reports.status(
            PodReport(
                namespace=meta.namespace, name=meta.name, uid=meta.uid, status=found, gone=record.released
            )
        )

    def _tell_crashes(self, before: types.PodStatus, found: types.PodStatus) -> None:
        """Once for every time a container begins to wait because it ended too often."""
        told = {each.name: each.restart_count for each in before.all_containers() if _crashes(each)}
        for each in found.all_containers():
            if _crashes(each) and told.get(each.name) != each.restart_count:
                meta = self._pod().metadata
                words = (
                    f"Back-off restarting failed container {each.name} "
                    f"in pod {meta.name}_{meta.namespace}({meta.uid})"
                )
                self._voice.say("BackOff", words, container=each.name, warning=True)

    def _pod(self) -> types.Pod:
        assert self._record.pod is not None
        return self._record.pod

    def _make_sandbox(self, step: plan.MakeSandbox, now: datetime) -> None:
        pod = self._pod()
        if step.attempt > 0:
            self._voice.say(
                "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.", container=""
            )
        lowest = self._tools.node.lowest_oom_score
        try:
            id = self._tools.runtime.create(spec.sandbox_spec(self._tools.names, pod, step.attempt, lowest))
        except EngineAway:
            raise
        except (RuntimeTrouble, ConfigTrouble) as error:
            self._sandbox_trouble(error, now)
            return
        self._made(id, SANDBOX, step.attempt, sandbox="")
        self._making.prepare_beside(id, now)
        self._start_sandbox(id)

    def _start_sandbox(self, id: str) -> None:
        try:
            with self._tools.gate.enter(BEGIN):
                self._tools.runtime.start(id)
            self.observe(self._tools.runtime.inspect(id))
        except NoSuchContainer:
            self._record.lost(id, None, utcnow())
        except EngineAway:
            raise
        except RuntimeTrouble as error:
            self._sandbox_trouble(error, utcnow())
            self._tools.runtime.remove(id)
            self._record.lost(id, None, utcnow())

    def _sandbox_trouble(self, error: Exception, now: datetime) -> None:
        self._record.retry_at = now + CONFIG_RETRY
        self._voice.say("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}", warning=True)

    def _attach(self, pid: int, now: datetime) -> None:
        record = self._record
        try:
            address = self._tools.network.attach(record.uid, pid)
            held = self._address_file()
            held.parent.mkdir(parents=True, exist_ok=True)
            disk.write(held, address.encode())
        except Exception as error:  # whatever kernel or disk refuse: the pod waits, and says why
            log.exception("pod %s cannot be wired", record.uid)
            self._sandbox_trouble(error, now)
            return
        record.address = address
        self._moved()

    def _take_over(self) -> bool:
        """Containers that were made beside the sandbox's start; whether there were any."""
        made = self._making.join()
        sandbox = next((each.id for each in self._record.seen.values() if each.name == SANDBOX), "")
        for name, id in made.items():
            self._made(id, name, 0, sandbox=sandbox)
            self._voice.say("Created", f"Created container: {name}", container=name)
        return bool(made)

    def _make_container(self, step: plan.MakeContainer, now: datetime) -> None:
        id = self._making.make(step, now)
        if id is None:
            return
        life = self._record.life(step.name)
        if life.ended_at is not None and not self._sandbox_changed(step):
            life.backoff = life.backoff.taken(life.ended_at, now)
        self._made(id, step.name, step.attempt, sandbox=step.sandbox)
        self._voice.say("Created", f"Created container: {step.name}", container=step.name)

    def _start_container(self, step: plan.StartContainer) -> None:
        try:
            with self._tools.gate.enter(FINISH):
                self._tools.runtime.start(step.id)
        except EngineAway:
            raise
        except NoSuchContainer:
            self._record.lost(step.id, None, utcnow())
            return
        except RuntimeTrouble as error:
            self._voice.say("Failed", f"Error: {error}", container=step.name, warning=True)
            self._refused(step.id, str(error))
            return
        self._look(step.id)
        self._voice.say("Started", f"Started container {step.name}", container=step.name)

    def _refused(self, id: str, words: str) -> None:
        """The engine would not start it: an ending like any other, with the engine's words."""
        try:
            shown = self._tools.runtime.inspect(id)
        except NoSuchContainer:
            self._record.lost(id, None, utcnow())
            return
        if not ended(shown):
            shown = replace(shown, error=words)
        self.observe(replace(shown, finished_at=shown.finished_at or utcnow()))

    def _terminate(self, ids: tuple[str, ...], now: datetime) -> None:
        if self._record.ending() and self._record.ending_since is None:
            self._record.ending_since = self._record.told_to_end or now
        for id in ids:
            self.care.begin_stop(self._record.seen[id], now)

    def _kill(self, ids: tuple[str, ...]) -> None:
        for id in ids:
            self._tools.runtime.signal(id, "SIGKILL")
            self._look(id)
        if any(self._record.seen[id].state is State.RUNNING for id in ids if id in self._record.seen):
            raise RuntimeTrouble("a container outlives SIGKILL")

    def _remove(self, ids: tuple[str, ...]) -> None:
        for id in ids:
            self._keep_log(id)
            self._tools.runtime.remove(id)
            self._record.lost(id, None, utcnow())

    def _keep_log(self, id: str) -> None:
        """What a pod that goes has written outlives it for a while."""
        pod, container = self._record.pod, self._record.seen.get(id)
        if pod is None or container is None or container.name == SANDBOX or container.state is State.CREATED:
            return
        if self._record.ending():
            written = self._written(id, LogWish(tail=ended_logs.MOST_LINES, timestamps=True))
            self._tools.ended.keep(pod, container, written, utcnow())

    def _drop_sandbox(self, ids: tuple[str, ...]) -> None:
        if self._tools.node.network_up:
            self._tools.network.detach(self._record.uid)
        self._address_file().unlink(missing_ok=True)
        self._record.address = ""
        self._moved()
        self._remove(ids)

    def _moved(self) -> None:
        """The pod's address is another one: its ports on the machine lead there."""
        pod = self._record.pod
        if pod is None or any(port.host_port for each in pod.spec.all_containers() for port in each.ports):
            self._tools.moved()

    def _release(self) -> None:
        self._tools.volumes.remove(self._record.uid)
        self._tools.images.forget(self._record.uid + "/")
        self._record.released = True

    def _look(self, id: str) -> None:
        try:
            self.observe(self._tools.runtime.inspect(id))
        except NoSuchContainer:
            self._record.lost(id, None, utcnow())

    def _made(self, id: str, name: str, attempt: int, sandbox: str) -> None:
        self.made_at[id] = utcnow()
        made = Seen(
            id=id, uid=self._record.uid, name=name, attempt=attempt, state=State.CREATED, sandbox=sandbox
        )
        self._record.made(made)

    def _sandbox_changed(self, step: plan.MakeContainer) -> bool:
        """Whether the container before ran in another sandbox: then it is not to blame for its end."""
        previous = [each for each in self._record.seen.values() if each.name == step.name]
        newest = max(previous, key=lambda each: each.attempt, default=None)
        return newest is not None and newest.sandbox != step.sandbox

    def _address_file(self) -> Path:
        return self._tools.volumes.directory(self._record.uid) / ADDRESS_FILE

    def _last_words(self, container: Seen) -> str:
        """What the container wrote to its termination message file, or the end of its output."""
        wanted = self._record.wanted(container.name)
        if wanted is None:
            return ""
        path = self._tools.volumes.termination_log(container.uid, container.name, container.attempt)
        try:
            words = path.read_bytes()[:MESSAGE_LIMIT]
        except OSError:
            words = b""
        if not words and container.exit_code and wanted.termination_message_policy == "FallbackToLogsOnError":
            words = self._written(container.id, LogWish(tail=MESSAGE_LINES))[-MESSAGE_LIMIT // 2 :]
        return words.decode(errors="replace")

    def _written(self, id: str, wish: LogWish) -> bytes:
        try:
            return b"".join(self._tools.runtime.logs(id, wish))
        except RuntimeTrouble:
            return b""


def _told_in_files(pod: types.Pod) -> tuple[dict[str, str], dict[str, str]]:
    return pod.metadata.labels, pod.metadata.annotations


def _crashes(container: types.ContainerStatus) -> bool:
    return container.state.waiting is not None and container.state.waiting.reason == "CrashLoopBackOff"
