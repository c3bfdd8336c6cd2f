"""A list of any kind as a page shows it: what was asked for, read once, filtered, sorted and cut into pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from apps.cluster import store
from apps.cluster.actors import Actor
from apps.cluster.quantities import number_in
from apps.cluster.registry import Column, Kind
from apps.cluster.rows import Stored
from apps.cluster.selectors import LabelSelector, parse_labels
from apps.dashboard import access, look, paths

PER_PAGE = 100
AT_MOST = 5000
"""Rows read for one page. A longer list says so and asks for a filter."""

_STATUS = frozenset({"Status", "Phase"})
_MADE = frozenset({"Created At"})
_WRAPPED = frozenset({"Message"})
_BLANK = frozenset({"<none>", "<unknown>", "<unset>", ""})
_NEWEST_FIRST = frozenset({"events"})
_PARTS = re.compile(r"(\d+)")
_LENGTH = re.compile(r"(?:[0-9]{1,6}[smhdy]){1,5}")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}


@dataclass(frozen=True)
class Question:
    """What the address of a list asks for."""

    namespace: str = ""
    text: str = ""
    labels: str = ""
    sort: str = ""
    page: int = 1
    wide: bool = False

    @classmethod
    def of(cls, query: QueryDict) -> Question:
        page = query.get("page", "1")
        return cls(
            namespace=query.get("namespace", ""),
            text=query.get("q", "").strip(),
            labels=query.get("labels", "").strip(),
            sort=query.get("sort", ""),
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
            wide="wide" in query,
        )

    @property
    def narrowed(self) -> bool:
        return bool(self.namespace or self.text or self.labels)

    def address(self, kind: Kind, **changed: Any) -> str:
        """This list's address with some answers changed; defaults are left out."""
        asked = {
            "namespace": self.namespace, "q": self.text, "labels": self.labels, "sort": self.sort,
            "wide": "1" if self.wide else "", "page": str(self.page) if self.page > 1 else "",
        } | changed  # fmt: skip
        told = {key: value for key, value in asked.items() if value}
        return paths.of_list(kind) + (f"?{urlencode(told)}" if told else "")


@dataclass(frozen=True)
class Cell:
    """One value of one row, with what the template needs to draw it."""

    column: str
    text: str
    look: look.Look | None = None
    href: str = ""
    moment: datetime | None = None
    after: str = ""
    """Stands behind the moment's length: " ago" where the column's name does not say that it counts."""
    number: bool = False
    wrapped: bool = False
    chip: bool = False


@dataclass(frozen=True)
class Row:
    uid: str
    name: str
    namespace: str
    href: str
    cells: list[Cell]
    going: bool


@dataclass(frozen=True)
class Heading:
    name: str
    href: str
    sorted: str
    number: bool
    description: str


