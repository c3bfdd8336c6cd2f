"""Where pages are: addresses of lists and objects, and the icon and place of each kind in the navigation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from apps.cluster import types
from apps.cluster.registry import Kind, UnknownKind, all_kinds, kind_at

APPLICATIONS = "applications.drover.dev"
NOWHERE = "-"  # stands for the namespace of what has none; no namespace can be called so


def of_list(kind: Kind, **question: str) -> str:
    asked = {key: value for key, value in question.items() if value}
    return f"/kinds/{quote(kind.key)}" + (f"?{urlencode(asked)}" if asked else "")


def of_object(kind: Kind, namespace: str, name: str, **question: str) -> str:
    asked = f"?{urlencode(question)}" if question else ""
    return f"/kinds/{quote(kind.key)}/{quote(namespace or NOWHERE)}/{quote(name, safe='')}{asked}"


def of_action(verb: str, kind: Kind, namespace: str, name: str) -> str:
    return f"/actions/{verb}/{quote(kind.key)}/{quote(namespace or NOWHERE)}/{quote(name, safe='')}"


def of_application(namespace: str, name: str) -> str:
    return f"/apps/{quote(namespace)}/{quote(name, safe='')}"


def of_compose(namespace: str, name: str) -> str:
    return f"{of_application(namespace, name)}/compose"


def seen_in(kind: Kind) -> str:
    """The page that tells of all of a kind: applications have one of their own."""
    return "/" if kind.key == APPLICATIONS else of_list(kind)


def referred(ref: types.ObjectReference | types.OwnerReference, namespace: str = "") -> str:
    """The page of a referenced object, "" when its kind is none of ours."""
    kind = kind_of_reference(ref.api_version, ref.kind)
    if kind is None or not ref.name:
        return ""
    place = ref.namespace if isinstance(ref, types.ObjectReference) else namespace
    return home_of(kind, place if kind.namespaced else "", ref.name)


def home_of(kind: Kind, namespace: str, name: str) -> str:
    """Where people look at it: an application has a page of its own besides that of the object."""
    return of_application(namespace, name) if kind.key == APPLICATIONS else of_object(kind, namespace, name)


def kind_of_reference(api_version: str, name: str) -> Kind | None:
    try:
        return kind_at(api_version, name)
    except UnknownKind:
        return None


ICONS = {
    APPLICATIONS: "app",
    "pods": "pod",
    "replicationcontrollers": "controller",
    "replicasets.apps": "controller",
    "deployments.apps": "controller",
    "jobs.batch": "done",
    "cronjobs.batch": "clock",
    "horizontalpodautoscalers.autoscaling": "scale",
    "poddisruptionbudgets.policy": "quota",
    "persistentvolumes": "volume",
    "persistentvolumeclaims": "volume",
    "storageclasses.storage.k8s.io": "volume",
    "services": "service",
    "endpoints": "endpoints",
    "endpointslices.discovery.k8s.io": "endpoints",
    "ingresses.networking.k8s.io": "ingress",
    "ingressclasses.networking.k8s.io": "ingress",
    "configmaps": "config",
    "secrets": "secret",
    "nodes": "node",
    "namespaces": "namespace",
    "events": "event",
    "serviceaccounts": "account",
    "resourcequotas": "quota",
    "limitranges": "quota",
}


def icon(kind: Kind) -> str:
    if kind.group == "rbac.authorization.k8s.io":
        return "binding" if kind.name.endswith("Binding") else "role"
    return ICONS.get(kind.key, "object")


@dataclass(frozen=True)
class Place:
    """One entry of the navigation; ``letter`` goes there after ``g``."""

    title: str
    href: str
    icon: str
    key: str
    letter: str = ""


SCREENS = (
    Place("Applications", "/", "app", "home", "h"),
    Place("Catalog", "/catalog", "catalog", "catalog", "c"),
    Place("Cluster", "/cluster", "home", "cluster", "o"),
    Place("Exposure", "/exposure", "out", "exposure", "w"),
)
"""What comes before the kinds: the pages that are about more than one."""

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Workloads",
        (
            "deployments.apps", "pods", "jobs.batch", "cronjobs.batch", "horizontalpodautoscalers.autoscaling",
            "replicasets.apps", "replicationcontrollers", "poddisruptionbudgets.policy",
        ),
    ),
    ("Storage", ("persistentvolumeclaims", "persistentvolumes", "storageclasses.storage.k8s.io")),
    (
        "Network",
        (
            "services", "ingresses.networking.k8s.io", "endpoints", "endpointslices.discovery.k8s.io",
            "ingressclasses.networking.k8s.io",
        ),
    ),
    ("Configuration", ("configmaps", "secrets")),
    ("Cluster", ("nodes", "namespaces", "events", "resourcequotas", "limitranges")),
)  # fmt: skip
_LETTERS = {
    "deployments.apps": "d", "pods": "p", "replicationcontrollers": "r", "services": "s", "endpoints": "e",
    "ingresses.networking.k8s.io": "i", "configmaps": "m", "secrets": "x", "nodes": "n", "namespaces": "a",
    "events": "v",
}  # fmt: skip
_TITLES = {
    "replicationcontrollers": "Controllers", "horizontalpodautoscalers": "Autoscalers",
    "poddisruptionbudgets": "Disruption budgets",
}  # fmt: skip
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def title(kind: Kind) -> str:
    """The kind's plural, as people say it: "Config maps"."""
    if kind.plural in _TITLES:
        return _TITLES[kind.plural]
    ending = kind.plural.removeprefix(kind.singular) if kind.plural.startswith(kind.singular) else ""
    return (_WORDS.sub(" ", kind.name) + ending).capitalize()


def word(kind: Kind, count: int = 1) -> str:
    """The kind within a sentence, for one or for another number of them: "config map", "config maps"."""
    many = title(kind).lower()
    if count != 1:
        return many
    return many.removesuffix("s") if kind.plural in _TITLES else _WORDS.sub(" ", kind.name).lower()


def navigation() -> list[tuple[str, list[Place]]]:
    """Every registered kind in its group; what no group names comes under "Access" or "More"."""
    kinds = {kind.key: kind for kind in all_kinds()}
    groups: list[tuple[str, list[Place]]] = []
    for name, keys in _GROUPS:
        groups.append((name, [_place(kinds.pop(key)) for key in keys if key in kinds]))
    access = [
        kind for key, kind in kinds.items() if key == "serviceaccounts" or kind.group.startswith("rbac.")
    ]
    more = [kind for kind in kinds.values() if kind not in access]
    groups.append(("Access", [_place(kind) for kind in access]))
    groups.append(("More", [_place(kind) for kind in more]))
    return [(name, places) for name, places in groups if places]


def _place(kind: Kind) -> Place:
    return Place(title(kind), of_list(kind), icon(kind), kind.key, _LETTERS.get(kind.key, ""))
