"""What objects use of their namespace's quotas, and whether a write still fits. Pure: the transaction acts on it.

Amounts are whole numbers in thousand millionths, as ``quantities`` counts, so that a sum of many is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from apps.cluster import quantities, types
from apps.cluster.errors import Forbidden
from apps.cluster.quantities import NANO, Quantity
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored

COUNT = "count/"

Amounts = dict[str, int]


def usage(kind: Kind, obj: Any) -> Amounts:
    """Everything that a quota can count about one object."""
    return {f"{COUNT}{kind.key}": NANO, **kind.charges(obj)} if kind.namespaced else {}


def difference(kind: Kind, old: Any | None, new: Any | None) -> Amounts:
    """What a write adds to the use of its namespace (less than 0: gives back), without what stays the same."""
    before = usage(kind, old) if old is not None else {}
    after = usage(kind, new) if new is not None else {}
    moved = {name: after.get(name, 0) - before.get(name, 0) for name in before.keys() | after.keys()}
    return {name: amount for name, amount in moved.items() if amount}


def settle(
    quotas: Iterable[Stored], kind: Kind, name: str, moved: Amounts
) -> Iterator[tuple[Stored, types.ResourceQuota]]:
    """The quotas that change with a write, each with its new state. Raises Forbidden where it does not fit."""
    for row in quotas:
        quota: types.ResourceQuota = row.object
        hard = parsed(quota.status.hard)
        used = parsed(quota.status.used)
        concerned = {key: amount for key, amount in moved.items() if key in hard}
        _check(kind, name, row.name, concerned, (hard, used))
        if concerned:
            now = {key: (used[key].nanos if key in used else 0) + concerned.get(key, 0) for key in hard}
            yield row, replace(quota, status=status(hard, now))


def status(hard: Mapping[str, Quantity], used: Mapping[str, int]) -> types.ResourceQuotaStatus:
    """What a quota tells: its limits, and the use of each."""
    return types.ResourceQuotaStatus(
        hard={key: str(limit) for key, limit in hard.items()},
        used={key: _text(used.get(key, 0), limit) for key, limit in hard.items()},
    )


def parsed(amounts: Mapping[str, types.Quantity]) -> dict[str, Quantity]:
    """The amounts as numbers; raises ValueError for what is none."""
    return {key: quantities.parse(amount) for key, amount in amounts.items()}


def _check(
    kind: Kind,
    name: str,
    quota: str,
    moved: Amounts,
    stand: tuple[Mapping[str, Quantity], Mapping[str, Quantity]],
) -> None:
    hard, used = stand
    zero = Quantity(0, quantities.Form.DECIMAL)
    had = {key: used.get(key, zero).nanos for key in moved}
    over = sorted(key for key, amount in moved.items() if amount > 0 and had[key] + amount > hard[key].nanos)
    if not over:
        return
    requested = ",".join(f"{key}={_text(moved[key], hard[key])}" for key in over)
    in_use = ",".join(f"{key}={_text(had[key], hard[key])}" for key in over)
    limited = ",".join(f"{key}={hard[key]}" for key in over)
    raise Forbidden(
        f'{kind.key} "{name}" is forbidden: exceeded quota: {quota}, requested: {requested}, '
        f"used: {in_use}, limited: {limited}",
        name=name,
        kind=kind.plural,
        group=kind.group,
    )


def _text(nanos: int, like: Quantity) -> str:
    return str(Quantity(nanos, like.form))
