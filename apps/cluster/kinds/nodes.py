"""The kind Node: a machine that runs pods."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Network

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, pod_checks, refusals
from apps.cluster.kinds.addresses import allocate_pod_cidr
from apps.cluster.kinds.placement_checks import TAINT_EFFECTS
from apps.cluster.kinds.pod_defaults import canonical_each
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.kinds.volume_checks import amount_problems
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

ADDRESSES = ("InternalIP", "ExternalIP")
NAMES = ("Hostname", "InternalDNS", "ExternalDNS")
ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def _default(node: types.Node) -> None:
    node.status.capacity = canonical_each(node.status.capacity)
    node.status.allocatable = canonical_each(node.status.allocatable)
    spec = node.spec
    if spec.pod_cidr and not spec.pod_cidrs:
        spec.pod_cidrs = [spec.pod_cidr]
    elif spec.pod_cidrs and not spec.pod_cidr:
        spec.pod_cidr = spec.pod_cidrs[0]


def _problems(node: types.Node) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(node.spec.taints):
        path = f"spec.taints[{index}]"
        yield from refusals.named(f"{path}.key", taint.key, names.label_key_problem)
        yield from refusals.spelled(f"{path}.value", taint.value, names.label_value_problem)
        yield from refusals.one_of(f"{path}.effect", taint.effect, TAINT_EFFECTS)
        if (taint.key, taint.effect) in seen:
            yield refusals.duplicate(path, f"{taint.key}:{taint.effect}")
        seen.add((taint.key, taint.effect))
    if node.spec.pod_cidr:
        yield from _network_problems("spec.podCIDR", node.spec.pod_cidr)
        if node.spec.pod_cidrs != [node.spec.pod_cidr]:
            yield refusals.invalid(
                "spec.podCIDRs", node.spec.pod_cidrs, "must be one network, equal to `podCIDR`"
            )
    yield from _status_problems(node)


def _status_problems(node: types.Node) -> Iterator[Problem]:
    """Amounts are reckoned with, and the server itself calls the address and port that a node reports."""
    status = node.status
    for field in ("capacity", "allocatable"):
        for name, amount in getattr(status, field).items():
            yield from amount_problems(f"status.{field}[{name}]", amount)
    for index, each in enumerate(status.addresses):
        path = f"status.addresses[{index}]"
        yield from refusals.one_of(f"{path}.type", each.type, (*ADDRESSES, *NAMES))
        if each.type in ADDRESSES:
            yield from pod_checks.address_problems(f"{path}.address", each.address)
        else:
            yield from refusals.named(f"{path}.address", each.address, names.dns_subdomain_problem)
    endpoints = status.daemon_endpoints
    if endpoints is not None and endpoints.kubelet_endpoint is not None:
        path = "status.daemonEndpoints.kubeletEndpoint.Port"
        yield from refusals.between(path, endpoints.kubelet_endpoint.port, 0, pod_checks.LARGEST_PORT)
    yield from meta.condition_problems(status.conditions, "status.conditions")


def _network_problems(path: str, text: str) -> Iterator[Problem]:
    try:
        sound = "/" in text and str(IPv4Network(text)) == text
    except ValueError:
        sound = False
    if not sound:
        yield refusals.invalid(path, text, "must be a valid IPv4 network (such as 10.64.1.0/24)")


def _update_problems(old: types.Node, new: types.Node) -> Iterator[Problem]:
    if old.spec.pod_cidr and new.spec.pod_cidr and old.spec.pod_cidr != new.spec.pod_cidr:
        yield refusals.forbidden("spec.podCIDR", "node updates may not change podCIDR once it is set")
    if old.spec.provider_id and old.spec.provider_id != new.spec.provider_id:
        yield refusals.forbidden("spec.providerID", "node updates may not change providerID once it is set")


def _since(tx: Transaction, old: types.Node | None, new: types.Node) -> None:
    """Pods are counted down from when a taint asked them to leave, which those who set one do not say."""
    known = {(each.key, each.value): each.time_added for each in (old.spec.taints if old is not None else [])
             if each.effect == "NoExecute"}  # fmt: skip
    for taint in new.spec.taints:
        if taint.effect == "NoExecute" and taint.time_added is None:
            taint.time_added = known.get((taint.key, taint.value)) or tx.now


def _status(node: types.Node, now: datetime) -> str:
    ready = next((each.status for each in node.status.conditions if each.type == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if node.spec.unschedulable:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: types.Node, now: datetime) -> str:
    roles = set()
    for key, value in node.metadata.labels.items():
        if key.startswith(ROLE_PREFIX) and key != ROLE_PREFIX:
            roles.add(key.removeprefix(ROLE_PREFIX))
        elif key == ROLE_LABEL and value:
            roles.add(value)
    return ",".join(sorted(roles)) or "<none>"


def _address(node: types.Node, kind: str) -> str:
    return next((each.address for each in node.status.addresses if each.type == kind), "<none>")


def _told(node: types.Node, field: str) -> str:
    """What the node's agent said about its machine."""
    return (getattr(node.status.node_info, field) if node.status.node_info else "") or "<unknown>"


def _version(node: types.Node, now: datetime) -> str:
    return node.status.node_info.kubelet_version if node.status.node_info else ""


NODE = register(
    Kind(
        name="Node",
        plural="nodes",
        short=("no",),
        schema=types.Node,
        namespaced=False,
        subresources=frozenset({"status"}),
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems, namespaced=False),
        validate_status=_status_problems,
        validate_update=meta.checked_update(_update_problems),
        admit=(allocate_pod_cidr, _since),
        node=lambda node: node.metadata.name,
        fields={
            "spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false",
            "spec.podCIDR": lambda node: node.spec.pod_cidr,
        },
        columns=(
            ages.NAME,
            Column("Status", _status, description="Whether it can run pods, and takes new ones."),
            Column("Roles", _roles, description="What it is for."),
            ages.AGE,
            Column("Version", _version, description="The version of its agent."),
            Column(
                "Internal-IP",
                lambda node, now: _address(node, "InternalIP"),
                wide=True,
                description="Its address.",
            ),
            Column(
                "External-IP",
                lambda node, now: _address(node, "ExternalIP"),
                wide=True,
                description="Its address outside the cluster.",
            ),
            Column(
                "OS-Image", lambda node, now: _told(node, "os_image"), wide=True, description="Its system."
            ),
            Column(
                "Kernel-Version",
                lambda node, now: _told(node, "kernel_version"),
                wide=True,
                description="Its kernel.",
            ),
            Column(
                "Container-Runtime",
                lambda node, now: _told(node, "container_runtime_version"),
                wide=True,
                description="What runs its containers.",
            ),
        ),
    )
)
