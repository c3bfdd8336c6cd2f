"""Which container's output is meant, and which part of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from apps.cluster import types
from node_agent.herd import Herd
from node_agent.refused import Refused
from node_agent.runtime.base import LogWish, NoSuchContainer, Runtime, Seen, State, Stream


class LogRefused(Refused):
    """There is no such output."""


def wish_of(query: Mapping[str, str], now: float) -> tuple[LogWish, bool, int | None]:
    """What the query asks for, whether of the container before, and how many bytes at most. Pure."""
    try:
        since = None
        if "sinceSeconds" in query:
            since = now - int(query["sinceSeconds"])
        elif query.get("sinceTime"):
            since = datetime.fromisoformat(query["sinceTime"].replace("Z", "+00:00")).timestamp()
        tail = int(query["tailLines"]) if "tailLines" in query else None
        limit = int(query["limitBytes"]) if "limitBytes" in query else None
    except ValueError as error:
        raise LogRefused(400, f"the request for logs cannot be read: {error}") from error
    wish = LogWish(
        follow=_yes(query.get("follow")), tail=tail, since=since, timestamps=_yes(query.get("timestamps"))
    )
    return wish, _yes(query.get("previous")), limit


def _yes(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true")


class Logs:
    def __init__(self, herd: Herd, runtime: Runtime) -> None:
        self._herd, self._runtime = herd, runtime

    def open(self, namespace: str, pod: str, container: str, *, previous: bool, wish: LogWish) -> Stream:
        """The container's output. Raises LogRefused in the API's words, or a RuntimeTrouble."""
        worker = self._herd.find(namespace, pod)
        if worker is None or worker.record.pod is None:
            raise LogRefused(404, f'pod "{pod}" is not on this node')
        record = worker.record
        if container not in {each.name for each in worker.record.pod.spec.all_containers()}:
            raise LogRefused(400, f"container {container} is not valid for pod {pod}")
        life = record.lives.get(container)
        attempts = sorted(
            (each for each in list(record.seen.values()) if each.name == container),
            key=lambda each: each.attempt,
            reverse=True,
        )
        found = _chosen(attempts, _ended_before(record.reported, container) if previous else None)
        if found is None:
            if previous:
                words = f'previous terminated container "{container}" in pod "{pod}" not found'
            else:
                reason = (life.reason if life is not None else "") or "ContainerCreating"
                words = f'container "{container}" in pod "{pod}" is waiting to start: {reason}'
            raise LogRefused(400, words)
        try:
            return self._runtime.logs(found.id, wish)
        except NoSuchContainer as error:
            raise LogRefused(404, str(error)) from error


def _ended_before(status: types.PodStatus, container: str) -> str:
    """The engine id of the container whose end is told as the last state; while one waits to start again, that is
    the newest."""
    for each in status.all_containers():
        if each.name == container and each.last_state.terminated is not None:
            return each.last_state.terminated.container_id.rpartition("//")[2]
    return ""


def _chosen(attempts: list[Seen], wanted: str | None) -> Seen | None:
    """The newest one, or the one with that engine id. Pure; newest first."""
    made = [each for each in attempts if each.state is not State.CREATED or each.error]
    if wanted is not None:
        made = [each for each in made if each.id == wanted]
    return made[0] if made else None
