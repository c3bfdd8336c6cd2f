"""Panels of config maps and secrets: what they hold. A secret's values are not read here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from apps.cluster import types
from apps.cluster.kinds import POD
from apps.dashboard import access, paths, reading
from apps.dashboard.panels.base import Subject, panel


@panel("configmaps", template="config.html")
def config(subject: Subject) -> Mapping[str, Any]:
    held: types.ConfigMap = subject.obj
    return {"entries": sorted(held.data.items()), "binary": sorted(held.binary_data)}


@panel("secrets", template="secret.html")
def secret(subject: Subject) -> Mapping[str, Any]:
    """Names and sizes only; a value comes with a request of its own."""
    held: types.Secret = subject.obj
    allowed = access.may(subject.who, "get", subject.kind, subject.namespace, subject.name)
    href = paths.of_action("reveal", subject.kind, subject.namespace, subject.name)
    keys = [(key, size_of(value)) for key, value in sorted(held.data.items())]
    return {"keys": keys, "allowed": allowed, "href": href}


@panel("configmaps", "secrets", template="used_by.html", aside=True)
def used_by(subject: Subject) -> Mapping[str, Any] | None:
    pods = users(subject)
    return {"pods": [(pod, paths.of_object(POD, subject.namespace, pod)) for pod in pods]}


def users(subject: Subject) -> list[str]:
    """Pods that read this object as variables or as a volume."""
    is_secret = subject.kind.key == "secrets"
    pods = reading.pods_of(subject.who, namespace=subject.namespace)
    return [pod.metadata.name for pod in pods if subject.name in named_by(pod.spec, secrets=is_secret)]


def named_by(spec: types.PodSpec, *, secrets: bool) -> set[str]:
    """The secrets, or else the config maps, that a pod's spec names."""
    names: set[str] = set()
    for volume in spec.volumes:
        if secrets and volume.secret:
            names.add(volume.secret.secret_name)
        elif not secrets and volume.config_map:
            names.add(volume.config_map.name)
    if secrets:
        names |= {each.name for each in spec.image_pull_secrets}
    for container in spec.containers:
        for source in container.env_from:
            ref = source.secret_ref if secrets else source.config_map_ref
            names |= {ref.name} if ref else set()
        for variable in container.env:
            if variable.value_from:
                key = (
                    variable.value_from.secret_key_ref if secrets else variable.value_from.config_map_key_ref
                )
                names |= {key.name} if key else set()
    return names


def size_of(encoded: str) -> str:
    try:
        count = len(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        return "not base64"
    return "1 byte" if count == 1 else f"{count} bytes"
