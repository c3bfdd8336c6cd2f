"""How far the controllers have come in the log. Durable: what stands before it was reconciled or queued
again."""

from collections.abc import Callable
from typing import Any

from apps.cluster.models import Cursor
from apps.cluster.writing import exclusive, persistently

NAME = "controllers"


def alone(work: Callable[[], Any]) -> None:
    """A small write outside the log, as a writer among writers."""

    def write() -> None:
        with exclusive():
            work()

    persistently(write)


def position() -> int:
    return Cursor.objects.filter(name=NAME).values_list("number", flat=True).first() or 0


def move(number: int) -> None:
    """Everything up to ``number`` is taken care of."""
    alone(lambda: Cursor.objects.update_or_create(name=NAME, defaults={"number": number}))
