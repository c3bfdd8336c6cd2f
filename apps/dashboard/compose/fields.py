"""The form of one component: what it shows of the draft, and what its fields, once sent, make of it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.dashboard.compose import edits, entries
from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Column, Entry, Filled, Table

PROBED = ("http", "tcp")
GROUPS: Mapping[str, tuple[Entry, ...]] = {
    "basics": (Entry("image", "Image"), Entry("replicas", "Replicas", "number", "1")),
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
    "run": (
        Entry("workingDir", "Working directory", example="the image's"),
        Entry("stopTimeout", "Time to stop", example="30s"),
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
ENTRIES = tuple(one for group in GROUPS.values() for one in group)
PORTS = Table(
    "port",
    "Ports",
    (Column("port-name", "name", "name"), Column("port-number", "number", "number", "number")),
)
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
SHOWN = frozenset(
    {"image", "kind", "replicas", "command", "args", "env", "ports", "volumes", "files", "resources", "after",
     "autoscale", "workingDir", "stopTimeout", "security"}
)  # fmt: skip
"""The keys of a component for which the form has a field."""


class Fold:
    """A part of the form that is folded away: what it says while it is closed, and whether something in it is wrong."""

    def __init__(self, told: Iterable[str], problems: Iterable[str]) -> None:
        self.says, self.wrong = ", ".join(filter(None, told)), any(problems)


@dataclass(frozen=True)
class Form:
    """One component as fields; ``wrong`` is keyed by field, ``unplaced`` is what belongs to none of them."""

    name: str
    values: Mapping[str, str]
    plain: Mapping[str, tuple[Filled, ...]]
    """The declared fields, by the group that they stand in."""
    tables: Mapping[str, Table]
    way: Mapping[str, Any]
    wrong: Mapping[str, str]
    unplaced: tuple[Wrong, ...]
    elsewhere: tuple[str, ...]
    """Fields that only the YAML shows."""

    @property
    def folds(self) -> dict[str, Fold]:
        """The folded parts of the form."""
        sizes, more, limit_cpu, limit_memory = (one.value for one in self.plain["amounts"])
        least, most, _ = (one.value for one in self.plain["autoscale"])
        user, *_ = (one.value for one in self.plain["identity"])
        allowed = [one.entry.path.rpartition(".")[2] for one in self.plain["rights"] if one.value]
        volumes, files, paths = (self.tables[one] for one in ("volumes", "files", "host_paths"))
        kept = [f"{len(one.rows)} {one.thing}{'s' if one.rows[1:] else ''}" for one in (volumes, files) if one.rows]
        run = [self.values["command"], self.values["args"], *(one.value for one in self.plain["run"])]
        return {
            "data": Fold(kept, [one.problem for table in (volumes, files) for one in table.rows]),
            "amounts": Fold(
                [sizes, more, limit_cpu and f"at most {limit_cpu}", limit_memory and f"at most {limit_memory}",
                 least and f"{least} to {most} replicas", self.values["ready"] and "asked when it is ready"],
                [self.wrong["ready"], *self._wrong("amounts", "autoscale")],
            ),
            "command": Fold(run, [self.wrong["command"], self.wrong["args"], *self._wrong("run")]),
            "rights": Fold(
                [user and f"user {user}", *allowed, "hostPaths" if paths.rows else ""],
                [*self._wrong("identity", "rights"), *(one.problem for one in paths.rows)],
            ),
        }  # fmt: skip

    def _wrong(self, *groups: str) -> list[str]:
        return [one.problem for group in groups for one in self.plain[group]]


def of(data: Data, name: str, wrong: Iterable[Wrong]) -> Form:
    """The form of a component that is there."""
    content: Data = data["components"][name]
    here = f"components[{name}]"
    told = {one.path: one.message for one in wrong}
    plain = {group: entries.filled(fields, content, told, here) for group, fields in GROUPS.items()}
    tables = _tables(content, told, here)
    beside = {field: entries.first(told, f"{here}.{field}") for field in ("kind", "command", "args")}
    beside |= {"name": told.get(here, ""), "ready": entries.first(told, f"{here}.probes.ready")}
    shown = {
        *beside.values(),
        *(row.problem for table in tables.values() for row in table.rows),
        *(one.problem for group in plain.values() for one in group),
    }
    elsewhere = [key for key in content if key not in SHOWN and key != "probes"]
    elsewhere += [f"probes.{kind}" for kind in content.get("probes", {}) if kind != "ready"]
    way = data.get("endpoints", {}).get(edits.way_of(data, name), {})
    unplaced = tuple(one for one in wrong if one.message not in shown)
    return Form(name, _values(content), plain, tables, way, beside, unplaced, tuple(elsewhere))


def _values(content: Data) -> dict[str, str]:
    """What stands in fields of a kind of their own."""
    ready = content.get("probes", {}).get("ready", {})
    return {
        "kind": content.get("kind", "") or "deployment",
        "command": shlex.join(content.get("command", [])),
        "args": shlex.join(content.get("args", [])),
        "ready": next((kind for kind in PROBED if ready.get(kind)), "own" if ready else ""),
        "ready-path": ready.get("http", ""),
        "ready-port": entries.text_of(ready.get("tcp") or ready.get("port")),
    }


def _tables(content: Data, told: Mapping[str, str], here: str) -> dict[str, Table]:
    ports = [(one, entries.text_of(_number(given))) for one, given in content.get("ports", {}).items()]
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
    }


def _number(given: Any) -> Any:
    return given["port"] if isinstance(given, dict) else given


def _shown(given: Any) -> str:
    """A secret's name stands as the reference that says the same."""
    return f"${{params.{given['secret']}}}" if isinstance(given, dict) else entries.text_of(given)


