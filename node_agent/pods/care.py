"""Looking after containers that run: their probes and hooks, and what the answers mean for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from node_agent.pods.record import Record
from node_agent.pods.sight import PostStart, Stop
from node_agent.pods.tools import Tools
from node_agent.pods.voice import Voice
from node_agent.probes.asking import Answer
from node_agent.probes.tally import Key, Question, Tally, Target, targets
from node_agent.runtime.base import Seen

LAST_MOMENT = timedelta(seconds=2)  # after the signal, for a container whose hook took all of its grace


class Care:
    """Runs in the pod's worker thread; answers come back through ``tell``."""

    def __init__(
        self, record: Record, tools: Tools, voice: Voice, tell: Callable[[Callable[[], None]], None]
    ) -> None:
        self._record, self._tools, self._voice, self._tell = record, tools, voice, tell
        self._asked: set[Key] = set()

    def attend(self) -> None:
        """Have everything asked that is to be asked now, and nothing else."""
        record = self._record
        if record.pod is None:
            return
        wanted = targets(record.pod, record.sight(True), self._address())
        if set(wanted) != self._asked:
            self._asked = set(wanted)
            self._tools.prober.watch(record.uid, wanted, self._told)

    def run_post_start(self, id: str) -> None:
        container, health = self._record.seen[id], self._record.health[id]
        wanted = self._record.wanted(container.name)
        if wanted is None or wanted.lifecycle is None or wanted.lifecycle.post_start is None:
            self._record.post_started(id)
            return
        health.post_start = PostStart.RUNS
        self._tools.prober.run_hook(
            wanted.lifecycle.post_start,
            container,
            wanted=wanted,
            address=self._address(),
            done=lambda answer: self._tell(lambda: self._post_started(container, answer)),
        )

    def begin_stop(self, container: Seen, now: datetime) -> None:
        """Its hook first, then its signal; it has the grace that was asked for it."""
        record = self._record
        health, wanted = record.health.get(container.id), record.wanted(container.name)
        grace = record.grace()
        if health is not None and health.grace is not None and not record.ending():
            grace = health.grace
        stop = record.stops[container.id] = Stop(until=now + grace)
        if not (health is not None and health.doomed):
            self._say(container, "Killing", f"Stopping container {container.name}")
        hook = None if wanted is None or wanted.lifecycle is None else wanted.lifecycle.pre_stop
        if hook is None or wanted is None or grace <= timedelta(0):
            self.signal(container)
            return
        stop.hooked = True
        self._tools.prober.run_hook(
            hook,
            container,
            wanted=wanted,
            address=self._address(),
            done=lambda answer: self._tell(lambda: self._pre_stopped(container, answer)),
        )

    def signal(self, container: Seen) -> None:
        self._record.stops[container.id].signalled = True
        self._tools.runtime.signal(container.id, container.stop_signal)

    def signal_late(self, container: Seen, now: datetime) -> None:
        """Its hook is done, or took all of the grace: then there is one more moment."""
        stop = self._record.stops[container.id]
        if stop.hooked:
            stop.hooked, stop.extended, stop.until = False, True, now + LAST_MOMENT
        self.signal(container)

    def _told(self, target: Target, tally: Tally, answer: Answer) -> None:
        self._tell(lambda: self._answered(target, tally, answer))

    def _answered(self, target: Target, tally: Tally, answer: Answer) -> None:
        container, health = self._record.seen.get(target.id), self._record.health.get(target.id)
        if container is None or health is None or health.doomed or self._record.ending():
            return
        word = target.question.value
        if not answer.good:
            self._say(container, "Unhealthy", f"{word} probe failed: {answer.words}", warning=True)
        if tally.condemned:
            health.doomed = True
            if target.probe.termination_grace_period_seconds is not None:
                health.grace = timedelta(seconds=target.probe.termination_grace_period_seconds)
            words = f"Container {container.name} failed {word.lower()} probe, will be restarted"
            self._say(container, "Killing", words)
        if target.question is Question.READINESS:
            health.ready = tally.verdict
        elif target.question is Question.STARTUP and tally.verdict:
            asked = self._record.wanted(container.name)
            health.started = True
            health.ready = asked is None or asked.readiness_probe is None

    def _post_started(self, container: Seen, answer: Answer) -> None:
        health = self._record.health.get(container.id)
        if health is None or health.post_start is not PostStart.RUNS:
            return
        self._record.post_started(container.id)
        if not answer.good:
            health.doomed, health.started, health.ready = True, False, False
            self._say(container, "FailedPostStartHook", "PostStartHook failed", warning=True)
            self._say(container, "Killing", "FailedPostStartHook")

    def _pre_stopped(self, container: Seen, answer: Answer) -> None:
        stop = self._record.stops.get(container.id)
        if stop is None or not stop.hooked:
            return
        stop.hooked = False
        if not answer.good:
            self._say(container, "FailedPreStopHook", "PreStopHook failed", warning=True)

    def _address(self) -> str:
        host = self._record.pod is not None and self._record.pod.spec.host_network
        return self._tools.node.address if host else self._record.address

    def _say(self, container: Seen, reason: str, message: str, *, warning: bool = False) -> None:
        self._voice.say(reason, message, container=container.name, warning=warning)
