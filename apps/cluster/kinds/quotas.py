"""The kind ResourceQuota: how much a namespace may hold. Its use is counted by the writes themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from apps.cluster import names, quantities, quota, types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import ages, meta, refusals
from apps.cluster.kinds.pod_amounts import COMPUTE
from apps.cluster.kinds.pod_defaults import canonical_each
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.kinds.volume_checks import amount_problems
from apps.cluster.quantities import NANO
from apps.cluster.registry import Column, Kind, all_kinds, register
from apps.cluster.types import Problem

COMPUTED = (*COMPUTE, *(f"{field}.{name}" for field in ("requests", "limits") for name in COMPUTE))
COUNTED = (
    "pods", "services", "services.nodeports", "services.loadbalancers", "secrets", "configmaps",
    "replicationcontrollers", "resourcequotas", "persistentvolumeclaims",
)  # fmt: skip
STORED = "requests.storage"
"""Some name what this cluster never holds: a limit on those is kept without effort."""


def _default(resource_quota: types.ResourceQuota) -> None:
    resource_quota.spec.hard = canonical_each(resource_quota.spec.hard)


def _problems(resource_quota: types.ResourceQuota) -> Iterator[Problem]:
    for name, amount in resource_quota.spec.hard.items():
        path = f"spec.hard[{name}]"
        counted = name in COUNTED or name.startswith(quota.COUNT)
        if name.startswith(quota.COUNT):
            yield from refusals.named(path, name.removeprefix(quota.COUNT), names.dns_subdomain_problem)
        elif not counted and name not in (*COMPUTED, STORED):
            yield refusals.unsupported(path, name, (*COMPUTED, STORED, *COUNTED, "count/<resource>"))
        wrong = list(amount_problems(path, amount))
        yield from wrong
        if counted and not wrong and quantities.exact(amount) % NANO:
            yield refusals.invalid(path, amount, "must be an integer")


def _count(tx: Transaction, old: types.ResourceQuota | None, new: types.ResourceQuota) -> None:
    """What is there counts from the start. Nobody but the store says what is used."""
    if old is not None and old.spec.hard == new.spec.hard:
        new.status = old.status
        return
    used: Counter[str] = Counter(quota.usage(RESOURCE_QUOTA, new) if old is None else {})
    for kind in all_kinds():
        if kind.namespaced and _concerns(kind, new):
            for obj in tx.list(kind, new.metadata.namespace):
                used.update(quota.usage(kind, obj))
    new.status = quota.status(quota.parsed(new.spec.hard), used)


def _concerns(kind: Kind, resource_quota: types.ResourceQuota) -> bool:
    return f"{quota.COUNT}{kind.key}" in resource_quota.spec.hard or kind.has_charges


def require_amounts(tx: Transaction, old: types.Pod | None, new: types.Pod) -> None:
    """Where cpu or memory is limited, each container must say what it takes: what is not said cannot be counted."""
    if old is not None:
        return
    for found in tx.list(RESOURCE_QUOTA, new.metadata.namespace):
        hard = found.spec.hard
        unsaid = {name: _silent(new.spec, name) for name in sorted(hard) if name in COMPUTED}
        told = "; ".join(f"{name} for: {','.join(who)}" for name, who in unsaid.items() if who)
        if told:
            raise Forbidden(
                f'pods "{new.metadata.name}" is forbidden: failed quota: {found.metadata.name}: '
                f"must specify {told}",
                kind="pods",
                name=new.metadata.name,
            )


def _silent(spec: types.PodSpec, name: str) -> list[str]:
    field, _, resource = name.rpartition(".")
    return [
        container.name
        for container in spec.planned_containers()
        if resource not in getattr(container.resources, field or "requests")
    ]


def _used(resource_quota: types.ResourceQuota, *, limits: bool) -> str:
    status = resource_quota.status
    return ", ".join(
        f"{name}: {status.used.get(name, '0')}/{hard}"
        for name, hard in sorted(status.hard.items())
        if name.startswith("limits.") is limits
    )


def _requests(resource_quota: types.ResourceQuota, now: datetime) -> str:
    return _used(resource_quota, limits=False)


def _limits(resource_quota: types.ResourceQuota, now: datetime) -> str:
    return _used(resource_quota, limits=True)


RESOURCE_QUOTA = register(
    Kind(
        name="ResourceQuota",
        plural="resourcequotas",
        short=("quota",),
        schema=types.ResourceQuota,
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(),
        admit=(_count,),
        charges=lambda _: {"resourcequotas": NANO},
        columns=(
            ages.NAME,
            Column("Request", _requests, description="What is used of what may be asked for or made."),
            Column("Limit", _limits, description="What is used of what containers may be allowed to take."),
            ages.AGE,
        ),
    )
)
