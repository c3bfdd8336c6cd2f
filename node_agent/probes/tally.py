"""Which probes a pod's containers have at a moment, and what a row of answers comes to. Pure: time comes in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from apps.cluster import types
from node_agent.pods.sight import PostStart, Sight
from node_agent.runtime.base import State


class Question(Enum):
    LIVENESS = "Liveness"
    READINESS = "Readiness"
    STARTUP = "Startup"


SOONEST = 0.1
Key = tuple[str, Question]  # the container's engine id, and what it is asked


@dataclass(frozen=True, slots=True)
class Target:
    """One probe of one container."""

    id: str
    name: str
    question: Question
    probe: types.Probe
    ports: tuple[types.ContainerPort, ...]
    address: str
    started_at: datetime | None
    verdict: bool  # what holds until it is asked

    @property
    def key(self) -> Key:
        return self.id, self.question


@dataclass(frozen=True, slots=True)
class Tally:
    """The standing verdict, and how many answers in a row were alike."""

    verdict: bool
    last: bool | None = None
    row: int = 0
    condemned: bool = False  # the container must go

    def after(self, answer: bool, target: Target) -> Tally:
        """With one more answer: the verdict turns when enough of one sort came in a row."""
        probe = target.probe
        row = self.row + 1 if answer is self.last else 1
        enough = (probe.success_threshold or 1) if answer else (probe.failure_threshold or 3)
        if row < enough:
            return Tally(self.verdict, answer, row)
        return Tally(answer, answer, row, not answer and target.question is not Question.READINESS)

    def over(self, question: Question) -> bool:
        """Whether nothing more is to be asked: it has started, or it must go."""
        return self.condemned or (question is Question.STARTUP and self.verdict)


def targets(pod: types.Pod, sight: Sight, address: str) -> dict[Key, Target]:
    """Everything there is to ask now; a container that is to stop is asked nothing more."""
    if sight.ending:
        return {}
    found: dict[Key, Target] = {}
    for container in pod.spec.all_containers():
        newest = sight.newest(container.name)
        if newest is None or newest.state is not State.RUNNING or newest.id in sight.stops:
            continue
        health = sight.health_of(newest)
        if health.doomed or health.post_start is not PostStart.DONE:
            continue
        asked = {Question.LIVENESS: container.liveness_probe, Question.READINESS: container.readiness_probe}
        if not health.started:
            asked = {Question.STARTUP: container.startup_probe}
        for question, probe in asked.items():
            if probe is None:
                continue
            target = Target(
                id=newest.id,
                name=container.name,
                question=question,
                probe=probe,
                ports=tuple(container.ports),
                address=address,
                started_at=newest.started_at,
                verdict=health.ready if question is Question.READINESS else question is Question.LIVENESS,
            )
            found[target.key] = target
    return found


def period_of(target: Target) -> float:
    return float(target.probe.period_seconds or 10)


def pause_after(target: Target, tally: Tally, before: float = 0.0) -> float:
    """Seconds from a question to the next: the period. Sooner, twice as long each time, while a container is not ready
    yet: most are within a moment, and others wait for them."""
    if target.question is Question.LIVENESS or target.verdict or tally.verdict:
        return period_of(target)
    return min(2 * before or SOONEST, period_of(target))


def first_asked(target: Target, now: datetime, spread: float) -> timedelta:
    """How long until the first question. Of a container adopted after a restart of the agent, at some moment
    (``spread``, from 0 to 1) within its period: not all at once."""
    if target.started_at is None:
        return timedelta(0)
    due = target.started_at + timedelta(seconds=target.probe.initial_delay_seconds)
    if due > now:
        return due - now
    period = timedelta(seconds=period_of(target))
    late = now - due > period and target.question is not Question.STARTUP and target.verdict
    return period * spread if late else timedelta(0)
