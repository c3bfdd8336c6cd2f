"""v1beta1 said in v1. Pure: plain data in, plain data out; nothing is dropped in silence."""

from __future__ import annotations

import re
from typing import Any

from apps.api.v1beta1.fields import Fields
from apps.cluster.types import Problem

VERSION = "v1beta1"
ID_ANNOTATION = "drover.dev/v1beta1-id"
POD, CONTROLLER = "Pod", "ReplicationController"

PULL_POLICIES = {"PullAlways": "Always", "PullIfNotPresent": "IfNotPresent", "PullNever": "Never"}
RESTART_POLICIES = {"always": "Always", "onFailure": "OnFailure", "never": "Never"}
DNS_POLICIES = {"Default": "Default", "ClusterFirst": "ClusterFirst"}
# A container's fields that only changed their names, and those that did not even do that.
RENAMED = {"command": "args", "entrypoint": "command"}
SAME = ("name", "image", "workingDir", "terminationMessagePath", "resources", "livenessProbe", "lifecycle")
SAME_PORT = ("name", "hostPort", "containerPort", "protocol", "hostIP")
SAID_BY_SERVER = (
    "kind",
    "apiVersion",
    "uid",
    "creationTimestamp",
    "selfLink",
    "currentState",
    "resourceVersion",
)
NAME_LIMIT = 63


