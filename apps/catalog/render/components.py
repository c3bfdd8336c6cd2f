"""One component: a Deployment or a Job, its Service, its files, its volumes, its autoscaler."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.catalog.addresses import service_name
from apps.catalog.format import Component, Port, Probe, Update
from apps.catalog.parameters import seconds
from apps.catalog.render.metadata import APP_GROUP, Identity, Manifest, digest
from apps.catalog.render.payload import Handed, Payload, Recipe, hand

SECRETS = f"{APP_GROUP}/secrets"
RECREATE = "recreate"


@dataclass(frozen=True)
class Made:
    objects: list[Manifest]
    recipes: list[Recipe]


def render(
    identity: Identity, name: str, component: Component, payload: Payload, rotations: Mapping[str, int]
) -> Made:
    """What the component needs first, then what runs it."""
    handed = hand(identity, name, payload, rotations)
    claims = [_claim(identity, name, volume, given.size) for volume, given in component.volumes.items()]
    service = [_service(identity, name, component)] if component.ports else []
    template = _template(
        identity, name, component, handed, {one: rotations.get(one, 0) for one in payload.secrets}
    )
    runner = _job if component.kind == "job" else _deployment
    objects = [*claims, *handed.config_maps, *service, runner(identity, name, component, template)]
    if component.autoscale is not None:
        objects.append(_autoscaler(identity, name, component))
    return Made(objects, handed.recipes)


def workload_name(identity: Identity, name: str) -> str:
    return f"{identity.name}-{name}"


def _claim(identity: Identity, name: str, volume: str, size: str) -> Manifest:
    """A claim is not owned: data outlives the application unless somebody says otherwise."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    made = f"{identity.name}-{name}-{volume}"
    return identity.manifest("v1", "PersistentVolumeClaim", made, name, owned=False, spec=spec)


def _service(identity: Identity, name: str, component: Component) -> Manifest:
    ports = [
        {"name": port, "port": number, "targetPort": port, "protocol": protocol}
        for port, number, protocol in _ports(component)
    ]
    spec = {"selector": identity.selector(name), "ports": ports}
    return identity.manifest("v1", "Service", service_name(identity.name, name, component), name, spec=spec)


def _ports(component: Component) -> list[tuple[str, Any, str]]:
    return [
        (name, port.port, port.protocol or "TCP") if isinstance(port, Port) else (name, port, "TCP")
        for name, port in component.ports.items()
    ]


def _deployment(identity: Identity, name: str, component: Component, template: Manifest) -> Manifest:
    spec: Manifest = {
        "selector": {"matchLabels": identity.selector(name)},
        "strategy": _strategy(component),
        "template": template,
    }
    if component.autoscale is None:
        spec["replicas"] = 1 if component.replicas is None else component.replicas
    return identity.manifest("apps/v1", "Deployment", workload_name(identity, name), name, spec=spec)


def _strategy(component: Component) -> Manifest:
    """A volume has one writer, so its old pod goes before the new one comes."""
    if component.update == RECREATE or (not component.update and component.volumes):
        return {"type": "Recreate"}
    update = component.update if isinstance(component.update, Update) else Update()
    rolling = {
        "maxSurge": 1 if update.max_surge is None else update.max_surge,
        "maxUnavailable": 0 if update.max_unavailable is None else update.max_unavailable,
    }
    return {"type": "RollingUpdate", "rollingUpdate": rolling}


def _job(identity: Identity, name: str, component: Component, template: Manifest) -> Manifest:
    """A job runs once; what is changed is another job."""
    made = f"{workload_name(identity, name)}-{digest(template)}"
    template["spec"]["restartPolicy"] = "OnFailure"
    return identity.manifest("batch/v1", "Job", made, name, spec={"backoffLimit": 6, "template": template})


def _autoscaler(identity: Identity, name: str, component: Component) -> Manifest:
    wanted = component.autoscale
    assert wanted is not None
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload_name(identity, name)}
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": wanted.cpu}}
    spec = {
        "scaleTargetRef": target, "minReplicas": wanted.min, "maxReplicas": wanted.max,
        "metrics": [{"type": "Resource", "resource": metric}],
    }  # fmt: skip
    made = workload_name(identity, name)
    return identity.manifest("autoscaling/v2", "HorizontalPodAutoscaler", made, name, spec=spec)


