"""``showIf``: when a parameter is asked for, as ``reach == 'ingress' && tls == true``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

TERM = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*==\s*('[^']*'|\"[^\"]*\"|true|false|-?[0-9]+)\s*", re.ASCII)
RULE = "must be of the form name == 'literal', several joined by &&"


class Term(NamedTuple):
    parameter: str
    value: str | bool | int


def terms(text: str) -> tuple[Term, ...]:
    """What must hold, all of it. Raises ValueError."""
    return tuple(_term(part) for part in text.split("&&")) if text.strip() else ()


def holds(text: str, values: Mapping[str, Any]) -> bool:
    """Whether each named parameter has the value asked for."""
    return all(values.get(term.parameter) == term.value for term in terms(text))


def renamed(text: str, old: str, new: str) -> str:
    """The text asking for ``new`` where it asked for ``old``; all else as it was."""
    parts = text.split("&&")
    asked = (TERM.fullmatch(part) for part in parts)
    return "&&".join(
        part.replace(old, new, 1) if found and found[1] == old else part
        for part, found in zip(parts, asked, strict=True)
    )


def _term(text: str) -> Term:
    found = TERM.fullmatch(text)
    if found is None:
        raise ValueError(RULE)
    name, literal = found.groups()
    if literal in {"true", "false"}:
        return Term(name, literal == "true")
    return Term(name, literal[1:-1] if literal[0] in "'\"" else int(literal))
