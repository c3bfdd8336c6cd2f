"""What must be true after any faults: compares what was acknowledged with what watchers saw and what is there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

GONE = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write of one name. ``value`` is what it left there (None: deleted); ``number`` its resourceVersion, 0 for
    a deletion. An attempt without an answer may or may not have happened."""

    name: str
    value: int | None
    acknowledged: bool
    number: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """One event as a watcher got it."""

    type: str
    name: str
    number: int
    value: int | None


@dataclass
class History:
    """What one watcher saw. ``listed`` counts how often it had to begin again with a list."""

    events: list[Sighting] = field(default_factory=list)
    listed: int = 0
    began_at: int = 0


@dataclass(frozen=True)
class Verdict:
    lost: tuple[str, ...]
    out_of_order: tuple[str, ...]
    gaps: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.out_of_order or self.gaps)


def check(
    attempts: Sequence[Attempt], histories: Iterable[History], present: Mapping[str, int | None]
) -> Verdict:
    """``present`` is what a list shows at the end: the value by name."""
    seen = list(histories)
    return Verdict(
        lost=tuple(lost(attempts, present)),
        out_of_order=tuple(note for each in seen for note in out_of_order(each)),
        gaps=tuple(note for each in seen for note in gaps(attempts, each)),
    )


def lost(attempts: Sequence[Attempt], present: Mapping[str, int | None]) -> Iterable[str]:
    """The last acknowledged write of each name must stand, or an unanswered one that came after it."""
    possible: dict[str, set[int | None]] = {}
    for attempt in attempts:
        if attempt.acknowledged:
            possible[attempt.name] = {attempt.value}
        else:
            possible.setdefault(attempt.name, {GONE}).add(attempt.value)
    for name, values in possible.items():
        found = present.get(name)
        if found not in values:
            yield f"{name}: {found} is there, one of {sorted(map(str, values))} was acknowledged"


def out_of_order(history: History) -> Iterable[str]:
    """Numbers only grow."""
    for before, after in zip(history.events, history.events[1:], strict=False):
        if after.number <= before.number:
            yield f"{after.name}: {after.number} came after {before.number}"


def gaps(attempts: Sequence[Attempt], history: History) -> Iterable[str]:
    """Everything acknowledged was seen by a watcher that never had to list again, and nobody else's state was."""
    if history.listed > 1:
        return
    seen = {event.number: event for event in history.events}
    last = history.events[-1].number if history.events else history.began_at
    for attempt in attempts:
        if not attempt.acknowledged or not history.began_at < attempt.number <= last:
            continue
        event = seen.get(attempt.number)
        if event is None or (event.name, event.value) != (attempt.name, attempt.value):
            yield f"{attempt.name}: number {attempt.number} was acknowledged, the watcher saw {event}"
