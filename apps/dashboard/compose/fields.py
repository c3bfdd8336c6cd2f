"""The form of one component: what it shows of the draft, and what its fields, once sent, make of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.cluster.types.extensions import PREFIX
from apps.dashboard.compose import entries, health
from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Column, Entry, Filled, Table
from apps.dashboard.compose.forks import Forked

OWN = "own"
UPDATE = Entry(
    "update", "Pods are exchanged", "choice",
    choices=(("", "one after the other"), ("recreate", "all at once, with a gap"), (OWN, "in numbers of your own")),
    written=(("rolling", "one after the other"),),
)  # fmt: skip
NUMBERS = (
    Entry("update.maxSurge", "More meanwhile", "number", "25%"),
    Entry("update.maxUnavailable", "Fewer meanwhile", "number", "25%"),
)
CAREFULLY = {"maxSurge": 1, "maxUnavailable": 0}
GROUPS: Mapping[str, tuple[Entry, ...]] = {
    "basics": (
        Entry("image", "Image"),
        Entry(
            "kind",
            "Runs",
            "choice",
            choices=(("", "all the time"), ("job", "once, to its end")),
            written=(("deployment", "all the time"),),
        ),
        Entry("replicas", "Replicas", "number", "1"),
    ),
    "amounts": (
        Entry("resources.cpu", "CPU", example="100m"),
        Entry("resources.memory", "Memory", example="128Mi"),
        Entry("resources.limits.cpu", "At most CPU", example="no limit"),
        Entry("resources.limits.memory", "At most memory", example="no limit"),
    ),
    "autoscale": (
        Entry("autoscale.min", "From", "number", "2"),
        Entry("autoscale.max", "To", "number", "8"),
        Entry("autoscale.cpu", "CPU, %", "number", "80"),
    ),
    "command": (
        Entry("command", "Command", "command", "the image's own"),
        Entry("args", "Arguments", "command"),
        Entry("workingDir", "Working directory", example="the image's"),
    ),
    "update": (UPDATE, *NUMBERS),
    "place": (
        Entry("stopTimeout", "Time to stop", example="30s"),
        Entry("host", "Found as", example="its own name"),
    ),
    "identity": (
        Entry("security.runAsUser", "User", "number", "image's"),
        Entry("security.runAsGroup", "Group", "number", "image's"),
        Entry("security.fsGroup", "Files' group", "number", "none"),
    ),
    "rights": (
        Entry("security.readOnly", "Its own files cannot be changed", "switch"),
        Entry("security.privileged", "Privileged: all that the node's root may do", "switch"),
        Entry("security.hostNetwork", "In the node's own network", "switch"),
        Entry("security.capabilities", "Capabilities", "words", "NET_BIND_SERVICE"),
    ),
}
ENTRIES = tuple(one for name, group in GROUPS.items() if name != "update" for one in group)
PORTS = Table(
    "port", "Ports",
    (Column("port-name", "name", "name"), Column("port-number", "number", "number", "number"),
     Column("port-protocol", "protocol", kind="choice", choices=(("TCP", "TCP"), ("UDP", "UDP")))),
    "port",
)  # fmt: skip
ENV = Table(
    "variable",
    "Variables",
    (Column("env-name", "name", "NAME", "code"), Column("env-value", "value", "value", "code")),
)
VOLUMES = Table(
    "volume", "Volumes",
    (Column("volume-name", "name", "name"), Column("volume-mount", "place", "/data"),
     Column("volume-size", "size", "1Gi")),
    "three",
)  # fmt: skip
FILES = Table(
    "file", "Files",
    (Column("file-path", "path", "/etc/shop.conf", "code"), Column("file-mode", "mode", "0444", "code"),
     Column("file-content", "content", "what stands in it; ${params.…} and ${components.…} are put in", "area")),
    "file",
)  # fmt: skip
HOST_PATHS = Table(
    "folder", "Folders of the node",
    (Column("host-path", "path", "on the node", "code"), Column("host-mount", "place", "in the container", "code")),
)  # fmt: skip
NODES = Table(
    "label", "Only on nodes with the labels",
    (Column("node-label", "name", "disk", "code"), Column("node-value", "value", "fast", "code")),
)  # fmt: skip


class Fold:
    """A part of the form that is folded away: what it says while it is closed, and whether something in it is wrong."""

    def __init__(self, told: Iterable[str], problems: Iterable[str]) -> None:
        self.says, self.wrong = ", ".join(filter(None, told)), any(problems)


@dataclass(frozen=True)
class Form:
    """One component as fields; ``unplaced`` is what is wrong with none of them."""

    name: str
    plain: Mapping[str, tuple[Filled, ...]]
    """The declared fields, by the group that they stand in."""
    tables: Mapping[str, Table]
    probes: Mapping[str, Forked]
    ways: Mapping[str, Mapping[str, Any]]
    """The ways in that lead to it, the one of the form first."""
    wrong: str
    """What is wrong with its name."""
    unplaced: tuple[Wrong, ...]
    elsewhere: tuple[str, ...]
    """The author's own keys, which only the YAML shows."""

    @property
    def way(self) -> Mapping[str, Any]:
        return next(iter(self.ways.values()), {})

    @property
    def folds(self) -> dict[str, Fold]:
        """The folded parts of the form."""
        sizes, more, limit_cpu, limit_memory = (one.value for one in self.plain["amounts"])
        least, most, _ = (one.value for one in self.plain["autoscale"])
        user, *_ = (one.value for one in self.plain["identity"])
        update, *_ = self.plain["update"]
        stop, host = (one.value for one in self.plain["place"])
        allowed = [one.entry.path.rpartition(".")[2] for one in self.plain["rights"] if one.value]
        volumes, files, paths, nodes = (self.tables[one] for one in ("volumes", "files", "host_paths", "nodes"))
        kept = [f"{len(one.rows)} {one.thing}{'s' if one.rows[1:] else ''}" for one in (volumes, files) if one.rows]
        return {
            "data": Fold(kept, _beside(volumes, files)),
            "health": Fold(
                [kind for kind, one in self.probes.items() if one.how],
                [words for one in self.probes.values() for words in one.problems],
            ),
            "amounts": Fold(
                [sizes, more, limit_cpu and f"at most {limit_cpu}", limit_memory and f"at most {limit_memory}",
                 least and f"{least} to {most} replicas"],
                self._wrong("amounts", "autoscale"),
            ),
            "command": Fold([one.value for one in self.plain["command"]], self._wrong("command")),
            "place": Fold(
                [update.value and dict(update.choices)[update.value], stop and f"{stop} to stop", host,
                 *(f"{label.text}={value.text}" for label, value in (row.cells for row in nodes.rows))],
                [*self._wrong("update", "place"), *_beside(nodes)],
            ),
            "rights": Fold(
                [user and f"user {user}", *allowed, "hostPaths" if paths.rows else ""],
                [*self._wrong("identity", "rights"), *_beside(paths)],
            ),
        }  # fmt: skip

    def _wrong(self, *groups: str) -> list[str]:
        return [one.problem for group in groups for one in self.plain[group]]


