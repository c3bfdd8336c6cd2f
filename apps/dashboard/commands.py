"""The same in a terminal: the commands that belong to an object, and those that do what a form does. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.cluster.registry import Kind
from apps.dashboard import manifest


def of(kind: Kind, namespace: str, name: str) -> list[tuple[str, str]]:
    """What it does and the command; complete, so that it can be pasted as it is."""
    place = f" -n {namespace}" if namespace else ""
    what = _what(kind)
    found = [
        ("Show it", f"kubectl get {what} {name}{place} -o yaml"),
        ("Describe it", f"kubectl describe {what} {name}{place}"),
    ]
    if "log" in kind.subresources:
        found.append(("Follow its log", f"kubectl logs -f {name}{place}"))
    if "scale" in kind.subresources:
        found.append(("Scale it", f"kubectl scale {what} {name}{place} --replicas=3"))
    if kind.key == "nodes":
        found.append(("Drain it", f"kubectl drain {name} --ignore-daemonsets --delete-emptydir-data --force"))
        found.append(("Let pods come to it again", f"kubectl uncordon {name}"))
    found.append(("Change it", f"kubectl edit {what} {name}{place}"))
    found.append(("Delete it", f"kubectl delete {what} {name}{place}"))
    return found


def _what(kind: Kind) -> str:
    return kind.singular if not kind.group else f"{kind.singular}.{kind.group}"


@dataclass(frozen=True)
class Same:
    """What a form does, as commands and as YAML: it teaches, and it can be kept."""

    commands: tuple[str, ...]
    yaml: str


def of_application(namespace: str, name: str, spec: Mapping[str, Any], verb: str = "", *words: str) -> Same:
    """A change of an application: ``spec`` is what changes in it, ``verb`` and ``words`` are ``manage.py app``'s."""
    patch = json.dumps({"spec": spec}, ensure_ascii=False, separators=(",", ":"))
    told = [["kubectl", "-n", namespace, "patch", "app", name, "--type", "merge", "-p", patch]]
    if verb:
        told.append(["manage.py", "app", verb, "-n", namespace, name, *words])
    return Same(tuple(map(shlex.join, told)), manifest.as_yaml({"spec": dict(spec)}))


def of_objects(
    namespace: str, changed: Iterable[tuple[Kind, str, Mapping[str, Any]]], *also: Sequence[str]
) -> Same:
    """Merge patches of objects, each with its kind and name, and other commands that do all of it at once."""
    told, documents = [*also], []
    for kind, name, patch in changed:
        text = json.dumps(patch, ensure_ascii=False, separators=(",", ":"))
        told.append(["kubectl", "-n", namespace, "patch", _what(kind), name, "--type", "merge", "-p", text])
        meta = {"name": name, "namespace": namespace, **patch.get("metadata", {})}
        whole = {"apiVersion": kind.api_version, "kind": kind.name, **patch, "metadata": meta}
        documents.append(manifest.as_yaml(whole))
    return Same(tuple(map(shlex.join, told)), "---\n".join(documents))


OTHERS = ("resourceVersion", "generation", "managedFields")
"""What the server says of an object's metadata, whoever changes it."""


def patch_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that makes an object like another one, but for what the server says itself; null takes out."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key), after.get(key)
        if old == new or key in ("status", *OTHERS):
            continue
        both = isinstance(old, Mapping) and isinstance(new, Mapping)
        inner = patch_between(old, new) if both else new  # type: ignore[arg-type]
        if not both or inner:
            found[key] = inner
    return found


def of_installation(namespace: str, name: str, template: str, spec: Mapping[str, Any]) -> Same:
    """A new application, for ``kubectl create -f`` and for ``manage.py app``."""
    given = [
        word for key, value in spec.get("parameters", {}).items() for word in ("--set", f"{key}={value}")
    ]
    whole = {
        "apiVersion": "drover.dev/v1", "kind": "Application",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    }  # fmt: skip
    return Same(
        (shlex.join(["manage.py", "app", "install", "-n", namespace, template, "--name", name, *given]),),
        manifest.as_yaml(whole),
    )
