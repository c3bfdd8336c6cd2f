"""Why a pod is not running, in a sentence with its evidence and what to do. Pure. No Django here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.cluster import types
from apps.cluster.revisions import HELD

UNKNOWN = re.compile(r"manifest unknown|not found|does not exist|name unknown", re.IGNORECASE)
"""How engines say that a registry has no such content."""


@dataclass(frozen=True)
class Why:
    """One sentence, what it rests on, and what may help."""

    tone: str
    sentence: str
    evidence: tuple[str, ...] = ()
    advice: str = ""
    log_of: str = ""
    """The container whose previous run's log tells more."""


def of_pod(pod: types.Pod, events: Sequence[types.Event], now: datetime) -> Why | None:
    """None for a pod that runs as it should."""
    if pod.metadata.deletion_timestamp is not None:
        return _leaving(pod, now)
    if pod.status.phase == "Succeeded":
        return None
    if pod.status.phase == "Failed":
        return _failed(pod)
    if not pod.spec.node_name:
        return _unscheduled(pod)
    waiting = [status for status in pod.status.container_statuses if not status.state.running]
    if waiting:
        return _of_container(pod, waiting[0], events)
    if pod.status.phase == "Unknown":
        return Why("warn", "The node has not reported for a while, so this pod's state is not known.",
                   advice="Look at the node: its machine, its network and its agent.")  # fmt: skip
    if pod.status.phase == "Pending":
        return _starting(pod, events)
    unready = [status.name for status in pod.status.container_statuses if not status.ready]
    if unready:
        return Why("warn", f"{_names(unready)} runs but is not ready, so services send nothing here.")
    return None


def _leaving(pod: types.Pod, now: datetime) -> Why:
    end = pod.metadata.deletion_timestamp
    left = int((end - now).total_seconds()) if end else 0
    grace = pod.metadata.deletion_grace_period_seconds or 0
    if left >= 0:
        return Why(
            "busy", f"This pod is being deleted. Its containers have up to {grace} s to stop by themselves."
        )
    return Why(
        "warn",
        "This pod should be gone by now: its node has not said that the containers are removed.",
        advice=f"Look at node {pod.spec.node_name}. Deleting with a grace period of 0 removes only the record.",
    )


def _failed(pod: types.Pod) -> Why:
    ended = [
        f"{status.name} ended with {_exit(status.state.terminated)}"
        for status in pod.status.container_statuses
        if status.state.terminated
    ]
    said = pod.status.message or pod.status.reason or "its containers have ended and are not started again"
    return Why(
        "bad", f"This pod has failed: {said.rstrip('.')}.", tuple(ended), "Read its logs, then delete it."
    )


def _unscheduled(pod: types.Pod) -> Why:
    condition = _condition(pod, "PodScheduled")
    if condition is not None and condition.status == "False" and condition.message:
        head, _, reasons = condition.message.partition(": ")
        evidence = tuple(part.strip().rstrip(".") for part in reasons.split(", ")) if reasons else ()
        return Why(
            "warn", f"No node can take this pod: {head.rstrip('.')}.", evidence, _advice(condition.message)
        )
    return Why("busy", "Waiting for the scheduler to choose a node.")


_ADVICE = (
    (("cpu", "memory"), "Lower the request, free room on a node, or add a node."),
    (("cordoned", "unschedulable"), "Uncordon a node, or add one."),
    (("taint",), "Give the pod a toleration, or remove the taint."),
    (("selector", "affinity"), "Label a node as the pod's node selector asks, or change the selector."),
    (("port",), "Free the host port, or let the pod do without it."),
    (("not ready", "notready"), "Look at the nodes: none of them reports that it is ready."),
)


def _advice(message: str) -> str:
    said = message.lower()
    if "0/0" in said:
        return "This cluster has no nodes yet: add one."
    return " ".join(text for words, text in _ADVICE if any(word in said for word in words))


def _starting(pod: types.Pod, events: Sequence[types.Event]) -> Why:
    trouble = _warning(events)
    if trouble:
        return Why("warn", f"{trouble.reason}: {trouble.message}")
    return Why("busy", f"Node {pod.spec.node_name} is starting it.")


