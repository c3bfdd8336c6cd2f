"""Selectors as database conditions, and the entries that objects are found by."""

from django.db.models import Q, QuerySet

from apps.cluster.errors import BadRequest
from apps.cluster.models import Index, Object
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored
from apps.cluster.selectors import FieldSelector, LabelSelector, Operator

_OF_ALL = ("metadata.name", "metadata.namespace")
_COLUMNS = {"metadata.name": "name", "metadata.namespace": "namespace", "spec.nodeName": "node"}


def field_key(path: str) -> str:
    """The key of the entries for a selectable field."""
    return f"f:{path}"


def entries(kind: Kind, obj: object) -> set[tuple[str, str]]:
    """The (key, value) pairs under which selectors find an object."""
    labels: dict[str, str] = obj.metadata.labels  # type: ignore[attr-defined]
    found = {(f"l:{key}", value) for key, value in labels.items()}
    for path, read in kind.fields.items():
        if path not in _COLUMNS and path not in kind.sifted and (value := read(obj)):
            found.add((field_key(path), value))
    return found


def objects(
    kind: Kind,
    namespace: str | None = None,
    labels: LabelSelector | None = None,
    fields: FieldSelector | None = None,
    where: Q | None = None,
) -> "QuerySet[Object]":
    """The rows that a list may mean, in no order yet; ``chosen`` decides. Raises BadRequest for selectors the kind
    does not know."""
    rows = Object.objects.filter(where or Q(), kind=kind.key)
    if namespace is not None:
        rows = rows.filter(namespace=namespace)
    if labels:
        rows = rows.filter(with_labels(labels))
    return rows.filter(with_fields(kind, fields)) if fields else rows


def with_labels(selector: LabelSelector) -> Q:
    """Objects a label selector may mean; "greater" and "less" are left to ``chosen``."""
    wanted = Q()
    for term in selector.requirements:
        having = Index.objects.filter(key=f"l:{term.key}")
        match term.operator:
            case Operator.IN:
                wanted &= Q(pk__in=having.filter(value__in=term.values).values("object"))
            case Operator.NOT_IN:
                wanted &= ~Q(pk__in=having.filter(value__in=term.values).values("object"))
            case Operator.ABSENT:
                wanted &= ~Q(pk__in=having.values("object"))
            case _:
                wanted &= Q(pk__in=having.values("object"))
    return wanted


def chosen(
    kind: Kind, rows: list[Stored], labels: LabelSelector | None, fields: FieldSelector | None
) -> list[Stored]:
    """Those of the rows that the selectors mean: what the database cannot tell, each row is asked."""
    if labels and any(term.operator in {Operator.GREATER, Operator.LESS} for term in labels.requirements):
        rows = [row for row in rows if labels.matches(row.labels)]
    if fields and any(term.field in kind.sifted for term in fields.terms):
        rows = [row for row in rows if fields.matches(kind.selectable(row.object))]
    return rows


def with_fields(kind: Kind, selector: FieldSelector) -> Q:
    """Objects a field selector may mean. Raises BadRequest for a field that this kind cannot be selected by."""
    wanted, known = Q(), [*_OF_ALL, *kind.fields]
    for term in selector.terms:
        if term.field not in known:
            raise BadRequest(
                f'field label not supported: "{term.field}": {kind.plural} can be selected by {", ".join(known)}'
            )
        if term.field in kind.sifted:
            continue
        if term.field in _COLUMNS:
            condition = Q(**{_COLUMNS[term.field]: term.value})
        else:
            having = Index.objects.filter(key=field_key(term.field))
            if term.value:
                condition = Q(pk__in=having.filter(value=term.value).values("object"))
            else:
                condition = ~Q(pk__in=having.values("object"))
        wanted &= condition if term.equal else ~condition
    return wanted