def _beside(*tables: Table) -> list[str]:
    return [row.problem for table in tables for row in table.rows]


def of(data: Data, name: str, wrong: Iterable[Wrong]) -> Form:
    """The form of a component that is there."""
    content: Data = data["components"][name]
    here = f"components[{name}]"
    told = {one.path: one.message for one in wrong}
    plain = {group: entries.filled(fields, content, told, here) for group, fields in GROUPS.items()}
    plain["update"] = _update(content, told, here)
    tables = _tables(content, told, here)
    probes = {kind: fork.filled(content, told, here) for kind, fork in health.PROBES.items()}
    shown = {
        told.get(here, ""),
        *_beside(*tables.values()),
        *(one.problem for group in plain.values() for one in group),
        *(words for one in probes.values() for words in one.problems),
    }
    ways = {way: one for way, one in data.get("endpoints", {}).items() if one.get("component") == name}
    return Form(
        name, plain, tables, probes, ways, told.get(here, ""),
        tuple(one for one in wrong if one.message not in shown),
        tuple(key for key in content if key.startswith(PREFIX)),
    )  # fmt: skip


def _update(content: Data, told: Mapping[str, str], here: str) -> tuple[Filled, ...]:
    """How replicas are exchanged: a word, or numbers in fields of their own."""
    if isinstance(content.get("update"), dict):
        (word,) = entries.filled((UPDATE,), {"update": OWN}, {}, here)
        return (word, *entries.filled(NUMBERS, content, told, here))
    return entries.filled((UPDATE,), content, told, here)


def _tables(content: Data, told: Mapping[str, str], here: str) -> dict[str, Table]:
    ports = [(one, *_port(given)) for one, given in content.get("ports", {}).items()]
    env = [(one, _shown(given)) for one, given in content.get("env", {}).items()]
    volumes = [(one, given["mount"], given["size"]) for one, given in content.get("volumes", {}).items()]
    files = [
        (one, given.get("mode", ""), given["content"]) for one, given in content.get("files", {}).items()
    ]
    paths = content.get("security", {}).get("hostPaths", {}).items()
    return {
        "ports": PORTS.filled(ports, told, f"{here}.ports"),
        "env": ENV.filled(env, told, f"{here}.env"),
        "volumes": VOLUMES.filled(volumes, told, f"{here}.volumes"),
        "files": FILES.filled(files, told, f"{here}.files"),
        "host_paths": HOST_PATHS.filled(paths, told, f"{here}.security.hostPaths"),
        "nodes": NODES.filled(content.get("nodes", {}).items(), told, f"{here}.nodes"),
    }