class Unconvertible(ValueError):
    """What is said cannot be said in v1; ``problems`` name each field."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(", ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems


def legal_name(identity: str) -> str:
    """The name that an id becomes: humps and odd characters turn into dashes, capitals into small letters.

    ``redisController`` becomes ``redis-controller``; an id that is a name already stays as it is.
    """
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", identity)
    plain = re.sub(r"[^a-z0-9.]+", "-", split.lower())
    plain = re.sub(r"[-.]*\.[-.]*", ".", plain)
    return plain[:NAME_LIMIT].strip("-.")


def kind_said(data: Any) -> str:
    """Pod or ReplicationController, by what it says or else by what it holds; "" when it is neither."""
    if not isinstance(data, dict) or data.get("apiVersion") not in (None, VERSION):
        return ""
    if said := data.get("kind"):
        return next((kind for kind in (POD, CONTROLLER) if kind == said), "")
    state = data.get("desiredState")
    if not isinstance(state, dict):
        return ""
    return POD if "manifest" in state else CONTROLLER if "podTemplate" in state else ""


def to_v1(data: Any) -> dict[str, Any]:
    """A v1 object. Raises Unconvertible with every problem."""
    kind = kind_said(data)
    problems: list[Problem] = []
    if not kind:
        raise Unconvertible([Problem("kind", f"must be {POD} or {CONTROLLER} in version {VERSION}")])
    fields = Fields(data, "", problems)
    version = fields.any("resourceVersion")
    fields.drop(*SAID_BY_SERVER)
    state = fields.inner("desiredState")
    spec = _pod_spec(fields, state) if kind == POD else _controller_spec(state)
    state.end()
    metadata = _metadata(fields, state)
    fields.end()
    if version:
        metadata["resourceVersion"] = str(version)
    if problems:
        raise Unconvertible(problems)
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


def _metadata(fields: Fields, state: Fields) -> dict[str, Any]:
    identity = fields.take("id", str) or ""
    name = legal_name(identity)
    if identity and not name:
        fields.problem(
            "id", f"Invalid value: {identity[:60]!r}: holds no letter or digit", "FieldValueInvalid"
        )
    annotations = fields.take("annotations", dict) or {}
    if name != identity:
        annotations = {**annotations, ID_ANNOTATION: identity}
    found = {
        "name": name,
        "namespace": fields.take("namespace", str),
        "labels": fields.take("labels", dict),
        "annotations": annotations,
    }
    return {key: value for key, value in found.items() if value}


def _controller_spec(state: Fields) -> dict[str, Any]:
    template = state.inner("podTemplate")
    desired = template.inner("desiredState")
    spec = _pod_spec(template, desired)
    meta = {key: template.take(key, dict) for key in ("labels", "annotations")}
    template.drop("id", "kind", "apiVersion", "uid", "creationTimestamp", "selfLink", "namespace")
    template.end()
    desired.end()
    found = {
        "replicas": state.take("replicas", int),
        "selector": state.take("replicaSelector", dict),
        "template": {"metadata": {key: value for key, value in meta.items() if value}, "spec": spec},
    }
    return {key: value for key, value in found.items() if value is not None}


def _pod_spec(fields: Fields, state: Fields) -> dict[str, Any]:
    """From the manifest in ``desiredState``; where it may run stands outside of it."""
    manifest = state.inner("manifest")
    manifest.drop("version", "id", "uuid")  # the pod's own name and uid are what counts
    restart = manifest.inner("restartPolicy")
    policies = [v1 for word, v1 in RESTART_POLICIES.items() if restart.any(word) is not None]
    restart.end()
    if len(policies) > 1:
        manifest.problem("restartPolicy", "must name one policy", "FieldValueInvalid")
    found = {
        "containers": [_container(each) for each in manifest.each("containers")],
        "volumes": [_volume(each) for each in manifest.each("volumes")],
        "restartPolicy": policies[0] if policies else None,
        "dnsPolicy": manifest.word("dnsPolicy", DNS_POLICIES),
        "hostNetwork": manifest.take("hostNetwork", bool),
        "nodeSelector": fields.take("nodeSelector", dict),
        "nodeName": state.take("host", str) if "host" in state else None,
    }
    manifest.end()
    return {key: value for key, value in found.items() if value or key == "containers"}


def _container(fields: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {name: fields.any(name) for name in SAME}
    found |= {v1: fields.any(old) for old, v1 in RENAMED.items()}
    found["imagePullPolicy"] = fields.word("imagePullPolicy", PULL_POLICIES)
    found["ports"] = [_port(each) for each in fields.each("ports")] or None
    found["env"] = [_variable(each) for each in fields.each("env")] or None
    found["volumeMounts"] = [_mount(each) for each in fields.each("volumeMounts")] or None
    _limits(fields, found)
    context = {"privileged": fields.take("privileged", bool), "capabilities": fields.any("capabilities")}
    found["securityContext"] = {key: value for key, value in context.items() if value} or None
    fields.end()
    return {key: value for key, value in found.items() if value is not None}


def _port(fields: Fields) -> dict[str, Any]:
    found = {name: fields.any(name) for name in SAME_PORT}
    if isinstance(found["protocol"], str):
        found["protocol"] = found["protocol"].upper()
    fields.end()
    return {key: value for key, value in found.items() if value is not None}


def _variable(fields: Fields) -> dict[str, Any]:
    name, key = fields.any("name"), fields.any("key")
    found = {"name": name if name is not None else key, "value": fields.any("value")}
    fields.end()
    return {key: value for key, value in found.items() if value is not None}


def _mount(fields: Fields) -> dict[str, Any]:
    path, older = fields.any("mountPath"), fields.any("path")
    found = {"name": fields.any("name"), "mountPath": path if path is not None else older}
    found["readOnly"] = fields.any("readOnly")
    fields.end()
    return {key: value for key, value in found.items() if value is not None}


def _limits(fields: Fields, found: dict[str, Any]) -> None:
    """Plain numbers, of bytes and of thousandths of a cpu, become limits."""
    memory, cpu = fields.take("memory", int), fields.take("cpu", int)
    limits = {"memory": str(memory) if memory else "", "cpu": f"{cpu}m" if cpu else ""}
    limits = {name: amount for name, amount in limits.items() if amount}
    if not limits:
        return
    resources = found["resources"] if isinstance(found["resources"], dict) else {}
    said = resources.get("limits")
    found["resources"] = {**resources, "limits": {**limits, **(said if isinstance(said, dict) else {})}}


def _volume(fields: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {"name": fields.any("name")}
    source = fields.inner("source")
    if "emptyDir" in source:
        source.inner("emptyDir").end()
        found["emptyDir"] = {}
    if "hostDir" in source:
        directory = source.inner("hostDir")
        found["hostPath"] = {"path": directory.any("path")}
        directory.end()
    if "secret" in source:
        secret = source.inner("secret")
        target = secret.inner("target")
        found["secret"] = {"secretName": target.any("name")}
        target.drop("kind", "namespace", "apiVersion")
        target.end()
        secret.end()
    source.end()
    fields.end()
    return {key: value for key, value in found.items() if value is not None}
