"""Two people changed the same plan: what the other did is brought into one's own, both sides kept. Pure."""

from __future__ import annotations

from typing import Any, Final

ABSENT: Final = object()


def merged(base: Any, theirs: Any, mine: Any, path: str = "") -> tuple[Any, list[str]]:
    """My data with their changes since ``base``, and the paths that both changed: there mine stays."""
    if theirs in (base, mine):
        return mine, []
    if mine == base:
        return theirs, []
    if not (isinstance(theirs, dict) and isinstance(mine, dict)):
        return mine, [path]
    old = base if isinstance(base, dict) else {}
    made, clashes = {}, []
    for key in dict.fromkeys((*mine, *theirs)):
        was, other, own = (side.get(key, ABSENT) for side in (old, theirs, mine))
        value, found = merged(was, other, own, f"{path}.{key}" if path else str(key))
        clashes += found
        if value is not ABSENT:
            made[key] = value
    return made, clashes