def _port(given: Any) -> tuple[str, str]:
    """A port's number and protocol as the form shows them."""
    port = given if isinstance(given, dict) else {"port": given}
    return entries.text_of(port["port"]), port.get("protocol") or "TCP"


def _shown(given: Any) -> str:
    """A secret's name stands as the reference that says the same."""
    return f"${{params.{given['secret']}}}" if isinstance(given, dict) else entries.text_of(given)


# What was sent


def typed(content: Data, sent: QueryDict) -> tuple[Data, list[Wrong]]:
    """The component with what the form says; what the form does not show stays. A command that cannot be split is told
    and left as it was."""
    made = health.typed(entries.taken(ENTRIES, content, sent), sent)
    _set(made, "update", _exchanged(made.get("update", ""), sent))
    _set(made, "ports", _ports(content.get("ports", {}), sent))
    _set(made, "env", _env(content.get("env", {}), sent))
    _set(made, "volumes", _volumes(content.get("volumes", {}), sent))
    _set(made, "files", _files(content.get("files", {}), sent))
    _set(made, "nodes", {label: value.strip() for label, value in NODES.sent(sent)})
    security = dict(made.get("security", {}))
    _set(security, "hostPaths", {path: mount.strip() for path, mount in HOST_PATHS.sent(sent)})
    _set(made, "security", security)
    return made, entries.untaken((*ENTRIES, *health.ENTRIES), sent)


def _exchanged(was: Any, sent: QueryDict) -> Any:
    """How replicas are exchanged, as the form says: numbers begin as those that lose no replica."""
    numbered = isinstance(was, dict)
    word = sent.get("update", OWN if numbered else was)
    if word != OWN:
        return word
    made = entries.taken(NUMBERS, {"update": was if numbered else CAREFULLY}, sent)
    return made.get("update")


def way(sent: QueryDict, content: Data) -> Data | None:
    """How the component is reached from outside, None when it is not; its first port unless another is meant."""
    ports = content.get("ports", {})
    via, port = sent.get("via", ""), sent.get("way-port", "").strip()
    port = port if port in ports else next(iter(ports), port)
    host = sent.get("way-host", "").strip() if via == "ingress" else ""
    return {"port": port, "via": via, "host": host} if via else None


def dotenv(text: str) -> dict[str, str]:
    """The variables of a pasted ``.env``; what is no variable is passed over."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name and not name.startswith("#"):
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found[name.strip()] = value[1:-1] if quoted else value.strip()
    return found


def _set(made: Data, key: str, value: Any) -> None:
    """A field that says nothing is left out; zero says something."""
    if value in ("", [], {}) or value is None:
        made.pop(key, None)
    else:
        made[key] = value


def _ports(was: Mapping[str, Any], sent: QueryDict) -> Data:
    found: Data = {}
    for name, text, protocol in PORTS.sent(sent):
        given = was.get(name)
        port = entries.number(text.strip() or "0")  # a port without a number is told as one that is wrong
        if given is not None and (text, protocol) == _port(given):
            found[name] = given
            continue
        old = given if isinstance(given, dict) else {}
        said = {"protocol": protocol} if protocol != "TCP" or "protocol" in old else {}
        found[name] = {**old, "port": port, **said} if old or said else port
    return found


def _env(was: Mapping[str, Any], sent: QueryDict) -> Data:
    typed = {name: value for name, value in ENV.sent(sent)}
    typed |= dotenv(sent.get("paste", ""))
    kept = {name: given for name, given in was.items() if entries.said(_shown(given)) == typed.get(name)}
    return {name: kept.get(name, text) for name, text in typed.items()}


def _volumes(was: Mapping[str, Any], sent: QueryDict) -> Data:
    return {
        name: {**was.get(name, {}), "mount": mount.strip(), "size": size.strip() or "1Gi"}
        for name, mount, size in VOLUMES.sent(sent)
    }


def _files(was: Mapping[str, Any], sent: QueryDict) -> Data:
    found: Data = {}
    for path, mode, content in FILES.sent(sent):
        old = was.get(path, {})
        same = bool(old) and entries.said(old["content"]) == content
        file = {**old, "content": old["content"] if same else content}
        _set(file, "mode", mode.strip())
        found[path] = file
    return found