def _of_container(
    pod: types.Pod, status: types.ContainerStatus, events: Sequence[types.Event]
) -> Why | None:
    if status.state.terminated is not None:
        ended = status.state.terminated
        if ended.exit_code == 0:
            return None
        return Why("bad", f"Container {status.name} ended with {_exit(ended)}.", _said(ended.message))
    waiting = status.state.waiting
    reason = waiting.reason if waiting else ""
    message = waiting.message if waiting else ""
    match reason:
        case "CrashLoopBackOff":
            return _crashing(status, message)
        case "ImagePullBackOff" | "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName":
            told = next((event.message for event in events if event.reason in {"Failed", "ErrImagePull"}), "")
            if status.image == pod.metadata.annotations.get(HELD):
                return _without_held_image(pod, status, message or told)
            return _without_image(status, message or told)
        case "CreateContainerConfigError":
            return Why("bad", f"Container {status.name} asks for something that is not there.", _said(message),
                       "Create the config map or secret it names, or correct the name.")  # fmt: skip
        case "" | "ContainerCreating" | "PodInitializing":
            trouble = _warning(events)
            if trouble:
                return Why("warn", f"{trouble.reason}: {trouble.message}")
            return Why("busy", f"Container {status.name} is being made.", _said(message))
    return Why("bad", f"Container {status.name} waits: {reason}.", _said(message))


def _without_image(status: types.ContainerStatus, told: str) -> Why:
    name, _, digest = status.image.partition("@sha256:")
    if digest and UNKNOWN.search(told):
        return Why(
            "bad", f"The registry no longer has what {name} was with the digest sha256:{digest[:12]}: push that "
            f"content again, or choose another image for {status.name}.", _said(told),
            "An image that is on the node under this digest is taken as well.",
        )  # fmt: skip
    return Why(
        "bad", f"The image {status.image} of container {status.name} cannot be had.", _said(told),
        "Check its name and tag, that the registry can be reached, and its credentials (imagePullSecrets).",
    )  # fmt: skip


def _without_held_image(pod: types.Pod, status: types.ContainerStatus, told: str) -> Why:
    """Nobody asked for the digest: the version ran with it before its tag was moved, or on another node."""
    name, _, digest = status.image.partition("@")
    anew = "Restart takes what the tag means now"
    if any(owner.kind == "Job" for owner in pod.metadata.owner_references):
        anew = "once its Job is deleted, it begins anew with what the tag means now"
    if UNKNOWN.search(told):
        lost = f"The registry no longer has the image that this version ran with ({name}, {digest[:19]}): {anew}."
        return Why("bad", lost, _said(told), "Pushing that content again helps as well.")
    return Why(
        "bad", f"The image that this version ran with ({name}, {digest[:19]}) cannot be had here: {anew}.", _said(told),
        "Check that the registry can be reached, and its credentials (imagePullSecrets).",
    )  # fmt: skip


def _crashing(status: types.ContainerStatus, message: str) -> Why:
    last = status.last_state.terminated
    ended = f" The last run ended with {_exit(last)}." if last else ""
    times = "once" if status.restart_count == 1 else f"{status.restart_count} times"
    advice = "Read the log of the previous run."
    if last and last.reason == "OOMKilled":
        advice = "It used more memory than its limit: raise the limit, or make it use less."
    if last and last.exit_code in {126, 127}:
        advice = "The command could not be run: check command and args against what the image holds."
    return Why(
        "bad",
        f"Container {status.name} keeps ending; it was restarted {times}.{ended}",
        _said(message),
        advice,
        log_of=status.name,
    )


def _exit(ended: types.ContainerStateTerminated | None) -> str:
    if ended is None:
        return "no report"
    if ended.reason == "OOMKilled":
        return "too much memory used (OOMKilled)"
    if ended.signal:
        return f"signal {ended.signal}"
    reason = f" ({ended.reason})" if ended.reason and ended.reason not in {"Error", "Completed"} else ""
    return f"exit code {ended.exit_code}{reason}"


def _condition(pod: types.Pod, type_: str) -> types.Condition | None:
    return next((condition for condition in pod.status.conditions if condition.type == type_), None)


def _warning(events: Sequence[types.Event]) -> types.Event | None:
    """The newest warning, when nothing went well after it."""
    return events[0] if events and events[0].type == "Warning" else None


def _said(message: str) -> tuple[str, ...]:
    return (message,) if message else ()


def _names(names: Sequence[str]) -> str:
    word = "Container" if len(names) == 1 else "Containers"
    return f"{word} {', '.join(names)}"
