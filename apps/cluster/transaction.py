"""What may be done inside one write: read, create, update, delete, bind; each write gets the next number."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from msgspec.structs import replace

from apps.cluster import models, names, propagation, query, quota, statements, types
from apps.cluster.actors import Actor
from apps.cluster.errors import AlreadyExists, BadRequest, Conflict, Forbidden, NotFound, invalid
from apps.cluster.events import again, told
from apps.cluster.registry import Kind, by_key, farewells, guards
from apps.cluster.rows import COLUMNS, Stored, sealed
from apps.cluster.selectors import FieldSelector, LabelSelector
from apps.cluster.statements import Written
from apps.cluster.unit import UnitOfWork

Record = Callable[[Any | None, Any], list[types.ManagedFields]]
"""From an object before and after a write, who owns which of its fields."""

_NAMES_TRIED = 8
_DEAD_END = "the object has been modified; please apply your changes to the latest version and try again"


def missing(kind: Kind, name: str) -> NotFound:
    return NotFound(f'{kind.key} "{name}" not found', name=name, kind=kind.plural, group=kind.group)


class Transaction:
    """Open while its closure runs. Holds the Clock's lock, so what it reads cannot change under it."""

    def __init__(self, actor: Actor, number: int, now: datetime) -> None:
        self.actor = actor
        self.number = number
        self.now = now
        self.unit = UnitOfWork()
        self._changes: list[Written] = []
        self._told: list[tuple[Actor, types.Event]] = []
        self._draws: dict[tuple[str, str, str], names.Draw] = {}

    def by(self, actor: Actor) -> "Transaction":
        """The same transaction, for what this actor does from now on."""
        self.actor = actor
        return self

    # Reading

    def row(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        return self.unit.row(kind, namespace, name)

    def read_ahead(self, kind: Kind, named: Iterable[tuple[str, str]]) -> None:
        """Of many objects by namespace and name: one query now saves one for each later."""
        self.unit.read_ahead(kind, named)

    def find(self, kind: Kind, namespace: str, name: str) -> Any | None:
        """The caller's own copy; ``row`` gives one that all share."""
        row = self.row(kind, namespace, name)
        return row.copy() if row else None

    def get(self, kind: Kind, namespace: str, name: str) -> Any:
        obj = self.find(kind, namespace, name)
        if obj is None:
            raise missing(kind, name)
        return obj

    def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        labels: LabelSelector | None = None,
        fields: FieldSelector | None = None,
        where: Q | None = None,
    ) -> list[Any]:
        """Typed objects in the order of their names."""
        if namespace is not None and not (labels or fields or where):
            return [row.copy() for row in self.unit.rows(kind, namespace)]
        rows = query.objects(kind, namespace, labels, fields, where)
        found = statements.tuples(rows.order_by("namespace", "name").values_list(*COLUMNS))
        self.unit.remember(kind, found)
        meant = query.chosen(kind, [Stored(kind, *values) for values in found], labels, fields)
        return [row.object for row in meant]

    def taken(self, kind: Kind, field: str, value: str) -> bool:
        """Whether an object of the kind has this value in a field that it can be selected by."""
        return statements.has_entry(kind.key, query.field_key(field), value)

    def dependents(self, uid: str) -> Sequence[tuple[Kind, Any]]:
        """Everything of any kind that names ``uid`` as an owner."""
        rows = models.Object.objects.filter(owners__owner_uid=uid).order_by("pk").distinct()
        found = rows.values_list("kind", *COLUMNS)
        return [(by_key(key), Stored(by_key(key), *values).object) for key, *values in found]

    # Writing

    def create(self, kind: Kind, obj: Any, *, record: Record | None = None) -> Any:
        """Default, validate, admit and store; returns the object as stored. ``record`` says who owns its fields.

        Raises Invalid, AlreadyExists, Forbidden, and NotFound for a namespace that is not there.
        """
        meta: types.ObjectMeta = obj.metadata
        obj.api_version, obj.kind = kind.api_version, kind.name
        if not kind.namespaced:
            meta.namespace = ""
        if not meta.name and meta.generate_name:
            meta.name = self._free_name(kind, meta)
        if kind.has_status:
            obj.status = type(obj.status)()
        meta.uid = str(uuid.uuid4())
        meta.creation_timestamp = self.now
        meta.deletion_timestamp = meta.deletion_grace_period_seconds = None
        meta.generation = 1 if hasattr(obj, "spec") else 0
        meta.managed_fields, meta.self_link, meta.resource_version = [], "", ""
        kind.default(obj)
        if record is not None:
            # Before admission: what that adds is nobody's, or the next apply would take it out again.
            meta.managed_fields = record(None, obj)
        self._check(kind, None, obj)
        if kind.namespaced:
            self._require_namespace(kind, obj)
        if self.row(kind, meta.namespace, meta.name) is not None:
            raise AlreadyExists(
                f'{kind.key} "{meta.name}" already exists', name=meta.name, kind=kind.plural, group=kind.group
            )
        for admit in (*kind.admit, *guards(kind)):
            admit(self, None, obj)
        self._charge(kind, None, obj)
        self._put(kind, None, obj, "ADDED")
        return obj

    def update(self, kind: Kind, obj: Any, part: str = "all", *, record: Record | None = None) -> Any:
        """Store a new state: ``part`` "status" takes only the status, one of the kind's parts only that, anything
        else all but the status.

        ``record`` says who owns its fields then; without it that stays as it is.

        Raises Conflict when ``obj`` carries an older resourceVersion or another uid. An equal state is no write.
        """
        meta: types.ObjectMeta = obj.metadata
        row = self.row(kind, meta.namespace, meta.name)
        if row is None:
            raise missing(kind, meta.name)
        old = row.object
        if meta.uid and meta.uid != row.uid:
            raise self._conflict(
                kind, meta.name, f"the UID in the request is {meta.uid}, the object's {row.uid}"
            )
        if meta.resource_version and meta.resource_version != str(row.number):
            raise self._conflict(kind, meta.name, _DEAD_END)
        new = self._with_part(kind, part, row, obj)
        new.api_version, new.kind = kind.api_version, kind.name
        kind.default(new)
        if part != "status":
            kind.prepare_update(old, new)
        if record is not None:
            new.metadata.managed_fields = record(old, new)
        if row.says(new):
            return row.copy()
        if part == "status":
            self._refuse(kind, new, kind.validate_status(new))
            return self._put_or_finish(kind, row, new)
        self._admit(kind, old, new, part)
        # Admission gives back what a client left out, such as an address: then nothing has changed after all.
        if row.says(new):
            return row.copy()
        if hasattr(new, "spec") and types.encode(new.spec) != types.encode(old.spec):
            new.metadata.generation = old.metadata.generation + 1
        return self._put_or_finish(kind, row, new)

    def rehearse(self, kind: Kind, obj: Any) -> None:
        """Refuse what creating ``obj``, or updating what is there under its name, would refuse; keeps nothing."""
        row = self.row(kind, obj.metadata.namespace, obj.metadata.name)
        old = row.object if row else None
        new = self._all_but_status_of(kind, old, obj) if row else types.decode(kind.schema, types.encode(obj))
        kind.default(new)
        self._check(kind, old, new)
        for admit in (*kind.admit, *guards(kind)):
            admit(self, old, new)

    def delete(
        self, kind: Kind, namespace: str, name: str, options: types.DeleteOptions | None = None
    ) -> Any | None:
        """Delete, or begin to: returns the object that is still there and waits, None when it is gone."""
        options = options or types.DeleteOptions()
        row = self.row(kind, namespace, name)
        if row is None:
            raise missing(kind, name)
        if why := kind.kept(row.object):
            raise self._forbidden(kind, name, why)
        self._check_preconditions(kind, row, options)
        obj = row.copy()
        meta: types.ObjectMeta = obj.metadata
        propagation.add_finalizer(meta, options)
        full = kind.grace(obj)
        grace = full if options.grace_period_seconds is None else min(options.grace_period_seconds, 2**31)
        if grace < 0:
            raise BadRequest("gracePeriodSeconds: must be 0 or more")
        if full == 0:
            grace = 0
        if meta.deletion_timestamp is None or grace < (meta.deletion_grace_period_seconds or 0):
            meta.deletion_timestamp = self.now + timedelta(seconds=grace)
            meta.deletion_grace_period_seconds = grace
        kind.default(obj)
        if row.says(obj):
            return obj
        return self._put_or_finish(kind, row, obj)

    def bind(self, namespace: str, name: str, node: str, uid: str = "") -> Any:
        """Give a pod its node, once. Raises Conflict when it has one or is another pod by now."""
        pods = by_key("pods")
        row = self.row(pods, namespace, name)
        if row is None:
            raise missing(pods, name)
        pod = row.object
        if uid and uid != row.uid:
            raise self._conflict(pods, name, f"the UID in the request is {uid}, the object's {row.uid}")
        if pod.spec.node_name:
            raise self._conflict(pods, name, f"pod {name} is already assigned to node {pod.spec.node_name}")
        if pod.metadata.deletion_timestamp:
            raise self._conflict(pods, name, f"pod {name} is being deleted")
        others = [condition for condition in pod.status.conditions if condition.type != "PodScheduled"]
        scheduled = types.Condition(type="PodScheduled", status="True", last_transition_time=self.now)
        pod = replace(
            pod, metadata=replace(pod.metadata), spec=replace(pod.spec, node_name=node),
            status=replace(pod.status, conditions=[*others, scheduled]),
        )  # fmt: skip
        self._put(pods, row, pod, "MODIFIED")
        return pod

    def record(
        self, about: Any, reason: str, message: str, *, type: str = "Normal", component: str = "", host: str = "",
        field_path: str = "",
    ) -> None:  # fmt: skip
        """An Event about an object; equal ones become one with a count. A vanishing namespace takes none.

        Events are stored when all else is done, so that those told already are looked up together.
        """
        event = told(
            about, reason, message, type=type, component=component or self.actor.name, host=host,
            field_path=field_path, now=self.now,
        )  # fmt: skip
        self._told.append((self.actor, event))

    def settle(self) -> bool:
        """Store what was told and send everything to the database; whether anything was written."""
        self._store_events()
        if self._changes:
            self.unit.append(self._changes)
        return bool(self._changes)

    # Inside

    def _store_events(self) -> None:
        kind = by_key("events")
        self.read_ahead(kind, ((event.metadata.namespace, event.metadata.name) for _, event in self._told))
        for actor, event in self._told:
            self.actor = actor
            known: types.Event | None = self.find(kind, event.metadata.namespace, event.metadata.name)
            try:
                if known is None:
                    self.create(kind, event)
                else:
                    self.update(kind, again(known, event))
            except (NotFound, Forbidden):
                continue

    def _check(self, kind: Kind, old: Any | None, new: Any, part: str = "") -> None:
        problems = [*kind.validate(new)]
        if old is not None and not problems:  # rules for a change take a sound object for granted
            problems += kind.parts.get(part, kind).validate_update(old, new)
        self._refuse(kind, new, problems)

    def _refuse(self, kind: Kind, new: Any, problems: Iterable[types.Problem]) -> None:
        if found := [*problems]:
            raise invalid(kind.name, new.metadata.name, found, group=kind.group)

    def _free_name(self, kind: Kind, meta: types.ObjectMeta) -> str:
        """A generated name that nobody has; after some tries one that is taken, and the write is refused."""
        name, lead = "", (kind.key, meta.namespace, meta.generate_name)
        draw = self._draws.setdefault(lead, names.Draw(meta.generate_name))
        for _ in range(_NAMES_TRIED):
            if not draw.names:
                self.read_ahead(kind, ((meta.namespace, drawn) for drawn in draw.more()))
            name = draw.names.pop()
            if self.row(kind, meta.namespace, name) is None:
                break
        return name

    def _admit(self, kind: Kind, old: Any, new: Any, part: str) -> None:
        """The kind's rules for a change; raises what refuses it."""
        self._check(kind, old, new, part)
        for admit in (*kind.admit, *guards(kind)):
            admit(self, old, new)

    def _require_namespace(self, kind: Kind, obj: Any) -> None:
        name = obj.metadata.namespace
        row = self.row(by_key("namespaces"), "", name)
        if row is None:
            raise NotFound(f'namespaces "{name}" not found', name=name, kind="namespaces")
        if row.object.metadata.deletion_timestamp is not None:
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise self._forbidden(kind, obj.metadata.name, why)

    def _forbidden(self, kind: Kind, name: str, why: str) -> Forbidden:
        return Forbidden(
            f'{kind.key} "{name}" is forbidden: {why}', name=name, kind=kind.plural, group=kind.group
        )

    def _charge(self, kind: Kind, old: Any | None, new: Any | None) -> None:
        """Count the write in the quotas of its namespace. Raises Forbidden, before anything is written."""
        if not kind.namespaced or (old and new and not quota.difference(kind, old, new)):
            return  # a change that takes no more: no quota need be read
        either: Any = new or old
        meta: types.ObjectMeta = either.metadata
        quotas = by_key("resourcequotas")
        if not (rows := self.unit.rows(quotas, meta.namespace)):
            return  # most namespaces: nothing need be counted
        moved = quota.difference(kind, old, new)
        for row, changed in [*quota.settle(rows, kind, meta.name, moved)]:
            if kind is not quotas or meta.name != row.name:
                self._put(quotas, row, changed, "MODIFIED")

    def _conflict(self, kind: Kind, name: str, why: str) -> Conflict:
        return Conflict(
            f'Operation cannot be fulfilled on {kind.key} "{name}": {why}',
            name=name, kind=kind.plural, group=kind.group,
        )  # fmt: skip

    def _check_preconditions(self, kind: Kind, row: Stored, options: types.DeleteOptions) -> None:
        wanted = options.preconditions
        if wanted and wanted.uid and wanted.uid != row.uid:
            raise self._conflict(
                kind, row.name, f"the UID in the precondition is {wanted.uid}, the object's {row.uid}"
            )
        if wanted and wanted.resource_version and wanted.resource_version != str(row.number):
            raise self._conflict(kind, row.name, _DEAD_END)

    def _with_part(self, kind: Kind, part: str, row: Stored, given: Any) -> Any:
        if part != "status" and part not in kind.parts:
            return self._all_but_status_of(kind, row.object, given)
        new = row.copy()
        if part == "status":
            new.status = given.status
        else:
            kind.parts[part].take(new, given)
        new.metadata.managed_fields = _managed(given, row.object)
        return new

    def _all_but_status_of(self, kind: Kind, old: Any, given: Any) -> Any:
        new = types.decode(type(old), types.encode(given))
        if kind.has_status:
            new.status = old.status
        meta, kept = new.metadata, old.metadata
        for field in (
            "uid", "resource_version", "generation", "creation_timestamp", "generate_name",
            "deletion_timestamp", "deletion_grace_period_seconds",
        ):  # fmt: skip
            setattr(meta, field, getattr(kept, field))
        meta.managed_fields, meta.self_link = _managed(given, old), ""
        return new

    def _put_or_finish(self, kind: Kind, row: Stored, obj: Any) -> Any | None:
        """Store ``obj``, or remove it when it is being deleted and nothing holds it any more."""
        waiting = obj.metadata.deletion_grace_period_seconds or kind.held(obj)
        if obj.metadata.deletion_timestamp is None or waiting:
            self._charge(kind, row.object, obj)
            self._put(kind, row, obj, "MODIFIED")
            return obj
        self._charge(kind, row.object, None)
        self._put(kind, row, obj, "DELETED")
        for leave in farewells(kind):
            leave(self, obj)
        return None

    def _put(self, kind: Kind, row: Stored | None, obj: Any, type_: str) -> None:
        self.number += 1
        meta: types.ObjectMeta = obj.metadata
        meta.resource_version = str(self.number)
        written = Written(
            number=self.number, type=type_, kind=kind.key, namespace=meta.namespace, name=meta.name, uid=meta.uid,
            node=kind.node(obj), actor=self.actor.signature, at=self.now,
            text=sealed(kind, meta.uid, types.encode(obj).decode()), before=row.before if row else "",
        )  # fmt: skip
        self.unit.put(kind, row, obj, written)
        self._changes.append(written)


def _managed(given: Any, old: Any) -> list[types.ManagedFields]:
    """The entries a client sends, when it sends some; one that is empty takes all away."""
    sent: list[types.ManagedFields] = given.metadata.managed_fields
    kept: list[types.ManagedFields] = old.metadata.managed_fields
    return [] if sent == [types.ManagedFields()] else sent or kept
