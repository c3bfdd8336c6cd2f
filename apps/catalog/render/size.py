"""How much text references put in: a page of them that name a long value would fill the server. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from apps.catalog import references
from apps.catalog.addresses import Addresses
from apps.catalog.format import Definition
from apps.catalog.references import Hidden, Reference
from apps.cluster.types import Problem

MOST = 3 * 1024 * 1024  # characters: what a request may hold
A_SECRET = 1024  # what a secret's value counts as: it is not known here


def problems(definition: Definition, addresses: Addresses) -> Iterator[Problem]:
    """That references put in too much, if they do."""
    places = [definition.components, definition.endpoints, definition.checks, definition.notes]
    named = Counter(references.references(places))
    if sum(count * _length(reference, addresses) for reference, count in named.items()) > MOST:
        longest = max(named, key=lambda reference: named[reference] * _length(reference, addresses))
        yield Problem(
            "spec",
            f"Too long: what is put in for references may not be more than {MOST} characters; {longest} "
            f"is put in {named[longest]} times",
            "FieldValueTooLong",
        )


def _length(reference: Reference, addresses: Addresses) -> int:
    value = addresses.value(reference)
    return A_SECRET if isinstance(value, Hidden) else len(references.spelled(value))
