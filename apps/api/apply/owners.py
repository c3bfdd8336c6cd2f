"""Who owns which fields of an object: ``managedFields``, read, settled after each write, and written again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from apps.api.apply import fields
from apps.api.apply.fields import Fields, Path, Unreadable
from apps.cluster import types
from apps.cluster.errors import Conflict
from apps.cluster.registry import Kind

APPLY, UPDATE = "Apply", "Update"
FIELDS_V1 = "FieldsV1"
MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"
# The server's own, and what an object is known by: nobody's fields.
_NOBODYS = frozenset(
    {("f:apiVersion",), ("f:kind",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
            "deletionGracePeriodSeconds", "selfLink",
        )
    }
)  # fmt: skip
_MANAGED = ("f:metadata", "f:managedFields")


@dataclass(frozen=True)
class Owner:
    """One entry. Writes of one name are one entry as long as they are of one sort."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        shown = types.encode(self.name).decode()
        return f'{shown} with subresource "{self.subresource}"' if self.subresource else shown


@dataclass(frozen=True)
class Owned:
    paths: Fields
    at: datetime | None = None


Owners = dict[Owner, Owned]


def read(entries: Sequence[types.ManagedFields]) -> Owners:
    """Raises Unreadable for entries that say no fields."""
    owners: Owners = {}
    for entry in entries:
        if entry.operation not in {APPLY, UPDATE} or entry.fields_type not in {"", FIELDS_V1}:
            raise Unreadable("an entry of managedFields is by Apply or by Update")
        owner = Owner(entry.manager, entry.operation, entry.api_version, entry.subresource)
        paths = fields.from_fields_v1(entry.fields_v1 or {})
        if owner in owners:
            paths |= owners[owner].paths
        owners[owner] = Owned(paths, _in_utc(entry.time))
    return owners


def _in_utc(time: datetime | None) -> datetime | None:
    """A client may leave the zone out."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def written(owners: Mapping[Owner, Owned]) -> list[types.ManagedFields]:
    """Entries in a settled order; whoever owns nothing any more is left out."""
    kept = [(owner, owned) for owner, owned in _without_ancient(owners).items() if owned.paths]
    kept.sort(key=lambda pair: (pair[0].operation, _time(pair[1]), pair[0].name, pair[0].subresource))
    return [
        types.ManagedFields(
            manager=owner.name, operation=owner.operation, api_version=owner.api_version,
            subresource=owner.subresource, time=owned.at, fields_type=FIELDS_V1,
            fields_v1=fields.to_fields_v1(owned.paths),
        )
        for owner, owned in kept
    ]  # fmt: skip


def _time(owned: Owned) -> datetime:
    return owned.at or datetime.min.replace(tzinfo=UTC)


def _without_ancient(owners: Mapping[Owner, Owned]) -> Mapping[Owner, Owned]:
    """The oldest of too many updaters become one."""
    updaters = sorted(
        (owner for owner in owners if owner.operation == UPDATE), key=lambda o: _time(owners[o])
    )
    if len(updaters) <= MOST_UPDATERS:
        return owners
    ancient = updaters[: len(updaters) - MOST_UPDATERS + 1]
    kept = {owner: owned for owner, owned in owners.items() if owner not in ancient}
    paths = frozenset[Path]().union(*(owners[owner].paths for owner in ancient))
    kept[Owner(_ANCIENT, UPDATE, ancient[-1].api_version)] = Owned(paths, owners[ancient[-1]].at)
    return kept


def known(old: Any | None, new: Any) -> Owners:
    """The owners that a write starts from: those the object names, or where these cannot be read the ones before."""
    for obj in (new, old):
        if obj is not None:
            try:
                return read(obj.metadata.managed_fields)
            except Unreadable:
                continue
    return {}


def after_update(
    kind: Kind, old: Any | None, new: Any, owner: Owner, now: datetime
) -> list[types.ManagedFields]:
    """The entries after a write that is no apply: what it set is its owner's alone, what it took out is nobody's."""
    owners = known(old, new)
    before = leaves_of(kind, types.to_data(old), owner) if old is not None else {}
    after = leaves_of(kind, types.to_data(new), owner)
    touched = {path for path, value in after.items() if path not in before or before[path] != value}
    moved = touched | (before.keys() - after.keys())
    if moved:
        owners = {each: replace(owned, paths=owned.paths - moved) for each, owned in owners.items()}
        mine = owners.get(owner, Owned(frozenset()))
        owners[owner] = Owned(mine.paths | touched, now if touched else mine.at)
    return written(owners)


def leaves_of(kind: Kind, data: Mapping[str, Any], owner: Owner) -> dict[Path, Any]:
    """What of an object a write through this address can own."""
    found = fields.leaves(data, kind.schema)
    status = owner.subresource == "status"
    return {
        path: value
        for path, value in found.items()
        if path[:2] not in _NOBODYS
        and path[:1] not in _NOBODYS
        and path[:2] != _MANAGED
        and (not kind.has_status or (path[0] == "f:status") is status)
    }


def conflicts(
    owners: Mapping[Owner, Owned], owner: Owner, live: Mapping[Path, Any], wanted: Mapping[Path, Any]
) -> list[tuple[Owner, Path]]:
    """The fields of others that ``owner`` would change."""
    changed = {path for path, value in wanted.items() if path in live and live[path] != value}
    return [
        (other, path)
        for other, owned in sorted(owners.items(), key=lambda pair: (pair[0].name, pair[0].operation))
        if other != owner
        for path in sorted(owned.paths & changed)
    ]


def refusal(owners: Mapping[Owner, Owned], found: Sequence[tuple[Owner, Path]]) -> Conflict:
    """The conflicts in Kubernetes' words."""
    named = {owner: _named(owner, owners[owner]) for owner, _ in found}
    causes = [
        types.Problem(fields.shown(path), f"conflict with {named[owner]}", "FieldManagerConflict")
        for owner, path in found
    ]
    if len(found) == 1:
        ((owner, path),) = found
        told = f"1 conflict: conflict with {named[owner]}: {fields.shown(path)}"
    else:
        lines = []
        for owner, words in named.items():
            lines.append(f"conflicts with {words}:")
            lines += [f"- {fields.shown(path)}" for other, path in found if other == owner]
        told = f"{len(found)} conflicts: " + "\n".join(lines)
    return Conflict(f"Apply failed with {told}", causes=causes)


def _named(owner: Owner, owned: Owned) -> str:
    if owner.operation == APPLY:
        return str(owner)
    when = f" at {owned.at:%Y-%m-%dT%H:%M:%SZ}" if owned.at else ""
    return f"{owner} using {owner.api_version}{when}"