def _template(
    identity: Identity, name: str, component: Component, handed: Handed, secrets: Mapping[str, int]
) -> Manifest:
    metadata: Manifest = {"labels": identity.labels(name)}
    if secrets:
        # An exchanged secret starts new pods of those components that use it, and of no others.
        metadata["annotations"] = {SECRETS: ",".join(f"{one}={count}" for one, count in secrets.items())}
    volumes = [
        *handed.volumes,
        *(
            {"name": volume, "persistentVolumeClaim": {"claimName": f"{identity.name}-{name}-{volume}"}}
            for volume in component.volumes
        ),
        *({"name": path_name(path), "hostPath": {"path": path}} for path in component.security.host_paths),
    ]
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [_container(name, component, handed)],
    }
    if volumes:
        spec["volumes"] = volumes
    if component.nodes:
        spec["nodeSelector"] = dict(component.nodes)
    if component.stop_timeout:
        spec["terminationGracePeriodSeconds"] = math.ceil(seconds(component.stop_timeout))
    security = component.security
    if security.host_network:
        spec["hostNetwork"] = True
    if security.fs_group is not None:
        spec["securityContext"] = {"fsGroup": security.fs_group}
    return {"metadata": metadata, "spec": spec}


def path_name(path: str) -> str:
    """The volume that brings in a path of the machine."""
    return f"host-{digest(path)}"


def _container(name: str, component: Component, handed: Handed) -> Manifest:
    mounts = [
        *handed.mounts,
        *({"name": volume, "mountPath": given.mount} for volume, given in component.volumes.items()),
        *(
            {"name": path_name(path), "mountPath": mount}
            for path, mount in component.security.host_paths.items()
        ),
    ]
    ports = [
        {"name": port, "containerPort": number, "protocol": protocol}
        for port, number, protocol in _ports(component)
    ]
    content: Manifest = {
        "command": component.command, "args": component.args, "workingDir": component.working_dir,
        "env": handed.env, "ports": ports, "volumeMounts": mounts, "resources": _resources(component),
        "securityContext": _security(component), **_probes(component),
    }  # fmt: skip
    return {"name": name, "image": component.image, **{key: value for key, value in content.items() if value}}


def _resources(component: Component) -> Manifest:
    promised, most = component.resources, component.resources.limits
    found = {
        "requests": {"cpu": promised.cpu, "memory": promised.memory},
        "limits": {"cpu": most.cpu, "memory": most.memory},
    }
    set_ = {side: {key: text for key, text in given.items() if text} for side, given in found.items()}
    return {side: given for side, given in set_.items() if given}


def _security(component: Component) -> Manifest:
    security = component.security
    content = {
        "runAsUser": security.run_as_user, "runAsGroup": security.run_as_group,
        "readOnlyRootFilesystem": security.read_only, "privileged": security.privileged,
        "capabilities": {"add": security.capabilities} if security.capabilities else None,
    }  # fmt: skip
    return {key: value for key, value in content.items() if value is not None}


def _probes(component: Component) -> Manifest:
    given = {
        "readinessProbe": component.probes.ready,
        "livenessProbe": component.probes.live,
        "startupProbe": component.probes.start,
    }
    return {name: _probe(component, probe) for name, probe in given.items() if probe is not None}


def _probe(component: Component, probe: Probe) -> Manifest:
    made: Manifest = {}
    if probe.exec:
        made["exec"] = {"command": probe.exec}
    elif probe.tcp is not None:
        made["tcpSocket"] = {"port": probe.tcp}
    else:
        made["httpGet"] = {
            "path": probe.http,
            "port": next(iter(component.ports)) if probe.port is None else probe.port,
        }
    for field, text in (
        ("periodSeconds", probe.every),
        ("timeoutSeconds", probe.timeout),
        ("initialDelaySeconds", probe.wait),
    ):
        if text:
            made[field] = max(math.ceil(seconds(text)), 1 if field != "initialDelaySeconds" else 0)
    if probe.failures is not None:
        made["failureThreshold"] = probe.failures
    return made