# What was sent


def typed(content: Data, sent: QueryDict) -> tuple[Data, list[Wrong]]:
    """The component with what the form says; what the form does not show stays. A command that cannot be split is told
    and left as it was."""
    made = dict(entries.taken(ENTRIES, content, sent))
    problems: list[Wrong] = []
    kind = sent.get("kind", "")
    _set(made, "kind", kind if kind != "deployment" or content.get("kind") == kind else "")
    for field in ("command", "args"):
        text = entries.said(sent.get(field, ""))
        if text == entries.said(shlex.join(content.get(field, []))):
            continue
        try:
            _set(made, field, shlex.split(text))
        except ValueError as error:
            problems.append(Wrong(field, f"cannot be split into words: {error}"))
    _set(made, "ports", _ports(content.get("ports", {}), sent))
    _set(made, "env", _env(content.get("env", {}), sent))
    _set(made, "volumes", _volumes(content.get("volumes", {}), sent))
    _set(made, "files", _files(content.get("files", {}), sent))
    security = dict(made.get("security", {}))
    paths = HOST_PATHS.sent(sent)
    _set(security, "hostPaths", {path: mount.strip() for path, mount in paths})
    _set(made, "security", security)
    probes = dict(content.get("probes", {}))
    _set(probes, "ready", _ready(probes.get("ready", {}), sent))
    _set(made, "probes", probes)
    return made, problems


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
    for name, text in PORTS.sent(sent):
        given = was.get(name)
        port = entries.number(text.strip() or "0")  # a port without a number is told as one that is wrong
        found[name] = {**given, "port": port} if isinstance(given, dict) else port
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


def _ready(was: Mapping[str, Any], sent: QueryDict) -> Data:
    kind = sent.get("ready", "")
    if kind == "own":
        return dict(was)
    if not kind:
        return {}
    made = {key: value for key, value in was.items() if key not in {"http", "tcp", "exec", "port"}}
    port = entries.number(sent.get("ready-port", ""))
    if kind == "tcp":
        return {
            "tcp": port or next((name for name, _ in PORTS.sent(sent)), ""),
            **made,
        }
    return {"http": sent.get("ready-path", "").strip() or "/", **({"port": port} if port else {}), **made}
