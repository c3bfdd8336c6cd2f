"""What this server serves: discovery in one document (v2) and in the older pieces, and its version."""

from operator import itemgetter
from typing import Any

from apps.api import autoscaling_v1, exposures, leases, metrics
from apps.api.absent import ABSENT
from apps.api.paths import UNKNOWN
from apps.cluster.errors import NotFound
from apps.cluster.kinds import HORIZONTAL_POD_AUTOSCALER
from apps.cluster.registry import Kind, all_kinds

VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.4+drover",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

Name = tuple[str, str]  # group, version

# Resources that only answer a question; nothing is stored.
REVIEWS: dict[str, tuple[Name, str]] = {
    "selfsubjectaccessreviews": (("authorization.k8s.io", "v1"), "SelfSubjectAccessReview"),
    "selfsubjectrulesreviews": (("authorization.k8s.io", "v1"), "SelfSubjectRulesReview"),
    "selfsubjectreviews": (("authentication.k8s.io", "v1"), "SelfSubjectReview"),
    "tokenreviews": (("authentication.k8s.io", "v1"), "TokenReview"),
}

_READ_WRITE = ("get", "patch", "update")
# Resources that are no stored kinds of their own: whether they are namespaced, their kind and verbs.
_DERIVED: dict[Name, dict[str, tuple[bool, str, tuple[str, ...]]]] = {
    (metrics.GROUP, metrics.VERSION): {
        plural: (kind.namespaced, kind_name, metrics.VERBS)
        for plural, (kind, kind_name) in metrics.RESOURCES.items()
    },
    (exposures.GROUP, exposures.VERSION): {exposures.PLURAL: (True, exposures.KIND, exposures.VERBS)},
    (HORIZONTAL_POD_AUTOSCALER.group, "v1"): {
        HORIZONTAL_POD_AUTOSCALER.plural: (True, HORIZONTAL_POD_AUTOSCALER.name, autoscaling_v1.VERBS)
    },
}
for _absent in ABSENT:
    _DERIVED.setdefault((_absent.group, _absent.version), {})[_absent.plural] = (_absent.namespaced, _absent.kind, ())
_UNSTORED: tuple[Name, ...] = (*dict.fromkeys(name for name, _ in REVIEWS.values()), *_DERIVED)

# sub-resource -> the kind it speaks (None: the object's own) and its verbs
_SUBRESOURCES: dict[str, tuple[tuple[str, str, str] | None, tuple[str, ...]]] = {
    "status": (None, _READ_WRITE),
    "scale": (("autoscaling", "v1", "Scale"), _READ_WRITE),
    "binding": (("", "v1", "Binding"), ("create",)),
    "log": (None, ("get",)),
    "exec": (("", "v1", "PodExecOptions"), ("create", "get")),
    "attach": (("", "v1", "PodAttachOptions"), ("create", "get")),
    "ephemeralcontainers": (None, _READ_WRITE),
    "portforward": (("", "v1", "PodPortForwardOptions"), ("create", "get")),
    "eviction": (("policy", "v1", "Eviction"), ("create",)),
    "token": (("authentication.k8s.io", "v1", "TokenRequest"), ("create",)),
}


def kinds() -> tuple[Kind, ...]:
    """What is described in full: every kind, and what is served like one."""
    return (*all_kinds(), leases.KIND)


def _served() -> dict[Name, list[Kind]]:
    """The kinds by group and version; the core group first, then by name, and of a group the newest version."""
    found: dict[Name, list[Kind]] = {name: [] for name in _UNSTORED}
    for kind in kinds():
        found.setdefault((kind.group, kind.version), []).append(kind)
    newest_first = sorted(sorted(found, key=itemgetter(1), reverse=True), key=itemgetter(0))
    return {name: sorted(found[name], key=lambda kind: kind.plural) for name in newest_first}


def group_versions() -> tuple[Name, ...]:
    return tuple(_served())


