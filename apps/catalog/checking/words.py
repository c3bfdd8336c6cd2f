"""Refusals that the rules of a definition share: what is not there, what a literal must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from apps.cluster.kinds import refusals
from apps.cluster.types import Problem, guess


def unknown(path: str, what: str, name: str, known: Iterable[str]) -> Problem:
    """``no component frontned; did you mean "frontend"?``"""
    return Problem(path, f"no {what} {name}{guess(name, known)}", "FieldValueNotFound")


def number(given: int | str | None, path: str) -> Iterator[Problem]:
    """A whole number, or text that is a reference to one."""
    if isinstance(given, str) and "${" not in given:
        yield refusals.invalid(path, given, "must be a whole number, or a reference to one")


def literal(text: str, path: str, rule: Callable[[str], str | None]) -> Iterator[Problem]:
    """Text that is no reference must obey the rule now, not at install."""
    if text and "${" not in text and (why := rule(text)):
        yield refusals.invalid(path, text, why)
