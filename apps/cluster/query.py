"""Selectors as database conditions, and the entries that objects are found by."""

from django.db.models import Q, QuerySet

from apps.cluster.errors import BadRequest
from apps.cluster.models import Index, Object
from apps.cluster.registry import Kind
from apps.cluster.selectors import FieldSelector, LabelSelector, Operator

_COLUMNS = {"metadata.name": "name", "metadata.namespace": "namespace"}


def field_key(path: str) -> str:
    """The key of the entries for a selectable field."""
    return f"f:{path}"


def entries(kind: Kind, obj: object) -> set[tuple[str, str]]:
    """The (key, value) pairs under which selectors find an object."""
    labels: dict[str, str] = obj.metadata.labels  # type: ignore[attr-defined]
    found = {(f"l:{key}", value) for key, value in labels.items()}
    for path, read in kind.fields.items():
        if value := read(obj):
            found.add((field_key(path), value))
    return found


def objects(
    kind: Kind,
    namespace: str | None = None,
    labels: LabelSelector | None = None,
    fields: FieldSelector | None = None,
    where: Q | None = None,
) -> "QuerySet[Object]":
    """The rows that a list means, in no order yet. Raises BadRequest for selectors the kind does not know."""
    rows = Object.objects.filter(where or Q(), kind=kind.key)
    if namespace is not None:
        rows = rows.filter(namespace=namespace)
    if labels:
        rows = rows.filter(with_labels(labels))
    return rows.filter(with_fields(kind, fields)) if fields else rows


def with_labels(selector: LabelSelector) -> Q:
    """Objects a label selector may mean; "greater" and "less" are left to ``LabelSelector.matches``."""
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


def needs_matching(selector: LabelSelector) -> bool:
    """Whether rows must still be asked one by one."""
    return any(term.operator in {Operator.GREATER, Operator.LESS} for term in selector.requirements)


def with_fields(kind: Kind, selector: FieldSelector) -> Q:
    """Objects a field selector means. Raises BadRequest for a field that this kind cannot be selected by."""
    wanted = Q()
    for term in selector.terms:
        if term.field in _COLUMNS:
            condition = Q(**{_COLUMNS[term.field]: term.value})
        elif term.field in kind.fields:
            having = Index.objects.filter(key=field_key(term.field))
            if term.value:
                condition = Q(pk__in=having.filter(value=term.value).values("object"))
            else:
                condition = ~Q(pk__in=having.values("object"))
        else:
            known = ", ".join([*_COLUMNS, *kind.fields])
            raise BadRequest(
                f'field label not supported: "{term.field}": {kind.plural} can be selected by {known}'
            )
        wanted &= condition if term.equal else ~condition
    return wanted
