"""How an object is, in one sentence: the line under its name. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.cluster import types
from apps.cluster.kinds.pod_columns import status as pod_word
from apps.dashboard import look


@dataclass(frozen=True)
class Sentence:
    word: str
    look: look.Look
    text: str


def of_object(key: str, obj: Any, now: datetime) -> Sentence | None:
    """None for kinds that have no state worth a sentence."""
    if obj.metadata.deletion_timestamp is not None and key != "pods":
        waits = ", ".join(obj.metadata.finalizers or getattr(getattr(obj, "spec", None), "finalizers", []))
        text = f"It is being deleted and waits for {waits}." if waits else "It is being deleted."
        return Sentence("Terminating", look.BUSY, text)
    tell = _SENTENCES.get(key)
    return tell(obj, now) if tell else None


def _pod(pod: types.Pod, now: datetime) -> Sentence:
    word = pod_word(pod, now)
    total, ready = len(pod.spec.containers), sum(status.ready for status in pod.status.container_statuses)
    restarts = sum(status.restart_count for status in pod.status.container_statuses)
    where = f" on {pod.spec.node_name}" if pod.spec.node_name else ""
    count = (
        "Its container is ready"
        if total == 1 and ready == 1
        else f"{ready} of {_count(total, 'container')} ready"
    )
    text = f"{count}{where}" + (f", restarted {_times(restarts)}." if restarts else ".")
    if pod.status.phase == "Succeeded":
        text = "Its containers have done their work and ended."
    return Sentence(word, look.of_word(word), text)


def _controller(controller: types.ReplicationController, now: datetime) -> Sentence:
    wanted, there, ready = (
        controller.spec.replicas or 0,
        controller.status.replicas,
        controller.status.ready_replicas,
    )
    if controller.status.observed_generation < controller.metadata.generation:
        return Sentence(
            "Progressing", look.BUSY, f"Scaling to {wanted}: the controller has not seen this change yet."
        )
    if wanted == 0 and there == 0:
        return Sentence("Scaled to zero", look.IDLE, "It keeps no pods: its number of replicas is 0.")
    failure = next(
        (c for c in controller.status.conditions if c.type == "ReplicaFailure" and c.status == "True"), None
    )
    if failure:
        return Sentence("Failing", look.BAD, f"Pods cannot be made: {failure.message}")
    if there > wanted:
        return Sentence("Progressing", look.BUSY, f"Taking away {_count(there - wanted, 'pod')} of {there}.")
    if ready < wanted:
        return Sentence("Not ready", look.WAITING, f"{ready} of {_count(wanted, 'pod')} ready.")
    return Sentence("Ready", look.OK, f"All {wanted} pods are ready." if wanted > 1 else "Its pod is ready.")


def _node(node: types.Node, now: datetime) -> Sentence:
    ready = next((condition for condition in node.status.conditions if condition.type == "Ready"), None)
    cordoned = " It takes no new pods: it is cordoned." if node.spec.unschedulable else ""
    if ready is None:
        return Sentence("Unknown", look.WARN, f"Its agent has not reported yet.{cordoned}")
    if ready.status == "True":
        word = "Ready,SchedulingDisabled" if cordoned else "Ready"
        return Sentence(word, look.of_word(word), f"Its agent reports and pods can run here.{cordoned}")
    word = "NotReady"
    return Sentence(word, look.BAD, f"{ready.message or 'It does not report.'}{cordoned}")


def _service(service: types.Service, now: datetime) -> Sentence | None:
    ports = [port.node_port for port in service.spec.ports if port.node_port]
    if ports:
        told = ", ".join(map(str, ports))
        return Sentence("Exposed", look.WARN, f"Reachable from outside on port {told} of every node.")
    if service.spec.cluster_ip == "None":
        return Sentence("Headless", look.IDLE, "Its name leads straight to the pods.")
    return Sentence("Internal", look.OK, "Reachable inside the cluster only.")


def _namespace(namespace: types.Namespace, now: datetime) -> Sentence:
    word = namespace.status.phase or "Active"
    return Sentence(word, look.of_word(word), "Its names, rights and limits are its own.")


def _event(event: types.Event, now: datetime) -> Sentence:
    return Sentence(event.type or "Normal", look.of_word(event.type or "Normal"), event.message)


_SENTENCES: dict[str, Callable[[Any, datetime], Sentence | None]] = {
    "pods": _pod,
    "replicationcontrollers": _controller,
    "nodes": _node,
    "services": _service,
    "namespaces": _namespace,
    "events": _event,
}


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
