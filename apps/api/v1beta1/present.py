"""v1 objects shown in v1beta1, the way the articles show them. Pure. What v1beta1 has no words for is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.api.v1beta1.convert import (
    CONTROLLER,
    ID_ANNOTATION,
    POD,
    PULL_POLICIES,
    RENAMED,
    RESTART_POLICIES,
    SAME,
    VERSION,
)
from apps.cluster.quantities import number_in

Data = dict[str, Any]

COLLECTIONS = {POD: "pods", CONTROLLER: "replicationControllers"}
PHASES = {"Pending": "Waiting"}
_PULL = {v1: old for old, v1 in PULL_POLICIES.items()}
_RESTART = {v1: old for old, v1 in RESTART_POLICIES.items()}


def shown(obj: Mapping[str, Any]) -> Data:
    """One object."""
    return {"kind": obj["kind"], "apiVersion": VERSION, **_item(obj["kind"], obj)}


def shown_list(found: Mapping[str, Any], link: str) -> Data:
    """A list of pods or controllers."""
    kind = str(found["kind"]).removesuffix("List")
    return {
        "kind": f"{kind}List",
        "creationTimestamp": None,
        "selfLink": link,
        "resourceVersion": _number(found["metadata"].get("resourceVersion", "0")),
        "apiVersion": VERSION,
        "items": [_item(kind, obj) for obj in found["items"]],
    }


def _item(kind: str, obj: Mapping[str, Any]) -> Data:
    meta = obj["metadata"]
    annotations = dict(meta.get("annotations", {}))
    identity = annotations.pop(ID_ANNOTATION, meta["name"])
    found: Data = {
        "id": identity,
        "uid": meta.get("uid", ""),
        "creationTimestamp": meta.get("creationTimestamp"),
        "selfLink": f"/api/{VERSION}/{COLLECTIONS[kind]}/{meta['name']}?namespace={meta.get('namespace', '')}",
        "resourceVersion": _number(meta.get("resourceVersion", "0")),
        "namespace": meta.get("namespace", ""),
        "labels": meta.get("labels", {}),
    }
    if annotations:
        found["annotations"] = annotations
    return {**found, **_STATES[kind](obj)}


def _number(text: str) -> int:
    return number_in(text) or 0


def _pod(obj: Mapping[str, Any]) -> Data:
    spec, status = obj["spec"], obj.get("status", {})
    current: Data = {
        "manifest": {"version": "", "id": "", "volumes": None, "containers": None, "restartPolicy": {}},
        "status": PHASES.get(status.get("phase", ""), status.get("phase", "")),
        "host": spec.get("nodeName", ""),
        "hostIP": status.get("hostIP", ""),
        "podIP": status.get("podIP", ""),
        "info": {each["name"]: _info(each) for each in status.get("containerStatuses", [])},
    }
    found: Data = {
        "desiredState": {"manifest": _manifest(obj["metadata"]["name"], spec)},
        "currentState": current,
    }
    return found | _selector(spec)


def _controller(obj: Mapping[str, Any]) -> Data:
    spec, status = obj["spec"], obj.get("status", {})
    template = spec["template"]
    shown_template: Data = {
        "desiredState": {"manifest": _manifest("", template["spec"])},
        "labels": template.get("metadata", {}).get("labels", {}),
        **_selector(template["spec"]),
    }
    desired = {"replicas": spec.get("replicas", 0), "replicaSelector": spec.get("selector", {})}
    return {
        "desiredState": {**desired, "podTemplate": shown_template},
        "currentState": {"replicas": status.get("replicas", 0)},
    }


_STATES: dict[str, Callable[[Mapping[str, Any]], Data]] = {POD: _pod, CONTROLLER: _controller}


def _selector(spec: Mapping[str, Any]) -> Data:
    return {"nodeSelector": spec["nodeSelector"]} if spec.get("nodeSelector") else {}


def _manifest(identity: str, spec: Mapping[str, Any]) -> Data:
    found: Data = {
        "version": VERSION,
        "id": identity,
        "volumes": [_volume(each) for each in spec.get("volumes", [])] or None,
        "containers": [_container(each) for each in spec["containers"]],
        "restartPolicy": {_RESTART[spec["restartPolicy"]]: {}}
        if spec.get("restartPolicy") in _RESTART
        else {},
    }
    if spec.get("dnsPolicy") in {"Default", "ClusterFirst"}:
        found["dnsPolicy"] = spec["dnsPolicy"]
    if spec.get("hostNetwork"):
        found["hostNetwork"] = True
    return found


def _container(container: Mapping[str, Any]) -> Data:
    found: Data = {name: container[name] for name in SAME if container.get(name)}
    found |= {old: container[v1] for old, v1 in RENAMED.items() if container.get(v1)}
    for name in ("ports", "env", "volumeMounts"):
        if container.get(name):
            found[name] = [dict(each) for each in container[name]]
    if container.get("imagePullPolicy") in _PULL:
        found["imagePullPolicy"] = _PULL[container["imagePullPolicy"]]
    context = container.get("securityContext") or {}
    for name in ("privileged", "capabilities"):
        if context.get(name):
            found[name] = context[name]
    return found


def _volume(volume: Mapping[str, Any]) -> Data:
    source: Data = {}
    if "emptyDir" in volume:
        source = {"emptyDir": {}}
    elif "hostPath" in volume:
        source = {"hostDir": {"path": volume["hostPath"].get("path", "")}}
    elif "secret" in volume:
        target = {"kind": "Secret", "name": volume["secret"].get("secretName", "")}
        source = {"secret": {"target": target}}
    return {"name": volume["name"], "source": source}


def _info(status: Mapping[str, Any]) -> Data:
    """A container as it was last seen."""
    state = {
        word: {key: value for key, value in told.items() if key not in {"containerID", "message"}}
        for word, told in status.get("state", {}).items()
    }
    return {
        "state": state,
        "restartCount": status.get("restartCount", 0),
        "image": status.get("image", ""),
        "containerID": status.get("containerID", ""),
    }