def answer(parts: tuple[str, ...], version: str) -> dict[str, Any]:
    """The document at ``/api...`` or ``/apis...``; ``version`` names aggregated discovery, "" asks for the pieces."""
    match parts:
        case ("api",):
            return _aggregated(version, core=True) if version else _versions()
        case ("apis",):
            return _aggregated(version, core=False) if version else _groups()
        case ("apis", group):
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ("api", api_version):
            return _resources(("", api_version))
        case ("apis", group, api_version) if group:
            return _resources((group, api_version))
    raise NotFound(UNKNOWN)


def _versions() -> dict[str, Any]:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _groups() -> dict[str, Any]:
    names = dict.fromkeys(group for group, _ in _served() if group)
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in names]}


def _group(group: str) -> dict[str, Any]:
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version}
        for name, version in _served()
        if name == group
    ]
    if not group or not versions:
        raise NotFound(UNKNOWN)
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _resources(name: Name) -> dict[str, Any]:
    if name not in _served():
        raise NotFound(UNKNOWN)
    group, version = name
    found: list[dict[str, Any]] = []
    for kind in _served()[name]:
        found.append(
            {
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.name,
                "verbs": list(kind.verbs),
                "shortNames": list(kind.short),
                "categories": list(kind.categories),
            }
        )
        for subresource in sorted(kind.subresources):
            spoken, verbs = _SUBRESOURCES.get(subresource, (None, _READ_WRITE))
            other = {"group": spoken[0], "version": spoken[1]} if spoken and spoken[:2] != name else {}
            found.append(
                {
                    "name": f"{kind.plural}/{subresource}",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "kind": spoken[2] if spoken else kind.name,
                    "verbs": list(verbs),
                    **other,
                }
            )
    for plural, (where, kind_name) in REVIEWS.items():
        if where == name:
            found.append(
                {"name": plural, "singularName": kind_name.lower(), "namespaced": False, "kind": kind_name,
                 "verbs": ["create"]}
            )  # fmt: skip
    for plural, (namespaced, kind_name, verbs) in _DERIVED.get(name, {}).items():
        found.append(
            {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind_name,
             "verbs": list(verbs)}
        )  # fmt: skip
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": found,
    }


def _aggregated(version: str, *, core: bool) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for group, api_version in _served():
        if (group == "") is core:
            resources = [*map(_discovered, _served()[group, api_version]), *_unstored((group, api_version))]
            groups.setdefault(group, []).append(
                {"version": api_version, "freshness": "Current", "resources": resources}
            )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [{"metadata": {"name": group}, "versions": versions} for group, versions in groups.items()],
    }


def _discovered(kind: Kind) -> dict[str, Any]:
    own = {"group": kind.group, "version": kind.version, "kind": kind.name}
    parts = []
    for subresource in sorted(kind.subresources):
        spoken, verbs = _SUBRESOURCES.get(subresource, (None, _READ_WRITE))
        response = dict(zip(("group", "version", "kind"), spoken, strict=True)) if spoken else own
        parts.append({"subresource": subresource, "responseKind": response, "verbs": list(verbs)})
    return {
        "resource": kind.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
        "shortNames": list(kind.short),
        "categories": list(kind.categories),
        "subresources": parts,
    }


def _unstored(name: Name) -> list[dict[str, Any]]:
    """Resources that are no kinds: questions, measures, other versions, and what is not built."""
    derived = [
        {
            "resource": plural,
            "responseKind": {"group": name[0], "version": name[1], "kind": kind_name},
            "scope": "Namespaced" if namespaced else "Cluster",
            "singularResource": "",
            "verbs": list(verbs),
        }
        for plural, (namespaced, kind_name, verbs) in _DERIVED.get(name, {}).items()
    ]
    questions = [
        {
            "resource": plural,
            "responseKind": {"group": name[0], "version": name[1], "kind": kind_name},
            "scope": "Cluster",
            "singularResource": kind_name.lower(),
            "verbs": ["create"],
        }
        for plural, (where, kind_name) in REVIEWS.items()
        if where == name
    ]
    return derived + questions
