"""One pod's worker: folds in what happened, takes the one next step, reports, until nothing is left to do.

A thread of its own while there is work, none while the pod is settled. All steps are idempotent, so an agent
killed between any two of them goes on where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from apps.cluster import types
from node_agent.pods import plan
from node_agent.pods.record import Record
from node_agent.pods.steps import Steps
from node_agent.pods.tools import Tools
from node_agent.runtime.base import EngineAway, Happening, NoSuchContainer, RuntimeTrouble, Seen
from node_agent.waiting import utcnow

log = logging.getLogger(__name__)

AFTER_TROUBLE = timedelta(seconds=1)
Note = Callable[[], None]
QUIET = (plan.MakeSandbox, plan.StartSandbox, plan.Attach, plan.StartContainer)  # more is known right after


class PodWorker:
    """What is told to it returns at once; the work happens in its own thread."""

    def __init__(self, uid: str, tools: Tools) -> None:
        self.record = Record(uid)
        self._tools = tools
        self._steps = Steps(self.record, tools, self.tell)
        self._lock = threading.Lock()
        self._notes: list[Note] = []
        self._working = self._stopped = self._waits = self._leaves = False
        self._alarm: datetime | None = None

    def tell(self, note: Note) -> None:
        """Run ``note`` in the worker's thread, then look what is to be done."""
        with self._lock:
            self._notes.append(note)
            if self._working or self._stopped:
                return
            self._working = True
        threading.Thread(target=self._work, name=f"pod {self.record.uid}", daemon=True).start()

    def begin(self, pod: types.Pod | None, containers: list[Seen], asked_at: datetime) -> None:
        """The first word, with all that the engine has of the pod: nothing is done before it is known."""

        def note() -> None:
            self.record.desire(pod)
            self._listed(containers, asked_at)

        self.tell(note)

    def desire(self, pod: types.Pod | None) -> None:
        self.tell(lambda: self._steps.desire(pod))

    def look(self) -> None:
        """What it decides by may have changed."""
        self.tell(lambda: None)

    def look_again(self) -> None:
        """Something it waits for may have come: services, keys, the network."""
        self.tell(self._steps.hope)

    def evict(self, words: str) -> None:
        """The node wants it gone, and says why. It ends as failed; somebody else may replace it."""
        self.tell(lambda: self._steps.evict(words))

    def happened(self, happening: Happening) -> None:
        self.tell(lambda: self._happened(happening))

    def listed(self, containers: list[Seen], asked_at: datetime) -> None:
        """All the engine has of this pod, as a list asked for at that time showed it."""
        self.tell(lambda: self._listed(containers, asked_at))

    def stop(self) -> None:
        """Take no further step; the one under way is finished."""
        with self._lock:
            self._stopped = True

    def agrees(self, containers: list[Seen]) -> bool:
        """Whether a list of the engine's shows nothing new. A guess, made from another thread."""
        known = {each.id: each.state for each in list(self.record.seen.values())}
        return known == {each.id: each.state for each in containers}

    @property
    def waits_for_services(self) -> bool:
        return self._waits

    @property
    def waits_for_farewell(self) -> bool:
        return self._leaves

    @property
    def settled(self) -> bool:
        with self._lock:
            return not self._working

    @property
    def done(self) -> bool:
        """The server has forgotten the pod and nothing of it is left here."""
        return self.record.deleted and self.record.released

    def _work(self) -> None:
        while True:
            try:
                self._settle()
            except EngineAway as error:
                log.warning("pod %s waits: %s", self.record.uid, str(error))
                self._wake_at(utcnow() + AFTER_TROUBLE)
            except Exception:
                log.exception("pod %s: a step failed and is tried again", self.record.uid)
                self._wake_at(utcnow() + AFTER_TROUBLE)
            with self._lock:
                if not self._notes or self._stopped:
                    self._working = False
                    return

    def _settle(self) -> None:
        while not self._stopped:
            self._read_notes()
            now = utcnow()
            sight = self.record.sight(self._may_start(), self._served_until(now))
            step = plan.next_step(self.record.pod, sight, now)
            if isinstance(step, plan.Settled):
                self._steps.report(now)
                self._steps.care.attend()
                if step.until is not None:
                    self._wake_at(step.until)
                return
            if not isinstance(step, QUIET):
                self._steps.report(now)
                self._steps.care.attend()
            self._steps.take(step, now)

    def _served_until(self, now: datetime) -> datetime | None:
        """The end of the wait for the other nodes' rules; None when there is nothing to wait for."""
        until = self.record.served_until(now)
        self._leaves = until is not None  # first: who hears of the rules meanwhile makes it look again
        if until is not None and self._tools.farewell(self.record.uid):
            self._leaves, until = False, None
        return until

    def _may_start(self) -> bool:
        self._waits = self._tools.view.number < self.record.binding
        return not self._waits and (
            self._tools.node.network_up
            or (self.record.pod is not None and bool(self.record.pod.spec.host_network))
        )

    def _read_notes(self) -> None:
        while True:
            with self._lock:
                if not self._notes:
                    return
                note = self._notes.pop(0)
            note()

    def _wake_at(self, moment: datetime) -> None:
        if self._alarm is not None and utcnow() < self._alarm <= moment:
            return  # it looks then anyway
        self._alarm = moment
        self._tools.alarms.at(moment, self.look)

    def _happened(self, happening: Happening) -> None:
        known = self.record.seen.get(happening.id)
        if happening.action == "destroy":
            self.record.lost(happening.id, None, happening.at)
            return
        if happening.action == "start" and known is not None and known.started_at is not None:
            return  # our own start, seen already
        exit_code = happening.exit_code if happening.action == "die" else None
        self._look(happening.id, exit_code, happening.at)

    def _listed(self, containers: list[Seen], asked_at: datetime) -> None:
        shown = {each.id: each for each in containers}
        for id in list(self.record.seen):
            if id not in shown and self._steps.made_at.get(id, asked_at) <= asked_at:
                self.record.lost(id, None, asked_at)
        for each in sorted(containers, key=lambda one: one.attempt):
            known = self.record.seen.get(each.id)
            if known is None or known.state is not each.state:
                self._look(each.id, None, asked_at)
        self.record.miss(asked_at)
        self._steps.adopt()

    def _look(self, id: str, exit_code: int | None, at: datetime) -> None:
        try:
            self._steps.observe(self._tools.runtime.inspect(id))
        except NoSuchContainer:
            self.record.lost(id, exit_code, at)
        except EngineAway:
            raise
        except RuntimeTrouble as error:
            log.warning("container %s cannot be looked at: %s", id, error)