@dataclass(frozen=True)
class Table:
    """One page of a list."""

    kind: Kind
    question: Question
    number: int
    headings: list[Heading]
    rows: list[Row]
    total: int
    pages: int
    cut: bool
    problem: str = ""
    lead: str = field(default="Name")

    @property
    def first(self) -> int:
        return (self.question.page - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def before(self) -> str:
        page = self.question.page
        return self.question.address(self.kind, page=page - 1 if page > 2 else "") if page > 1 else ""

    @property
    def after(self) -> str:
        page = self.question.page
        return self.question.address(self.kind, page=page + 1) if page < self.pages else ""


def table(who: Actor, kind: Kind, question: Question, now: datetime) -> Table:
    """The page that was asked for. Reads the rows once, whatever their number."""
    try:
        labels = parse_labels(question.labels)
    except ValueError as error:
        return _refused(kind, question, str(error))
    page = store.list(
        kind,
        namespace=question.namespace or None if kind.namespaced else None,
        labels=labels or LabelSelector(),
        visible=access.visible(who, kind),
        limit=AT_MOST,
    )
    columns = shown_columns(kind, wide=question.wide)
    rows = list(page.rows)
    if question.text:
        wanted = question.text.lower()
        rows = [row for row in rows if _holds(row, columns, wanted, now)]
    rows = _sorted(rows, kind, question.sort, now)
    pages = max(1, -(-len(rows) // PER_PAGE))
    start = (min(question.page, pages) - 1) * PER_PAGE
    lead = _lead(columns)
    here = rows[start : start + PER_PAGE]
    if not question.wide:
        columns = [column for column in columns if column.name == lead or _told(column, here, now)]
    return Table(
        kind=kind,
        question=question,
        number=page.number,
        headings=[_heading(kind, column, question) for column in _in_order(columns, lead)],
        rows=[row_of(kind, row, columns, lead, now) for row in here],
        total=len(rows),
        pages=pages,
        cut=bool(page.continue_token),
        lead=lead,
    )


_ALSO = {
    "pods": ("IP", "Node"),
    "deployments.apps": ("Images",),
    "replicationcontrollers": ("Images",),
    "nodes": ("Internal-IP",),
}
"""Columns that kubectl keeps for ``-o wide`` and a page has room for."""


def shown_columns(kind: Kind, *, wide: bool = False) -> list[Column]:
    also = _ALSO.get(kind.key, ())
    chosen = [column for column in kind.columns if wide or not column.wide or column.name in also]
    return sorted(chosen, key=lambda column: column.name == "Age" and not wide)


def _told(column: Column, rows: list[Stored], now: datetime) -> bool:
    """Whether it says something of any row: a column of dashes only takes the room of others."""
    return any(str(column.cell(row.object, now)) not in _BLANK for row in rows)


def row_of(kind: Kind, stored: Stored, columns: list[Column], lead: str, now: datetime) -> Row:
    obj = stored.object
    cells = [cell_of(column, obj, now) for column in _in_order(columns, lead)]
    return Row(
        uid=stored.uid,
        name=stored.name,
        namespace=stored.namespace,
        href=paths.of_object(kind, stored.namespace, stored.name),
        cells=cells,
        going=obj.metadata.deletion_timestamp is not None,
    )


def cell_of(column: Column, obj: Any, now: datetime) -> Cell:
    """A registry column's value, with the look, link or moment that belongs to it."""
    value = column.cell(obj, now)
    text = str(value)
    return Cell(
        column=column.name,
        text="" if text in _BLANK else text,
        look=_look(column, obj, text),
        href=_href(column, obj, text),
        moment=_moment(column, obj, text, now),
        after=" ago" if column.name in _MADE else "",
        number=column.type in {"integer", "number"},
        wrapped=column.name in _WRAPPED,
        chip=column.name in _STATUS or (column.name == "Type" and text in {"Normal", "Warning"}),
    )


def _look(column: Column, obj: Any, text: str) -> look.Look | None:
    if column.name in _STATUS:
        return look.of_word(text)
    if column.name == "Type" and text in {"Normal", "Warning"}:
        return look.of_word(text)
    if column.name == "Ready" and "/" in text:
        # A pod that has run to its end is not "not ready": nothing is missing.
        done = getattr(getattr(obj, "status", None), "phase", "") == "Succeeded"
        return None if done else look.of_fraction(text)
    return None


def _href(column: Column, obj: Any, text: str) -> str:
    if column.name == "Node" and text and not text.startswith("<"):
        nodes = paths.kind_of_reference("v1", "Node")
        return paths.of_object(nodes, "", text) if nodes else ""
    if column.name == "Object" and hasattr(obj, "involved_object"):
        return paths.referred(obj.involved_object)
    return ""


def _moment(column: Column, obj: Any, text: str, now: datetime) -> datetime | None:
    """When a column that tells a length of time began, so that the browser can keep it true."""
    if column.name == "Age" or column.name in _MADE:
        moment: datetime | None = obj.metadata.creation_timestamp
        return moment
    if column.name in {"Last Seen", "First Seen"} and _LENGTH.fullmatch(text):
        field = "last_timestamp" if column.name == "Last Seen" else "first_timestamp"
        told: datetime | None = getattr(obj, field, None)
        return told
    return None


def _lead(columns: list[Column]) -> str:
    """The column that names a row: its link, and the title of its card."""
    names = [column.name for column in columns if not column.wide]
    return next((name for name in ("Name", "Object") if name in names), names[0])


def _in_order(columns: list[Column], lead: str) -> list[Column]:
    return sorted(columns, key=lambda column: column.name != lead)


def _heading(kind: Kind, column: Column, question: Question) -> Heading:
    down = question.sort == f"-{column.name}"
    up = question.sort == column.name
    turned = f"-{column.name}" if up else column.name
    return Heading(
        name=column.name,
        href=question.address(kind, sort=turned, page=""),
        sorted="ascending" if up else "descending" if down else "",
        number=column.type in {"integer", "number"},
        description=column.description,
    )


def _holds(row: Stored, columns: list[Column], wanted: str, now: datetime) -> bool:
    if wanted in row.name.lower() or wanted in row.namespace:
        return True
    return any(wanted in str(column.cell(row.object, now)).lower() for column in columns)


def _sorted(rows: list[Stored], kind: Kind, sort: str, now: datetime) -> list[Stored]:
    name = sort.removeprefix("-")
    column = next((each for each in kind.columns if each.name == name), None)
    if column is not None:
        cell = column.cell
        return sorted(rows, key=lambda row: order_of(cell(row.object, now)), reverse=sort.startswith("-"))
    if name == "Namespace":
        return sorted(rows, key=lambda row: (row.namespace, row.name), reverse=sort.startswith("-"))
    if kind.key in _NEWEST_FIRST:
        return sorted(rows, key=lambda row: row.number, reverse=True)
    return rows


def order_of(value: str | int) -> tuple[Any, ...]:
    """Sorts as people expect: lengths of time by length, numbers in words by number, blanks last."""
    if isinstance(value, int):
        return (0, float(value))
    if value.startswith("<") or not value:
        return (2,)
    if _LENGTH.fullmatch(value):
        return (0, length(value).total_seconds())
    parts = _PARTS.split(value.lower())
    numbers = [(part, number_in(part)) for part in parts if part]
    return (1, tuple((1, 0, part) if number is None else (0, number, "") for part, number in numbers))


def length(text: str) -> timedelta:
    """ "3m12s" as a length of time."""
    found = re.findall(r"([0-9]+)([smhdy])", text)
    return timedelta(seconds=sum(int(amount) * _UNITS[unit] for amount, unit in found))


def _refused(kind: Kind, question: Question, problem: str) -> Table:
    columns = shown_columns(kind, wide=question.wide)
    lead = _lead(columns)
    headings = [_heading(kind, column, question) for column in _in_order(columns, lead)]
    return Table(kind, question, store.clock(), headings, [], 0, 1, False, problem, lead)
