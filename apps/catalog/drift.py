"""Whether what is there is still what was rendered. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from apps.catalog.changes import Field
from apps.catalog.render.metadata import APP_GROUP, Manifest
from apps.cluster import types
from apps.cluster.registry import Kind
from apps.cluster.revisions import HELD, RESTARTED, restarted

RENDERED = f"{APP_GROUP}/rendered"
"""The annotation that says which rendering an object was last made from."""
TAKEN_AS_IS = frozenset({"PersistentVolumeClaim"})
"""Kinds whose objects are made once: a claim that holds data is used as it is."""
IGNORED = frozenset({"apiVersion", "kind", "metadata", "status"})


def fingerprint(manifest: Manifest) -> str:
    return hashlib.sha256(types.encode(manifest)).hexdigest()[:16]


def made_from(obj: Any) -> str:
    """The fingerprint that the object carries, "" for one that was never applied."""
    mark: str = obj.metadata.annotations.get(RENDERED, "")
    return mark


def wanted(kind: Kind, manifest: Manifest) -> Any:
    """The object that a manifest asks for, with the API's defaults and its mark."""
    obj = types.convert(kind.schema, manifest)
    kind.default(obj)
    obj.metadata.annotations = {**obj.metadata.annotations, RENDERED: fingerprint(manifest)}
    return obj


def onto(live: Any, asked: Any, manifest: Manifest) -> Any:
    """``asked`` as an update of ``live``: what others keep in its metadata stays, a size that nobody wrote, and the
    mark of a restart, without which the pods would be exchanged back."""
    kept, mine = live.metadata, asked.metadata
    asked.metadata = replace(
        kept,
        labels={**kept.labels, **mine.labels},
        annotations={**kept.annotations, **mine.annotations},
        owner_references=mine.owner_references or kept.owner_references,
        resource_version="",
    )
    if hasattr(asked, "spec") and hasattr(asked.spec, "replicas") and "replicas" not in manifest["spec"]:
        asked.spec.replicas = live.spec.replicas
    if isinstance(live, types.Deployment) and (at := live.spec.template.metadata.annotations.get(RESTARTED)):
        asked.spec.template = restarted(asked.spec.template, at)
    return asked


def differences(kind: Kind, manifest: Manifest, live: Any) -> list[Field]:
    """The fields of the manifest that somebody changed, as they are and as asked for; what the manifest does not say
    may differ."""
    asked = types.to_data(wanted(kind, manifest))
    return list(_changed(manifest, asked, types.to_data(live), ""))


def follows(kind: Kind, manifest: Manifest, pod: types.Pod) -> bool:
    """Whether a pod is as a workload's manifest asks, so that no other would take its place."""
    asked, there = types.to_data(wanted(kind, manifest))["spec"]["template"], types.to_data(pod)
    container, held = there["spec"]["containers"][0], pod.metadata.annotations.get(HELD, "")
    if container["image"] == held:
        container["image"] = held.partition("@")[0]
    return not [*_changed(manifest["spec"]["template"], asked, there, "pod")]


def _changed(said: Any, asked: Any, there: Any, path: str) -> Iterator[Field]:
    if isinstance(said, Mapping) and isinstance(asked, Mapping) and isinstance(there, Mapping):
        for key, value in said.items():
            if path or key not in IGNORED:
                yield from _changed(value, asked.get(key), there.get(key), f"{path}.{key}" if path else key)
    elif isinstance(said, list) and isinstance(there, list) and len(said) == len(there):
        for index, value in enumerate(said):
            yield from _changed(value, asked[index], there[index], f"{path}[{index}]")
    elif there not in (asked, said) and said not in ({}, []):
        yield Field(path, there, asked)
