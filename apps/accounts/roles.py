"""The roles and bindings every cluster begins with, as data. Started anew, the platform puts them right
again."""

from __future__ import annotations

from collections.abc import Iterable

from apps.cluster import types
from apps.cluster.actors import system

RBAC = "rbac.authorization.k8s.io"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
KEEP_MINE = "rbac.authorization.kubernetes.io/autoupdate"

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
ALL = ("*",)

# Named one by one: a kind that comes later is not open to tenants before someone has thought about it.
_CORE = (
    "pods",
    "pods/status",
    "pods/log",
    "replicationcontrollers",
    "replicationcontrollers/scale",
    "replicationcontrollers/status",
    "services",
    "services/status",
    "endpoints",
    "configmaps",
    "serviceaccounts",
    "persistentvolumeclaims",
    "persistentvolumeclaims/status",
)
_WRITABLE = tuple(resource for resource in _CORE if not resource.endswith("/status"))
"""What the system observed is the system's to say: a status may draw traffic, or a node's answer, to any address."""
_READ_ONLY = ("events", "namespaces", "resourcequotas", "limitranges")
_GROUPS = ("apps", "batch", "autoscaling", "networking.k8s.io", "policy", "discovery.k8s.io", "drover.dev")


def _rule(verbs: Iterable[str], groups: Iterable[str], resources: Iterable[str]) -> types.PolicyRule:
    return types.PolicyRule(verbs=list(verbs), api_groups=list(groups), resources=list(resources))


def _urls(*paths: str) -> types.PolicyRule:
    return types.PolicyRule(verbs=["get"], non_resource_urls=list(paths))


_VIEW = (
    _rule(READ, ("",), (*_CORE, *_READ_ONLY)),
    _rule(READ, _GROUPS, ALL),
    _rule(READ, ("scheduling.k8s.io",), ("priorityclasses",)),
    _rule(("get", "list"), ("metrics.k8s.io",), ("pods", "nodes")),
    _rule(("get", "list"), ("exposure.drover.dev",), ("exposures",)),
)
_EDIT = (
    *_VIEW,
    _rule((*READ, *WRITE), ("",), (*_WRITABLE, "secrets", "pods/exec", "pods/attach", "pods/portforward")),
    _rule(("create",), ("",), ("events", "pods/eviction", "serviceaccounts/token")),
    _rule((*READ, *WRITE), _GROUPS, ALL),
)
_ADMIN = (*_EDIT, _rule((*READ, *WRITE), (RBAC,), ("roles", "rolebindings")))

_EVENTS = _rule(("create", "patch", "update"), ("",), ("events",))

# What each part of the system may do, and nothing more.
_PARTS: dict[str, tuple[types.PolicyRule, ...]] = {
    "controller:replication": (
        _rule((*READ, "update", "patch"), ("",), ("replicationcontrollers", "replicationcontrollers/status")),
        _rule((*READ, "create", "delete", "patch", "update"), ("",), ("pods",)),
        _EVENTS,
    ),
    "controller:replicaset": (
        _rule((*READ, "update", "patch"), ("apps",), ("replicasets", "replicasets/status")),
        _rule((*READ, "create", "delete", "patch", "update"), ("",), ("pods",)),
        _EVENTS,
    ),
    "controller:deployment": (
        _rule((*READ, "update", "patch"), ("apps",), ("deployments", "deployments/status")),
        _rule((*READ, "create", "delete", "patch", "update"), ("apps",), ("replicasets",)),
        _rule(READ, ("",), ("pods",)),
        _EVENTS,
    ),
    "controller:application": (
        _rule((*READ, "update", "patch"), ("drover.dev",), ("applications", "applications/status")),
        _rule((*READ, *WRITE), ("drover.dev",), ("applicationrevisions", "applicationrevisions/status")),
        _rule((*READ, *WRITE), ("", "apps", "batch", "autoscaling", "networking.k8s.io"), ALL),
        _EVENTS,
    ),
    "controller:job": (
        _rule((*READ, "delete", "update", "patch"), ("batch",), ("jobs", "jobs/status")),
        _rule((*READ, "create", "delete", "patch", "update"), ("",), ("pods",)),
        _EVENTS,
    ),
    "controller:cronjob": (
        _rule((*READ, "update", "patch"), ("batch",), ("cronjobs", "cronjobs/status")),
        _rule((*READ, "create", "delete"), ("batch",), ("jobs",)),
        _EVENTS,
    ),
    "controller:autoscaler": (
        _rule(
            (*READ, "update", "patch"),
            ("autoscaling",),
            ("horizontalpodautoscalers", "horizontalpodautoscalers/status"),
        ),
        _rule(("get", "update", "patch"), ("apps",), ("deployments", "replicasets")),
        _rule(("get", "update", "patch"), ("",), ("replicationcontrollers",)),
        _rule(READ, ("",), ("pods",)),
        _EVENTS,
    ),
    "controller:claims": (
        _rule(
            (*READ, "update", "patch"), ("",), ("persistentvolumeclaims", "persistentvolumeclaims/status")
        ),
        _rule((*READ, "create", "update", "patch"), ("",), ("persistentvolumes",)),
        _rule(READ, ("storage.k8s.io",), ("storageclasses",)),
        _rule(READ, ("",), ("pods",)),
        _EVENTS,
    ),
    "controller:volumes": (
        _rule((*READ, "delete", "update", "patch"), ("",), ("persistentvolumes", "persistentvolumes/status")),
        _rule(READ, ("",), ("persistentvolumeclaims", "nodes")),
        _EVENTS,
    ),
    "controller:endpoints": (
        _rule(READ, ("",), ("services", "pods")),
        _rule((*READ, "create", "delete", "update"), ("",), ("endpoints",)),
        _rule((*READ, "create", "delete", "update"), ("discovery.k8s.io",), ("endpointslices",)),
        _EVENTS,
    ),
    "controller:disruption": (
        _rule((*READ, "update"), ("policy",), ("poddisruptionbudgets", "poddisruptionbudgets/status")),
        _rule(READ, ("",), ("pods", "replicationcontrollers")),
        _rule(READ, ("apps",), ("deployments", "replicasets")),
        _EVENTS,
    ),
    "controller:load-balancers": (
        _rule((*READ, "update"), ("",), ("services", "services/status")),
        _rule(READ, ("",), ("nodes", "pods")),
        _rule(READ, ("discovery.k8s.io",), ("endpointslices",)),
        _rule(READ, ("networking.k8s.io",), ("ingresses",)),
        _EVENTS,
    ),
    "controller:ingresses": (
        _rule((*READ, "update"), ("networking.k8s.io",), ("ingresses", "ingresses/status")),
        _rule(READ, ("networking.k8s.io",), ("ingressclasses",)),
        _rule(READ, ("",), ("nodes", "services")),
        _EVENTS,
    ),
    "controller:namespace": (
        _rule(READ, ("",), ("namespaces",)),
        _rule(
            ("delete", "update", "patch"), ("",), ("namespaces", "namespaces/finalize", "namespaces/status")
        ),
        _rule(("get", "list", "delete", "deletecollection", "update"), ALL, ALL),
        _rule(("create",), ("",), ("serviceaccounts", "configmaps")),
        _EVENTS,
    ),
    "controller:gc": (
        _rule((*READ, "delete", "update", "patch"), ALL, ALL),
        _EVENTS,
    ),
    "controller:node-lifecycle": (
        _rule(READ, ("",), ("persistentvolumes", "persistentvolumeclaims")),
        _rule((*READ, "update", "patch"), ("",), ("nodes", "nodes/status")),
        _rule((*READ, "delete", "update"), ("",), ("pods", "pods/status")),
        _EVENTS,
    ),
    "scheduler": (
        _rule(("delete",), ("",), ("pods",)),
        _rule(READ, ("",), ("nodes", "pods", "replicationcontrollers", "services", "namespaces")),
        _rule(READ, ("",), ("persistentvolumeclaims", "persistentvolumes")),
        _rule(("create",), ("",), ("pods/binding", "bindings")),
        _rule(("update", "patch"), ("",), ("pods/status",)),
        _EVENTS,
    ),
}

