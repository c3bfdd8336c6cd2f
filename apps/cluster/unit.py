"""A unit of work: what one write has read and will write. A row is read once; changed rows go to the database together.

Whatever else asks the database inside the write sees what was written so far: Django runs every statement through
the unit, which sends first what still waits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from apps.cluster import query, statements
from apps.cluster.bulk import Table
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored
from apps.cluster.statements import ENTRIES, OBJECTS, OWNERS, Row, Values, Written

Key = tuple[str, str, str]
"""Kind, namespace and name."""
Handles = Mapping[Table, Set[tuple[str, ...]]]
"""What an object is found by besides its name: its rows in the side tables, without its id."""
SIDE_TABLES = (ENTRIES, OWNERS)
NO_HANDLES: Handles = {table: frozenset() for table in SIDE_TABLES}


@dataclass(slots=True)
class Waiting:
    """A row that the database holds otherwise or, with ``id`` 0, not at all; ``now`` is None for one that goes."""

    id: int
    uid: str
    had: Handles
    has: Handles = field(default_factory=lambda: NO_HANDLES)
    now: Row | None = None


class UnitOfWork:
    """The rows of one write. ``with connection.execute_wrapper(unit)`` it sees every statement."""

    def __init__(self) -> None:
        self._rows: dict[Key, Stored | None] = {}
        self._names: dict[tuple[str, str], set[str]] = {}
        self._waiting: dict[Key, Waiting] = {}
        self._ours = False

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if not self._ours:
            self.flush()
        return execute(sql, params, many, context)

    # Reading

    def row(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """Shared by all who ask for it until the object is written."""
        key = kind.key, namespace, name
        if key not in self._rows:
            with self._own_statements():
                values = statements.find(*key)
            self._rows[key] = Stored(kind, *values) if values else None
        return self._rows[key]

    def rows(self, kind: Kind, namespace: str) -> list[Stored]:
        """Every object of a kind in a namespace, by name."""
        place = kind.key, namespace
        if place not in self._names:
            with self._own_statements():
                self.remember(kind, statements.find_all(*place))
            self._names[place] = {name for *there, name in self._rows if (*there,) == place}
        known = (self._rows[*place, name] for name in sorted(self._names[place]))
        return [row for row in known if row]

    def read_ahead(self, kind: Kind, named: Iterable[tuple[str, str]]) -> None:
        """Read many rows at once, by namespace and name; which of them are not there is known then, too."""
        unknown: dict[str, list[str]] = {}
        for namespace, name in dict.fromkeys(named):
            if (kind.key, namespace, name) not in self._rows:
                unknown.setdefault(namespace, []).append(name)
        for namespace, names in unknown.items():
            with self._own_statements():
                self.remember(kind, statements.find_named(kind.key, namespace, names))
            for name in names:
                self._rows.setdefault((kind.key, namespace, name), None)

    def remember(self, kind: Kind, rows: Iterable[Values]) -> None:
        """What was read just now need not be read again."""
        for values in rows:
            row = Stored(kind, *values)
            self._rows.setdefault((kind.key, row.namespace, row.name), row)

    # Writing

    def put(self, kind: Kind, row: Stored | None, obj: Any, written: Written) -> None:
        """The object's new state, or that it is gone; ``row`` is what it was, None for a new one."""
        key = written.kind, written.namespace, written.name
        # Not from ``row``: what had no id when that was read may have got one since.
        known = self._rows.get(key)
        id_ = known.id if known else 0
        if key not in self._waiting:
            had = _handles(kind, row.object) if row else NO_HANDLES
            self._waiting[key] = Waiting(id_, row.uid if row else "", had)
        waiting = self._waiting[key]
        if written.type == "DELETED":
            waiting.now, waiting.has = None, NO_HANDLES
            self._rows[key] = None
        else:
            meta = obj.metadata
            waiting.now = statements.row(
                written, meta.creation_timestamp or written.at, deleting=meta.deletion_timestamp is not None
            )
            waiting.has = _handles(kind, obj)
            self._rows[key] = Stored(kind, *waiting.now.values(id_))
            if key[:2] in self._names:
                self._names[key[:2]].add(written.name)

    def flush(self) -> None:
        """Send what waits: removals first, so that a name is free for what follows."""
        if not self._waiting:
            return
        waiting, self._waiting = [*self._waiting.values()], {}
        gone = [each for each in waiting if each.id and (each.now is None or each.now.uid != each.uid)]
        removed = [(each.id,) for each in gone]
        for each in gone:
            each.id, each.had = 0, NO_HANDLES
        kept = [(each, each.now) for each in waiting if each.now is not None]
        new = [(each, now) for each, now in kept if not each.id]
        changed = [(now.node, now.number, now.deleting, now.text, each.id) for each, now in kept if each.id]
        with self._own_statements():
            for table in SIDE_TABLES:
                table.delete(("object_id",), removed)
            OBJECTS.delete(("id",), removed)
            OBJECTS.update(("node", "number", "deleting", "text"), changed)
            for (each, now), id_ in zip(new, statements.new_ids(len(new)), strict=True):
                each.id = id_
                if stored := self._rows[now.kind, now.namespace, now.name]:
                    stored.id = id_
            OBJECTS.insert([(each.id, *now) for each, now in new])
            for table in SIDE_TABLES:
                lost = [(each.id, *one) for each, _ in kept for one in each.had[table] - each.has[table]]
                gained = [(each.id, *one) for each, _ in kept for one in each.has[table] - each.had[table]]
                table.delete((*table.columns,), lost)
                table.insert(gained)

    def append(self, changes: Sequence[Written]) -> None:
        """Send everything that waits, and the log of it."""
        self.flush()
        with self._own_statements():
            statements.append(changes)

    @contextmanager
    def _own_statements(self) -> Iterator[None]:
        self._ours = True
        try:
            yield
        finally:
            self._ours = False


def _handles(kind: Kind, obj: Any) -> Handles:
    return {ENTRIES: query.entries(kind, obj), OWNERS: {(owner.uid,) for owner in obj.metadata.owner_references}}
