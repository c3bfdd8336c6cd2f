"""What forms are made of: plain fields, each declared with its place in the plan, and rows of tables. Pure.

What is typed is taken as it is; whether that is right is judged by reading the draft.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data

Choices = tuple[tuple[str, str], ...]
YES_OR_NO: Choices = (("", "not set"), ("true", "yes"), ("false", "no"))


@dataclass(frozen=True)
class Entry:
    """One field. ``path`` is dotted from the component or the question, and the field's name in the form as well;
    ``kind`` is line, number, switch, words (a list, typed with spaces), command (a list, typed as in a shell), area,
    choice or value (read by who asks)."""

    path: str
    label: str
    kind: str = "line"
    example: str = ""
    choices: Choices = ()
    written: Choices = ()
    """Words for what is not offered, but may be written."""
    hint: str = ""


@dataclass(frozen=True)
class Filled:
    """A field as it is shown, with what is wrong with it."""

    entry: Entry
    value: str
    problem: str = ""

    @property
    def choices(self) -> Choices:
        return offered(self.entry.choices, self.value, self.entry.written)


@dataclass(frozen=True)
class Column:
    """One column of a table; ``field`` is its fields' name in the form, ``kind`` is line, code, number, area or
    choice."""

    field: str
    what: str
    example: str = ""
    kind: str = "line"
    choices: Choices = ()


@dataclass(frozen=True)
class Cell:
    column: Column
    text: str
    label: str

    @property
    def tall(self) -> bool:
        """Whether a field of one line would lose something."""
        return "\n" in self.text or "\r" in self.text

    @property
    def choices(self) -> Choices:
        return offered(self.column.choices, self.text)


@dataclass(frozen=True)
class Row:
    """One line of a table in the form, with what is wrong with it."""

    cells: tuple[Cell, ...]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """Several of one thing, a row each, with a row for a new one; the first column names them."""

    thing: str
    title: str
    columns: tuple[Column, ...]
    shape: str = ""
    """The class of its rows, where they are not two halves."""
    listed: bool = False
    """Whether the plan has them in a list, by number."""
    rows: tuple[Row, ...] = ()

    def filled(self, cells: Iterable[tuple[str, ...]], told: Mapping[str, str], here: str) -> Table:
        """With rows; ``here`` is where the things stand in the plan."""
        rows = (
            self._row(one, first(told, f"{here}[{at if self.listed else one[0]}]"))
            for at, one in enumerate(cells)
        )
        return replace(self, rows=tuple(rows))

    @property
    def blank(self) -> Row:
        """The row for a new one."""
        return Row(
            tuple(
                Cell(one, next((value for value, _ in one.choices), ""), f"New {self.thing}'s {one.what}")
                for one in self.columns
            )
        )

    def sent(self, form: QueryDict) -> list[tuple[str, ...]]:
        """The rows that were sent; one without a name is not there."""
        found = zip(*(form.getlist(column.field) for column in self.columns), strict=False)
        return [(name.strip(), *map(said, cells)) for name, *cells in found if name.strip()]

    def _row(self, cells: tuple[str, ...], problem: str) -> Row:
        name, *_ = cells
        own, *others = self.columns
        labels = (f"{self.thing.capitalize()}'s {own.what}", *(f"{name}: {one.what}" for one in others))
        return Row(tuple(map(Cell, self.columns, cells, labels)), problem)


@dataclass(frozen=True)
class Listed:
    """One line of a list beside the canvas: what it is asked for by, and in words; how much is wrong with it."""

    id: str
    title: str
    note: str
    problems: int
    says: str = ""


def filled(entries: Iterable[Entry], content: Data, told: Mapping[str, str], here: str) -> tuple[Filled, ...]:
    """The fields with what the plan says; ``told`` are messages by path, ``here`` is where ``content`` stands."""
    return tuple(
        Filled(one, _shown(one, get(content, one.path)), first(told, f"{here}.{one.path}"))
        for one in entries
    )


def offered(choices: Choices, value: str, written: Choices = ()) -> Choices:
    """With what is written there, if nobody offers it: it stays until somebody chooses another."""
    if value in {one for one, _ in choices}:
        return choices
    return (*choices, (value, dict(written).get(value, value)))


def first(told: Mapping[str, str], path: str) -> str:
    """What is wrong with a field, or with something in it."""
    within = (f"{path}.", f"{path}[")
    return next((words for one, words in told.items() if one == path or one.startswith(within)), "")


# What was sent


def taken(entries: Iterable[Entry], content: Data, sent: QueryDict, read: Callable[[str], Any] = str) -> Data:
    """The content with what the form says. A field that says nothing is left out, one that was not shown stays, and
    what was shown and comes back unchanged is not touched. ``read`` is for fields of the kind ``value``."""
    made = content
    for entry in entries:
        if entry.path not in sent:
            continue
        was, text = get(content, entry.path), said(sent.get(entry.path) or "")
        if text != said(_shown(entry, was)) and not _unsplit(entry, text):
            made = put(made, entry.path.split("."), _read(entry, text, read))
    return made


def untaken(entries: Iterable[Entry], sent: QueryDict) -> list[Wrong]:
    """The commands that cannot be split into words: these are left as they were."""
    found = ((one.path, _unsplit(one, said(sent.get(one.path, "")))) for one in entries)
    return [Wrong(path, words) for path, words in found if words]


def _unsplit(entry: Entry, text: str) -> str:
    """Why a command cannot be split, "" where it can."""
    if entry.kind == "command":
        try:
            shlex.split(text)
        except ValueError as error:
            return f"cannot be split into words: {error}"
    return ""


def said(text: str) -> str:
    """Text as it is after a browser had it, which writes the ends of lines in its own way."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def number(text: str) -> Any:
    """A number where one is typed."""
    digits = text.strip().removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else text.strip()


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _shown(entry: Entry, value: Any) -> str:
    match entry.kind:
        case "switch":
            return "true" if value is True else ""
        case "words":
            return " ".join(value or ())
        case "command":
            return shlex.join(value or ())
    return text_of(value)


def _read(entry: Entry, text: str, read: Callable[[str], Any]) -> Any:
    match entry.kind:
        case "switch":
            return text == "true" or None
        case "words":
            return text.replace(",", " ").split()
        case "command":
            return shlex.split(text)
        case "number":
            return number(text)
        case "area":
            return text
        case "value":
            return read(text) if text.strip() else None
    return text.strip()


def get(content: Data, path: str) -> Any:
    """What stands at a dotted path, None where nothing does."""
    found: Any = content
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def put(content: Data, steps: Sequence[str], value: Any) -> Data:
    """With the value at these steps; an object that then holds nothing is left out, zero says something."""
    step, *rest = steps
    inner = put(content.get(step) or {}, rest, value) if rest else value
    if inner is None or inner in ("", [], {}):
        return {name: one for name, one in content.items() if name != step}
    return {**content, step: inner}
