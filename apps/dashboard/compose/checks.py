"""The form of one check: what must work once the application runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.http import QueryDict

from apps.dashboard.compose import draft, entries
from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Entry, Filled, Listed
from apps.dashboard.compose.forks import Branch, Fork, Forked

NAME = Entry("name", "What must work", example="the page answers")
COMPONENT = Entry("exec.component", "In", "choice")
COMMAND = Entry("exec.command", "Command", "command", "redis-cli ping")
HOW = Fork(
    "", "Holds when",
    {
        "http": Branch(
            "a page answers",
            (Entry("http", "Page", example="${endpoints.web.internalUrl}"),
             Entry("expect", "With the status", "number", "200")),
        ),
        "exec": Branch("a command ends well", (COMPONENT, COMMAND)),
    },
    (Entry("contains", "It says", example="anything"),
     Entry("within", "Asked again for", example="60s"),
     Entry("writes", "Leaves a mark that a later check reads", "switch")),
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One check as fields; ``number`` is its place in the list."""

    number: int
    name: Filled
    how: Forked
    unplaced: tuple[Wrong, ...]
    first: bool


def place(number: int) -> str:
    """Where a check stands in the plan."""
    return f"checks[{number}]"


def number(data: Data, text: str) -> int | None:
    """Which check is meant by a number, None where there is none."""
    found = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    return found if 0 <= found < len(data.get("checks", [])) else None


def of(data: Data, number: int, wrong: Iterable[Wrong]) -> Check:
    """The form of a check that is there."""
    content, here = data["checks"][number], place(number)
    told = {one.path: one.message for one in wrong}
    (name,) = entries.filled((NAME,), content, told, here)
    how = _choosing(data).filled(content, told, here)
    shown = {name.problem, *how.problems}
    unplaced = tuple(Wrong(path, words) for path, words in told.items() if words not in shown)
    return Check(number, name, how, unplaced, first=number == 0)


def _choosing(data: Data) -> Fork:
    """With the components that a command can be run in."""
    named = tuple((one, one) for one in data.get("components", {}))
    command = HOW.branches["exec"]
    asked = replace(command, entries=(replace(COMPONENT, choices=named), COMMAND))
    return replace(HOW, branches={**HOW.branches, "exec": asked})


def begun(data: Data) -> dict[str, Data]:
    """What a check begins with: the page that opens the application, or a command to be named."""
    found = data.get("endpoints", {})
    way = next((one for one, given in found.items() if given.get("primary")), next(iter(found), ""))
    return {
        "http": {"http": f"${{endpoints.{way or 'web'}.internalUrl}}"},
        "exec": {"exec": {"component": next(iter(data.get("components", {})), ""), "command": []}},
    }


def new(data: Data, name: str) -> Data:
    """A check that asks a page where there is one."""
    return {"name": name, **begun(data)["http" if data.get("endpoints") else "exec"]}


def typed(data: Data, number: int, sent: QueryDict) -> tuple[Data, list[Wrong]]:
    """The check with what the form says, and what could not be taken."""
    was = data["checks"][number]
    made = HOW.taken(entries.taken((NAME,), was, sent), sent, begun(data))
    return made, entries.untaken(HOW.entries, sent)


def about(number: int, wrong: Iterable[Wrong]) -> list[Wrong]:
    """What is wrong with one check."""
    return draft.within(wrong, place(number))


def listed(data: Data, wrong: Iterable[Wrong]) -> list[Listed]:
    found = [*wrong]
    return [
        Listed(str(at), one["name"], "leaves a mark" if one.get("writes") else "", len(about(at, found)))
        for at, one in enumerate(data.get("checks", []))
    ]
