"""How an object is, in one sentence: the line under its name. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.cluster import types
from apps.cluster.kinds import jobs, storage
from apps.cluster.kinds.ingresses import addresses
from apps.cluster.kinds.pod_columns import status as pod_word
from apps.cluster.types.persistent import DELETE
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
    if word == "Running" and ready < total:
        return Sentence("Not ready", look.WAITING, text)
    return Sentence(word, look.of_word(word), text)


def _controller(controller: types.ReplicationController | types.ReplicaSet, now: datetime) -> Sentence:
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


def _deployment(deployment: types.Deployment, now: datetime) -> Sentence:
    wanted, status = deployment.spec.replicas or 0, deployment.status
    told = {each.type: each for each in status.conditions}
    progress, failure = told.get("Progressing"), told.get("ReplicaFailure")
    if status.observed_generation < deployment.metadata.generation:
        return Sentence("Progressing", look.BUSY, "The controller has not seen this change yet.")
    if progress is not None and progress.status == "False":
        stuck = f"{status.updated_replicas} of {_count(wanted, 'pod')} updated"
        word = progress.reason if progress.reason != "ProgressDeadlineExceeded" else "Stuck"
        text = f"The update does not get on: {stuck}, {status.available_replicas} available."
        return Sentence(word, look.BAD, text if word == "Stuck" else progress.message)
    if failure is not None:
        return Sentence("Failing", look.BAD, f"Pods cannot be made: {failure.message}")
    if deployment.spec.paused:
        text = f"It is paused: changes wait until it is resumed. {status.available_replicas} of {wanted} available."
        return Sentence("Paused", look.WAITING, text)
    if status.updated_replicas < wanted or status.replicas > status.updated_replicas:
        text = f"Updating: {status.updated_replicas} of {_count(wanted, 'pod')} are of the newest version."
        return Sentence("Progressing", look.BUSY, text)
    if wanted == 0:
        return Sentence("Scaled to zero", look.IDLE, "It keeps no pods: its number of replicas is 0.")
    if status.available_replicas < wanted:
        text = f"{status.available_replicas} of {_count(wanted, 'pod')} available."
        return Sentence("Not ready", look.WAITING, text)
    return Sentence("Ready", look.OK, f"All {wanted} pods are available." if wanted > 1 else "Its pod is available.")


def _job(job: types.Job, now: datetime) -> Sentence:
    ended, status = jobs.finished(job), job.status
    wanted = job.spec.completions if job.spec.completions is not None else 1
    done = f"{status.succeeded} of {_count(wanted, 'pod')} succeeded"
    if ended is not None and ended.type == jobs.COMPLETE:
        return Sentence("Complete", look.IDLE, f"It has done its work: {done}.")
    if ended is not None:
        return Sentence("Failed", look.BAD, f"{ended.message}: {done}, {status.failed} failed.")
    if job.spec.suspend:
        return Sentence("Suspended", look.WAITING, "It is suspended and runs no pods.")
    failed = f", {status.failed} failed" if status.failed else ""
    return Sentence("Running", look.BUSY, f"{_count(status.active, 'pod')} at work: {done}{failed}.")


def _cron_job(cron: types.CronJob, now: datetime) -> Sentence:
    if cron.spec.suspend:
        return Sentence("Suspended", look.WAITING, "It begins no jobs until it is resumed.")
    zone = f" in {cron.spec.time_zone}" if cron.spec.time_zone else ""
    running = f" {_count(len(cron.status.active), 'job')} at work." if cron.status.active else ""
    return Sentence("Active", look.OK, f"It begins a job at {cron.spec.schedule}{zone}.{running}")


def _claim(claim: types.PersistentVolumeClaim, now: datetime) -> Sentence:
    word = claim.status.phase or "Pending"
    waits = next((each for each in claim.status.conditions if each.type == "Provisioning"), None)
    if word == "Bound":
        return Sentence(word, look.OK, "Its data is kept for as long as the claim is.")
    if word == "Lost":
        return Sentence(word, look.BAD, "Its volume is gone, and what it held.")
    bad = waits is not None and waits.reason == "ProvisioningFailed"
    text = waits.message if waits is not None else "It waits for a volume."
    return Sentence(word, look.BAD if bad else look.WAITING, f"{text[:1].upper()}{text[1:].rstrip('.')}.")


def _volume(volume: types.PersistentVolume, now: datetime) -> Sentence:
    word, node = volume.status.phase or "Pending", storage.node_of(volume)
    gone = volume.spec.persistent_volume_reclaim_policy == DELETE
    after = "goes with its claim" if gone else "stays when its claim goes"
    return Sentence(word, look.of_word(word), f"Its data is on node {node} and {after}.")


def _autoscaler(autoscaler: types.HorizontalPodAutoscaler, now: datetime) -> Sentence:
    status, spec = autoscaler.status, autoscaler.spec
    told = [each for each in status.conditions if each.type != "ScalingLimited"]
    trouble = next((each for each in told if each.status == "False"), None)
    if trouble is not None:
        return Sentence("Not scaling", look.WARN, f"{trouble.message}.")
    bounds = f"between {spec.min_replicas or 1} and {spec.max_replicas}"
    if status.desired_replicas != status.current_replicas:
        text = f"From {status.current_replicas} to {_count(status.desired_replicas, 'pod')}, {bounds}."
        return Sentence("Scaling", look.BUSY, text)
    return Sentence("Active", look.OK, f"{_count(status.current_replicas, 'pod')} are right for the load, {bounds}.")


def _budget(budget: types.PodDisruptionBudget, now: datetime) -> Sentence:
    status = budget.status
    unknown = next((each.message for each in status.conditions if each.status == "False" and each.message), "")
    if unknown:
        return Sentence("Unknown", look.WARN, f"None of its pods may leave: {unknown}.")
    ready = f"{status.current_healthy} ready, {status.desired_healthy} needed"
    if status.disruptions_allowed:
        text = f"{_count(status.disruptions_allowed, 'pod')} may leave now: {ready}."
        return Sentence("Allows", look.OK, text)
    return Sentence("Holds", look.WAITING, f"None of its pods may leave now: {ready}.")


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


def _ingress(ingress: types.Ingress, now: datetime) -> Sentence:
    found = ", ".join(addresses(ingress))
    if not found:
        return Sentence("Not served", look.WARN, "No edge node answers for it yet; its events say why.")
    return Sentence("Exposed", look.WARN, f"Reachable from outside at {found}.")


def _namespace(namespace: types.Namespace, now: datetime) -> Sentence:
    word = namespace.status.phase or "Active"
    return Sentence(word, look.of_word(word), "Its names, rights and limits are its own.")


def _event(event: types.Event, now: datetime) -> Sentence:
    return Sentence(event.type or "Normal", look.of_word(event.type or "Normal"), event.message)


_SENTENCES: dict[str, Callable[[Any, datetime], Sentence | None]] = {
    "pods": _pod,
    "replicationcontrollers": _controller,
    "replicasets.apps": _controller,
    "deployments.apps": _deployment,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "poddisruptionbudgets.policy": _budget,
    "nodes": _node,
    "services": _service,
    "ingresses.networking.k8s.io": _ingress,
    "namespaces": _namespace,
    "events": _event,
}


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
