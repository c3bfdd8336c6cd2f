"""What conditions say, of nodes and of pods alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from apps.cluster import types


def is_ready(conditions: Iterable[types.Condition]) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in conditions)
