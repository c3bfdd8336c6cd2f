"""How lists merge under a strategic merge patch: declared once, used by the patch and shown in OpenAPI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import inspect


@dataclass(frozen=True, slots=True)
class Merge:
    """A list whose items are merged one by one instead of being replaced as a whole.

    ``key`` names the field that tells items apart ("" for lists of plain values); ``also`` a second one for lists
    that may hold one key twice, such as a port served over TCP and UDP.
    """

    key: str = ""
    also: str = ""
    retain_keys: bool = False


_BY_NAME, _BY_TYPE = Merge("name"), Merge("type")

# (struct, field on the wire) -> how its items merge. A list that is not named here is replaced whole.
MERGES: Mapping[tuple[str, str], Merge] = {
    ("ObjectMeta", "finalizers"): Merge(),
    ("ObjectMeta", "ownerReferences"): Merge("uid"),
    ("PodSpec", "containers"): _BY_NAME,
    ("PodSpec", "initContainers"): _BY_NAME,
    ("PodSpec", "ephemeralContainers"): _BY_NAME,
    ("PodSpec", "volumes"): Merge("name", retain_keys=True),
    ("PodSpec", "imagePullSecrets"): _BY_NAME,
    ("PodSpec", "hostAliases"): Merge("ip"),
    ("PodSpec", "topologySpreadConstraints"): Merge("topologyKey", also="whenUnsatisfiable"),
    ("PodSpec", "schedulingGates"): _BY_NAME,
    ("PodStatus", "conditions"): _BY_TYPE,
    ("PodStatus", "podIPs"): Merge("ip"),
    ("PodStatus", "hostIPs"): Merge("ip"),
    ("Container", "env"): _BY_NAME,
    ("Container", "ports"): Merge("containerPort", also="protocol"),
    ("Container", "volumeMounts"): Merge("mountPath"),
    ("EphemeralContainer", "env"): _BY_NAME,
    ("EphemeralContainer", "volumeMounts"): Merge("mountPath"),
    ("ServiceSpec", "ports"): Merge("port", also="protocol"),
    ("ServiceStatus", "conditions"): _BY_TYPE,
    ("ServiceAccount", "secrets"): _BY_NAME,
    ("NodeSpec", "podCIDRs"): Merge(),
    ("NodeStatus", "conditions"): _BY_TYPE,
    ("NodeStatus", "addresses"): _BY_TYPE,
    ("NamespaceStatus", "conditions"): _BY_TYPE,
    ("ReplicationControllerStatus", "conditions"): _BY_TYPE,
    ("ReplicaSetStatus", "conditions"): _BY_TYPE,
    ("DeploymentStatus", "conditions"): _BY_TYPE,
    ("StatefulSetStatus", "conditions"): _BY_TYPE,
    ("DaemonSetStatus", "conditions"): _BY_TYPE,
    ("JobStatus", "conditions"): _BY_TYPE,
}


# What has one owner as a whole under server-side apply: structs, and maps by (struct, field on the wire).
ATOMIC_STRUCTS = frozenset(
    {
        "ConfigMapKeySelector", "LabelSelector", "LocalObjectReference", "NodeSelector", "ObjectFieldSelector",
        "ObjectReference", "OwnerReference", "ResourceFieldSelector", "RoleRef", "SecretKeySelector",
        "TypedLocalObjectReference",
    }
)  # fmt: skip
ATOMIC_MAPS = frozenset(
    {
        ("PodSpec", "nodeSelector"),
        ("ReplicationControllerSpec", "selector"),
        ("ServiceSpec", "selector"),
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """What a field of a struct holds: the struct inside it (in its list, in its map), and how its list merges."""

    inner: type[Any] | None
    merge: Merge | None
    is_map: bool
    atomic: bool = False
    """Whether server-side apply sets it as a whole."""


_parts: dict[type[Any], Mapping[str, Part]] = {}


def parts_of(cls: type[Any]) -> Mapping[str, Part]:
    """The fields of an API type by their wire names."""
    if cls not in _parts:
        info = inspect.type_info(cls)
        if not isinstance(info, inspect.StructType):
            raise TypeError(f"{cls!r} is no API type")
        _parts[cls] = {field.encode_name: _part(cls, field) for field in info.fields}
    return _parts[cls]


def _part(cls: type[Any], field: inspect.Field) -> Part:
    for choice in field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,):
        if isinstance(choice, inspect.StructType):
            return Part(choice.cls, None, is_map=False, atomic=choice.cls.__name__ in ATOMIC_STRUCTS)
        if isinstance(choice, inspect.ListType):
            return Part(
                _struct(choice.item_type), MERGES.get((cls.__name__, field.encode_name)), is_map=False
            )
        if isinstance(choice, inspect.DictType):
            atomic = (cls.__name__, field.encode_name) in ATOMIC_MAPS
            return Part(_struct(choice.value_type), None, is_map=True, atomic=atomic)
    return Part(None, None, is_map=False)


def _struct(kind: inspect.Type) -> type[Any] | None:
    return kind.cls if isinstance(kind, inspect.StructType) else None
