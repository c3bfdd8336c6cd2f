"""Panels of roles and their bindings: who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.dashboard import paths
from apps.dashboard.panels.base import Subject, panel

_RBAC = "rbac.authorization.k8s.io"


@panel(f"roles.{_RBAC}", f"clusterroles.{_RBAC}", template="rules.html")
def rules(subject: Subject) -> Mapping[str, Any]:
    return {"rules": subject.obj.rules}


@panel(f"rolebindings.{_RBAC}", f"clusterrolebindings.{_RBAC}", template="binding.html")
def binding(subject: Subject) -> Mapping[str, Any]:
    ref = subject.obj.role_ref
    kind = paths.kind_of_reference(f"{_RBAC}/v1", ref.kind)
    place = subject.namespace if kind and kind.namespaced else ""
    href = paths.of_object(kind, place, ref.name) if kind else ""
    return {"ref": ref, "href": href, "subjects": subject.obj.subjects}


@panel("events", template="event.html")
def event(subject: Subject) -> Mapping[str, Any]:
    return {"event": subject.obj, "href": paths.referred(subject.obj.involved_object)}
