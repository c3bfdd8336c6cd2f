"""Many rows of one table in one go: SQLite row by row in one call, PostgreSQL in one statement, new rows by COPY."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from django.db import connection

Row = Sequence[Any]


class Table:
    """A table by its name and its columns, each with PostgreSQL's name of its type; the first is the key."""

    def __init__(self, name: str, /, **columns: str) -> None:
        self.name, self.columns = name, columns

    def insert(self, rows: Sequence[Row]) -> None:
        """Each row has all columns, in their order."""
        if connection.vendor != "postgresql" or not rows:
            self._run("insert", (*self.columns,), rows)
            return
        with connection.cursor() as cursor, cursor.copy(_copied(self)) as copy:
            for row in rows:
                copy.write_row(row)

    def update(self, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Each row has the values of ``columns``, and then the key's."""
        self._run("update", (*columns, next(iter(self.columns))), rows)

    def delete(self, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """What has the values of one of these rows in ``columns``."""
        self._run("delete", columns, rows)

    def _run(self, verb: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        if not rows:
            return
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # One parameter: the driver puts arrays together in Python, a character at a time.
                given = [dict(zip(columns, row, strict=True)) for row in rows]
                cursor.execute(_for_all(self, verb, columns), (msgspec.json.encode(given).decode(),))
            else:
                cursor.executemany(_for_each(self.name, verb, columns), rows)


@cache
def _for_each(table: str, verb: str, columns: tuple[str, ...]) -> str:
    match verb:
        case "insert":
            return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('%s' for _ in columns)})"
        case "update":
            *changed, key = (f"{column} = %s" for column in columns)
            return f"UPDATE {table} SET {', '.join(changed)} WHERE {key}"
        case _:
            return f"DELETE FROM {table} WHERE {' AND '.join(f'{column} = %s' for column in columns)}"


@cache
def _copied(table: Table) -> str:
    return f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN"


@cache
def _for_all(table: Table, verb: str, columns: tuple[str, ...]) -> str:
    name, typed = table.name, ", ".join(f"{column} {table.columns[column]}" for column in columns)
    given = f"json_to_recordset(%s) AS given({typed})"
    match verb:
        case "update":
            *changed, key = columns
            values = ", ".join(f"{column} = given.{column}" for column in changed)
            return f"UPDATE {name} SET {values} FROM {given} WHERE {name}.{key} = given.{key}"
        case _:
            same = " AND ".join(f"{name}.{column} = given.{column}" for column in columns)
            return f"DELETE FROM {name} USING {given} WHERE {same}"
