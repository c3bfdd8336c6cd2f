"""Panels of config maps, secrets and claims: what they hold, and who uses them. A secret's values are not read here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from apps.accounts import node_rules
from apps.cluster import types
from apps.cluster.kinds import POD
from apps.dashboard import access, paths, reading
from apps.dashboard.excerpts import excerpts, size
from apps.dashboard.panels.base import Subject, panel


@panel("configmaps", template="config.html")
def config(subject: Subject) -> Mapping[str, Any]:
    """Large values by their beginning; each can be had whole from an address of its own."""
    held: types.ConfigMap = subject.obj
    return {
        "entries": list(excerpts(sorted(held.data.items()))),
        "binary": [(key, size_of(value)) for key, value in sorted(held.binary_data.items())],
        "whole": f"{paths.of_object(subject.kind, subject.namespace, subject.name)}?entry=",
    }


@panel("secrets", template="secret.html")
def secret(subject: Subject) -> Mapping[str, Any]:
    """Names and sizes only; a value comes with a request of its own."""
    held: types.Secret = subject.obj
    allowed = access.may(subject.who, "get", subject.kind, subject.namespace, subject.name)
    href = paths.of_action("reveal", subject.kind, subject.namespace, subject.name)
    keys = [(key, size_of(value)) for key, value in sorted(held.data.items())]
    return {"keys": keys, "allowed": allowed, "href": href}


@panel("configmaps", "secrets", "persistentvolumeclaims", template="used_by.html", aside=True)
def used_by(subject: Subject) -> Mapping[str, Any] | None:
    pods = users(subject)
    return {"pods": [(pod, paths.of_object(POD, subject.namespace, pod)) for pod in pods]}


def users(subject: Subject) -> list[str]:
    """Pods that use this object, as variables, as a volume or to pull their images."""
    reference = (subject.kind.key, subject.namespace, subject.name)
    pods = reading.pods_of(subject.who, namespace=subject.namespace)
    return [pod.metadata.name for pod in pods if reference in node_rules.references(pod)]


def size_of(encoded: str) -> str:
    try:
        count = len(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        return "not base64"
    return size(count)
