"""Counts of pods that may be shares of a whole: 2, or "25%". Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.cluster import types
from apps.cluster.kinds import refusals, templates
from apps.cluster.types import Problem

_PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)


def problems(path: str, value: types.IntOrString | None, *, at_most: int | None = None) -> Iterator[Problem]:
    """``at_most`` bounds a share, in per cent."""
    if isinstance(value, int):
        yield from refusals.between(path, value, 0, templates.MOST)
    elif value is not None:
        if not _PERCENT.fullmatch(value):
            yield refusals.invalid(path, value, 'must be a number, or a percentage such as "25%"')
        elif at_most is not None and int(value[:-1]) > at_most:
            yield refusals.invalid(path, value, f"must not be greater than {at_most}%")


def is_none(value: types.IntOrString | None) -> bool:
    return value in {0, "0%"}


def count(value: types.IntOrString, of: int, *, up: bool) -> int:
    """A count as it is, "25%" of ``of``, rounded up or down to whole pods."""
    if isinstance(value, int):
        return value
    hundredths = int(value.removesuffix("%")) * of
    return -(-hundredths // 100) if up else hundredths // 100
