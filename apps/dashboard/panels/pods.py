"""Panels of pods: their containers and volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.cluster import types
from apps.cluster.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, SECRET, SERVICE
from apps.cluster.selectors import LabelSelector
from apps.dashboard import look, paths, reading
from apps.dashboard.panels.base import Subject, panel


@dataclass(frozen=True)
class Variable:
    """One environment variable. What comes from a secret is never its value, only where it is from."""

    name: str
    value: str = ""
    source: str = ""
    href: str = ""
    secret: bool = False


@dataclass(frozen=True)
class Shown:
    """One container as the page shows it."""

    name: str
    image: str
    word: str
    look: look.Look
    detail: str
    since: datetime | None
    restarts: int
    last: str
    ready: bool
    ports: str
    resources: list[tuple[str, str]]
    variables: list[Variable]
    mounts: list[types.VolumeMount]
    command: str = ""
    container_id: str = ""
    image_id: str = ""
    last_at: datetime | None = field(default=None)


@panel("pods", template="containers.html")
def containers(subject: Subject) -> Mapping[str, Any]:
    pod: types.Pod = subject.obj
    told = {status.name: status for status in pod.status.all_containers()}
    return {"containers": [_shown(each, told.get(each.name), pod) for each in pod.spec.all_containers()]}


@panel("pods", template="volumes.html")
def volumes(subject: Subject) -> Mapping[str, Any] | None:
    pod: types.Pod = subject.obj
    found = [(volume.name, *_source(volume, pod.metadata.namespace)) for volume in pod.spec.volumes]
    return {"volumes": found} if found else None


@panel("pods", template="served_by.html", aside=True)
def served_by(subject: Subject) -> Mapping[str, Any] | None:
    """Services whose selector this pod meets."""
    pod: types.Pod = subject.obj
    services: Sequence[types.Service] = reading.everything(
        subject.who, "services", namespace=subject.namespace
    )
    found = [
        (
            service.metadata.name,
            paths.of_object(SERVICE, subject.namespace, service.metadata.name),
            _ports(service),
        )
        for service in services
        if service.spec.selector and LabelSelector.of(service.spec.selector).matches(pod.metadata.labels)
    ]
    return {"services": found} if found else None


def _ports(service: types.Service) -> str:
    return ", ".join(f"{service.spec.cluster_ip}:{port.port}" for port in service.spec.ports)


def _shown(container: types.Container, status: types.ContainerStatus | None, pod: types.Pod) -> Shown:
    word, detail, since, sight = _state(status)
    last = status.last_state.terminated if status else None
    return Shown(
        name=container.name,
        image=container.image,
        word=word,
        look=sight,
        detail=detail,
        since=since,
        restarts=status.restart_count if status else 0,
        last=_ended(last) if last else "",
        last_at=last.finished_at if last else None,
        ready=bool(status and status.ready),
        ports=", ".join(_port(port) for port in container.ports),
        resources=_resources(container.resources),
        variables=list(_variables(container, pod.metadata.namespace)),
        mounts=container.volume_mounts,
        command=" ".join([*container.command, *container.args]),
        container_id=(status.container_id if status else "").rpartition("//")[2],
        image_id=(status.image_id if status else "").rpartition("//")[2],
    )


def _state(status: types.ContainerStatus | None) -> tuple[str, str, datetime | None, look.Look]:
    if status is None:
        return "Waiting", "nothing was reported yet", None, look.WAITING
    if status.state.running:
        return "Running", "", status.state.running.started_at, look.OK
    if status.state.terminated:
        ended = status.state.terminated
        word = ended.reason or ("Completed" if ended.exit_code == 0 else "Error")
        return word, _ended(ended), ended.finished_at, look.of_word(word)
    waiting = status.state.waiting
    word = waiting.reason if waiting and waiting.reason else "Waiting"
    return word, waiting.message if waiting else "", None, look.of_word(word)


def _ended(ended: types.ContainerStateTerminated) -> str:
    how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.exit_code}"
    return ", ".join(part for part in (ended.reason, how, ended.message.strip()) if part)


def _port(port: types.ContainerPort) -> str:
    host = f"host {port.host_port} to " if port.host_port else ""
    name = f" ({port.name})" if port.name else ""
    return f"{host}{port.container_port}/{port.protocol or 'TCP'}{name}"


def _resources(resources: types.ResourceRequirements) -> list[tuple[str, str]]:
    """Each resource in a phrase: "250m, at most 500m"."""
    told = []
    for name in sorted({*resources.requests, *resources.limits}):
        request, limit = resources.requests.get(name), resources.limits.get(name)
        words = [str(request)] if request is not None else []
        words += [f"at most {limit}"] if limit is not None else []
        told.append((name, ", ".join(words)))
    return told


def _variables(container: types.Container, namespace: str) -> Iterator[Variable]:
    for source in container.env_from:
        if source.secret_ref:
            ref = source.secret_ref.name
            href = paths.of_object(SECRET, namespace, ref)
            yield Variable(f"{source.prefix}*", source=f"every key of secret {ref}", href=href, secret=True)
        elif source.config_map_ref:
            ref = source.config_map_ref.name
            href = paths.of_object(CONFIG_MAP, namespace, ref)
            yield Variable(f"{source.prefix}*", source=f"every key of config map {ref}", href=href)
    for variable in container.env:
        yield _variable(variable, namespace)


def _variable(variable: types.EnvVar, namespace: str) -> Variable:
    source = variable.value_from
    if source is None:
        return Variable(variable.name, variable.value)
    if source.secret_key_ref:
        ref = source.secret_key_ref
        href = paths.of_object(SECRET, namespace, ref.name)
        return Variable(variable.name, source=f"key {ref.key} of secret {ref.name}", href=href, secret=True)
    if source.config_map_key_ref:
        named = source.config_map_key_ref
        href = paths.of_object(CONFIG_MAP, namespace, named.name)
        return Variable(variable.name, source=f"key {named.key} of config map {named.name}", href=href)
    if source.field_ref:
        return Variable(variable.name, source=f"this pod's {source.field_ref.field_path}")
    resource = source.resource_field_ref
    return Variable(variable.name, source=f"this container's {resource.resource}" if resource else "")


def _source(volume: types.Volume, namespace: str) -> tuple[str, str]:
    """Where what is in it comes from, and the page of that."""
    if claim := volume.persistent_volume_claim:
        href = paths.of_object(PERSISTENT_VOLUME_CLAIM, namespace, claim.claim_name)
        return f"claim {claim.claim_name}, outlives the pod", href
    if volume.host_path:
        return f"the node's {volume.host_path.path}", ""
    if volume.config_map:
        href = paths.of_object(CONFIG_MAP, namespace, volume.config_map.name)
        return f"config map {volume.config_map.name}", href
    if volume.secret:
        return f"secret {volume.secret.secret_name}", paths.of_object(SECRET, namespace, volume.secret.secret_name)
    if volume.projected:
        return ", ".join(_part(source) for source in volume.projected.sources) or "nothing", ""
    if volume.downward_api:
        return "what the cluster knows of this pod", ""
    medium = " in memory" if volume.empty_dir and volume.empty_dir.medium == "Memory" else ""
    return f"empty directory{medium}, gone with the pod", ""


def _part(source: types.VolumeProjection) -> str:
    if source.service_account_token:
        return "the pod's token"
    if source.config_map:
        return f"config map {source.config_map.name}"
    return f"secret {source.secret.name}" if source.secret else "what the cluster knows of this pod"
