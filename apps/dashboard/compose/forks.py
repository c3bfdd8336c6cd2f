"""A field that chooses which one of several keys stands, each with fields of its own: how a probe or a check asks.
Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict

from apps.dashboard.compose import entries
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Choices, Entry, Filled


@dataclass(frozen=True)
class Branch:
    """One of the keys, in words, with the fields that are there while it is chosen."""

    words: str
    entries: tuple[Entry, ...]
    paired: bool = False
    """Whether they are short enough to stand beside each other."""


@dataclass(frozen=True)
class Fork:
    """``path`` is where the keys stand, "" for the content itself; ``none`` says what none of them means, "" where one
    must stand; ``rest`` are the fields that go with each of them."""

    path: str
    label: str
    branches: Mapping[str, Branch]
    rest: tuple[Entry, ...] = ()
    none: str = ""

    @property
    def field(self) -> str:
        """The choosing field's name in the form."""
        return f"{self.path}.how" if self.path else "how"

    @property
    def choices(self) -> Choices:
        none = (("", self.none),) if self.none else ()
        return (*none, *((key, one.words) for key, one in self.branches.items()))

    @property
    def entries(self) -> tuple[Entry, ...]:
        return (*(entry for one in self.branches.values() for entry in one.entries), *self.rest)

    def chosen(self, content: Data) -> str:
        return next((key for key in self.branches if key in self._there(content)), "")

    def filled(self, content: Data, told: Mapping[str, str], here: str) -> Forked:
        """As it is shown; ``told`` are messages by path, ``here`` is where ``content`` stands."""
        how = self.chosen(content)
        own = entries.filled(self.branches[how].entries, content, told, here) if how else ()
        rest = entries.filled(self.rest, content, told, here) if how else ()
        return Forked(self, how, own, rest, told.get(f"{here}.{self.path}" if self.path else here, ""))

    def taken(self, content: Data, sent: QueryDict, begun: Mapping[str, Data]) -> Data:
        """The content with what the form says; ``begun`` is what a key begins with, and goes back to when emptied."""
        how = sent.get(self.field, self.chosen(content))
        if how not in {"", *self.branches}:
            return content
        made = content if how == self.chosen(content) else self._with(content, self._switched(content, how, begun))
        if not how:
            return made
        made = entries.taken((*self.branches[how].entries, *self.rest), made, sent)
        return made if self.chosen(made) == how else self._with(made, {**begun[how], **self._there(made)})

    def _switched(self, content: Data, how: str, begun: Mapping[str, Data]) -> Data:
        """Without what the other keys had, and all but empty when none is chosen."""
        inner = f"{self.path}." if self.path else ""
        own = {
            entry.path.removeprefix(inner).partition(".")[0]
            for one in self.branches.values() for entry in one.entries
        }  # fmt: skip
        kept = {key: one for key, one in self._there(content).items() if key not in own}
        return {**begun[how], **kept} if how else {}

    def _there(self, content: Data) -> Data:
        found: Data = (entries.get(content, self.path) or {}) if self.path else content
        return found

    def _with(self, content: Data, there: Data) -> Data:
        return entries.put(content, self.path.split("."), there) if self.path else there


@dataclass(frozen=True)
class Forked:
    """A fork as it is shown, with what is wrong with the choice itself."""

    fork: Fork
    how: str
    own: tuple[Filled, ...]
    rest: tuple[Filled, ...]
    problem: str

    @property
    def problems(self) -> tuple[str, ...]:
        return (self.problem, *(one.problem for one in (*self.own, *self.rest)))

    @property
    def paired(self) -> bool:
        return bool(self.how) and self.fork.branches[self.how].paired

    @property
    def rest_is_wrong(self) -> bool:
        return any(one.problem for one in self.rest)

    @property
    def says(self) -> str:
        """What of the rest is set, while that is folded away."""
        return ", ".join(f"{one.entry.label.lower()} {one.value}" for one in self.rest if one.value)