_ROLES: dict[str, tuple[types.PolicyRule, ...]] = {
    "cluster-admin": (
        _rule(ALL, ALL, ALL),
        types.PolicyRule(verbs=["*"], non_resource_urls=["*"]),
    ),
    "admin": _ADMIN,
    "edit": _EDIT,
    "view": _VIEW,
    # Held by no one: agents are judged by rules of their own. Here so that people can read what a node may
    # do.
    "system:node": (
        _rule(READ, ("",), ("services", "nodes", "pods", "secrets", "configmaps")),
        _rule(READ, ("",), ("persistentvolumeclaims", "persistentvolumes")),
        _rule(READ, ("discovery.k8s.io",), ("endpointslices",)),
        _rule(READ, ("networking.k8s.io",), ("ingresses", "ingressclasses")),
        _rule(("create", "update", "patch"), ("",), ("nodes", "nodes/status", "events")),
        _rule(("update", "patch"), ("",), ("pods/status",)),
        _rule(("delete",), ("",), ("pods",)),
    ),
    "system:discovery": (
        _urls("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/"),
        _urls("/healthz", "/livez", "/readyz", "/healthz/*", "/livez/*", "/readyz/*"),
    ),
    "system:public-info-viewer": (_urls("/healthz", "/livez", "/readyz", "/version", "/version/"),),
    "system:basic-user": (
        _rule(
            ("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
        ),
        _rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    ),
    "system:catalog-viewer": (_rule(READ, ("drover.dev",), ("applicationtemplates",)),),
    "system:auth-delegator": (_rule(("create",), ("authentication.k8s.io",), ("tokenreviews",)),),
    **{f"system:{part}": rules for part, rules in _PARTS.items()},
}

_AUTHENTICATED = ("Group", "system:authenticated")
_BINDINGS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "cluster-admin": ("cluster-admin", (("Group", "system:masters"),)),
    "system:discovery": ("system:discovery", (_AUTHENTICATED,)),
    "system:basic-user": ("system:basic-user", (_AUTHENTICATED,)),
    "system:catalog-viewer": ("system:catalog-viewer", (_AUTHENTICATED,)),
    "system:public-info-viewer": (
        "system:public-info-viewer",
        (_AUTHENTICATED, ("Group", "system:unauthenticated")),
    ),
    **{f"system:{part}": (f"system:{part}", (("User", system(part).name),)) for part in _PARTS},
}


def cluster_roles() -> list[types.ClusterRole]:
    return [
        types.ClusterRole(metadata=types.ObjectMeta(name=name, labels=dict(LABELS)), rules=list(rules))
        for name, rules in _ROLES.items()
    ]


def cluster_role_bindings() -> list[types.ClusterRoleBinding]:
    return [
        types.ClusterRoleBinding(
            metadata=types.ObjectMeta(name=name, labels=dict(LABELS)),
            role_ref=types.RoleRef(api_group=RBAC, kind="ClusterRole", name=role),
            subjects=[types.Subject(kind=kind, name=who, api_group=RBAC) for kind, who in subjects],
        )
        for name, (role, subjects) in _BINDINGS.items()
    ]
