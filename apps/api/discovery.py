"""What this server serves: discovery in one document (v2) and in the older pieces, and its version."""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from apps.api import autoscaling_v1, exposures, leases, metrics
from apps.api.paths import UNKNOWN
from apps.cluster.absent import ABSENT
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
_NAMESPACED = "Namespaced"


class Derived(NamedTuple):
    """A resource that is no stored kind of its own: a measure, another version, or what is not built."""

    plural: str
    kind: str
    namespaced: bool = True
    verbs: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


_HPA = HORIZONTAL_POD_AUTOSCALER
_DERIVED: dict[Name, list[Derived]] = {
    (metrics.GROUP, metrics.VERSION): [
        Derived(plural, kind_name, kind.namespaced, metrics.VERBS)
        for plural, (kind, kind_name) in metrics.RESOURCES.items()
    ],
    (exposures.GROUP, exposures.VERSION): [Derived(exposures.PLURAL, exposures.KIND, verbs=exposures.VERBS)],
    (_HPA.group, "v1"): [
        Derived(_HPA.plural, _HPA.name, verbs=autoscaling_v1.VERBS, short=_HPA.short, categories=_HPA.categories)
    ],
}
for _absent in ABSENT:
    _DERIVED.setdefault((_absent.group, _absent.version), []).append(
        Derived(_absent.plural, _absent.kind, _absent.namespaced, short=_absent.short)
    )
for _plural, (_where, _kind) in REVIEWS.items():
    _DERIVED.setdefault(_where, []).append(Derived(_plural, _kind, namespaced=False, verbs=("create",)))

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
    found: dict[Name, list[Kind]] = {name: [] for name in _DERIVED}
    for kind in kinds():
        found.setdefault((kind.group, kind.version), []).append(kind)
    newest_first = sorted(sorted(found, key=itemgetter(1), reverse=True), key=itemgetter(0))
    return {name: sorted(found[name], key=lambda kind: kind.plural) for name in newest_first}


def group_versions() -> tuple[Name, ...]:
    return tuple(_served())


def paths() -> dict[str, Any]:
    """What can be asked for at all, as Kubernetes lists it at its root."""
    found = {"/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"}
    for group, version in group_versions():
        found |= {f"/apis/{group}", f"/apis/{group}/{version}"} if group else {f"/api/{version}"}
    return {"paths": sorted(found)}


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


def collection(api_version: str, kind: str) -> tuple[str, bool] | None:
    """The plural of what is served as this kind in this version, and whether it lies in namespaces."""
    group, _, version = api_version.rpartition("/")
    for one in _described((group, version)) if (group, version) in _served() else ():
        if one["responseKind"]["kind"] == kind:
            return one["resource"], one["scope"] == _NAMESPACED
    return None


def _resources(name: Name) -> dict[str, Any]:
    """As a client reads it that does not know aggregated discovery."""
    if name not in _served():
        raise NotFound(UNKNOWN)
    group, version = name
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [piece for one in _described(name) for piece in _pieces(one)],
    }


def _pieces(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    own, namespaced = one["responseKind"], one["scope"] == _NAMESPACED
    yield {
        "name": one["resource"], "singularName": one["singularResource"], "namespaced": namespaced,
        "kind": own["kind"], "verbs": one["verbs"], "shortNames": one["shortNames"], "categories": one["categories"],
    }  # fmt: skip
    for part in one["subresources"]:
        spoken = part["responseKind"]
        where = ("group", "version")
        other = {} if all(spoken[key] == own[key] for key in where) else {key: spoken[key] for key in where}
        yield {
            "name": f"{one['resource']}/{part['subresource']}", "singularName": "", "namespaced": namespaced,
            "kind": spoken["kind"], "verbs": part["verbs"], **other,
        }  # fmt: skip


def _aggregated(version: str, *, core: bool) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for group, api_version in _served():
        if (group == "") is core:
            groups.setdefault(group, []).append(
                {"version": api_version, "freshness": "Current", "resources": _described((group, api_version))}
            )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [{"metadata": {"name": group}, "versions": versions} for group, versions in groups.items()],
    }


def _described(name: Name) -> list[dict[str, Any]]:
    """Every resource of a group and version, as aggregated discovery tells of it."""
    return [
        *(_entry(name, kind.plural, kind.name, kind, _parts(kind)) for kind in _served()[name]),
        *(_entry(name, one.plural, one.kind, one, []) for one in _DERIVED.get(name, ())),
    ]


def _entry(name: Name, plural: str, kind_name: str, of: Kind | Derived, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "resource": plural,
        "responseKind": {"group": name[0], "version": name[1], "kind": kind_name},
        "scope": _NAMESPACED if of.namespaced else "Cluster",
        "singularResource": kind_name.lower(),
        "verbs": list(of.verbs),
        "shortNames": list(of.short),
        "categories": list(of.categories),
        "subresources": parts,
    }


def _parts(kind: Kind) -> list[dict[str, Any]]:
    own = (kind.group, kind.version, kind.name)
    parts = []
    for subresource in sorted(kind.subresources):
        spoken, verbs = _SUBRESOURCES.get(subresource, (None, _READ_WRITE))
        response = dict(zip(("group", "version", "kind"), spoken or own, strict=True))
        parts.append({"subresource": subresource, "responseKind": response, "verbs": list(verbs)})
    return parts
