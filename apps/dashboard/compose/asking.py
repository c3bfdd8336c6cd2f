"""The form of one question (a parameter): what the plan asks of whoever installs it, and where that goes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.http import QueryDict

from apps.catalog import parameters
from apps.catalog.checking.questions import GENERATED
from apps.catalog.format import Option, Parameter
from apps.dashboard.compose import draft, edits, entries
from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Column, Entry, Filled, Listed, Table

TYPES: Mapping[str, str] = {
    "string": "a line of text", "text": "several lines of text", "integer": "a whole number", "boolean": "yes or no",
    "enum": "one of several", "secret": "a secret", "size": "an amount, such as 512Mi",
    "duration": "a time, such as 30s", "port": "a port", "hostname": "a host name", "url": "a web address",
    "email": "an e-mail address", "imageTag": "an image's tag", "nodeSelector": "a node's label",
    "existingSecret": "a secret that is there", "existingApp": "an application that is there",
}  # fmt: skip
ANSWERED = tuple(one for one in TYPES if one != "secret")
MADE = (("", "no, it is typed"), *((one, one) for one in GENERATED))
WORDED = ("string", "text")
OPEN = tuple(one for one in TYPES if one not in {"secret", "boolean", "enum"})


@dataclass(frozen=True)
class Attribute:
    """A field of the form, and the types of question that have it: all when none are named."""

    entry: Entry
    of: tuple[str, ...] = ()


FIRST = (
    Attribute(Entry("type", "Takes", "choice", choices=tuple(TYPES.items()))),
    Attribute(Entry("label", "Asked as", example="the name")),
    Attribute(Entry("help", "Explained by")),
    Attribute(Entry("default", "Unless somebody says otherwise", "value"), ANSWERED),
    Attribute(Entry("generate.kind", "Made by the server", "choice", choices=MADE), ("secret",)),
    Attribute(Entry("generate.length", "Length", "number", "32"), ("secret",)),
    Attribute(Entry("rotatable", "Can be exchanged later", "switch"), ("secret",)),
    Attribute(Entry("required", "Must be answered", "switch")),
)
LIMITS = (
    Attribute(Entry("min", "At least", "value"), tuple(parameters.MEASURES)),
    Attribute(Entry("max", "At most", "value"), tuple(parameters.MEASURES)),
    Attribute(Entry("minLength", "Characters, at least", "number"), WORDED),
    Attribute(Entry("maxLength", "Characters, at most", "number"), WORDED),
    Attribute(Entry("pattern", "Pattern", example="[a-z ]+"), WORDED),
    Attribute(Entry("patternHelp", "What it asks for", example="lower case letters, please"), WORDED),
    Attribute(Entry("image", "Of the image", example="redis"), ("imageTag",)),
    Attribute(Entry("example", "Example"), OPEN),
)
PLACE = (
    Attribute(Entry("group", "Under the heading", example="none")),
    Attribute(Entry("showIf", "Asked only if", example="reach == 'ingress'")),
    Attribute(Entry("advanced", "For those who know: folded away", "switch")),
    Attribute(Entry("immutable", "Cannot change once installed", "switch")),
)
GROUPS = {"first": FIRST, "limits": LIMITS, "place": PLACE}


OPTIONS = Table(
    "choice", "Choices", (Column("option-value", "value", "value"), Column("option-label", "words", "words"))
)


@dataclass(frozen=True)
class Question:
    """One question as fields, by the group that they stand in."""

    name: str
    plain: Mapping[str, tuple[Filled, ...]]
    options: Table | None
    """For an enum."""
    wrong: str
    unplaced: tuple[Wrong, ...]
    used_by: tuple[str, ...]


def listed(data: Data, wrong: Iterable[Wrong]) -> list[Listed]:
    found = [*wrong]
    return [
        Listed(
            name, name,
            f"{TYPES.get(one['type'], one['type'])}{'' if used_by(data, name) else ', used nowhere'}",
            len(about(name, found)), one.get("label", ""),
        )
        for name, one in data.get("parameters", {}).items()
    ]  # fmt: skip


def about(name: str, wrong: Iterable[Wrong]) -> list[Wrong]:
    """What is wrong with one question."""
    return draft.within(wrong, f"parameters[{name}]")


def of(data: Data, name: str, wrong: Iterable[Wrong]) -> Question:
    """The form of a question that is there."""
    content: Data = data["parameters"][name]
    here = f"parameters[{name}]"
    told = {one.path: one.message for one in wrong}
    plain = {
        group: entries.filled(_fields(attributes, content), content, told, here)
        for group, attributes in GROUPS.items()
    }
    beside = told.get(here, "") or entries.first(told, f"{here}.options")
    shown = {beside, *(one.problem for group in plain.values() for one in group)}
    unplaced = tuple(Wrong(path, words) for path, words in told.items() if words not in shown)
    enum = content.get("type") == "enum" or content.get("options")
    options = OPTIONS.filled(_options(content), {}, here) if enum else None
    return Question(name, plain, options, beside, unplaced, used_by(data, name))


def used_by(data: Data, name: str) -> tuple[str, ...]:
    """Where the answer goes: components and ways in."""
    parts = [one for one, part in data.get("components", {}).items() if name in edits.asked_by(part)]
    ways = [f"the way in {one}" for one, way in data.get("endpoints", {}).items() if name in edits.asked_by(way)]
    return (*parts, *ways)


def typed(content: Data, sent: QueryDict) -> Data:
    """The question with what the form says. Values are read as its type has them; what is none stays text."""
    kind: str = sent.get("type") or content["type"]
    options = _sent_options(content, sent)
    parameter = Parameter(type=kind, options=[Option(value=one["value"]) for one in options])
    made = dict(content)
    made.pop("options", None)
    if options:
        made["options"] = options
    fields = [one.entry for group in GROUPS.values() for one in group]
    return entries.taken(
        fields, made, sent, lambda text: parameters.read(parameter, text if kind == "text" else text.strip())
    )


def _fields(attributes: Iterable[Attribute], content: Data) -> Iterable[Entry]:
    """The fields of a question of this type; one that says something it should not is shown as well."""
    kind = content.get("type", "")
    for one in attributes:
        if not one.of or kind in one.of or one.entry.path.partition(".")[0] in content:
            yield _default(one.entry, content) if one.entry.path == "default" else one.entry


def _default(entry: Entry, content: Data) -> Entry:
    """How a default is typed depends on the question."""
    kind = content.get("type", "")
    if kind == "boolean":
        return replace(entry, kind="choice", choices=entries.YES_OR_NO)
    if kind == "enum":
        offered = ((value, label or value) for value, label in _options(content))
        return replace(entry, kind="choice", choices=(("", "none"), *offered))
    return replace(entry, kind="area") if kind == "text" else entry


def _options(content: Data) -> list[tuple[str, str]]:
    return [(entries.text_of(one["value"]), one.get("label", "")) for one in content.get("options", [])]


def _sent_options(content: Data, sent: QueryDict) -> list[Data]:
    """The choices of an enum; one that is shown unchanged keeps its type and what its author added."""
    was = {entries.text_of(one["value"]): one for one in content.get("options", [])}
    found = []
    for value, label in OPTIONS.sent(sent):
        old = {key: one for key, one in was.get(value, {"value": value}).items() if key != "label"}
        found.append({**old, "label": label.strip()} if label.strip() else old)
    return found
