"""The form of one component: what it shows of the draft, and what its fields, once sent, make of the component. Pure.

The form takes whatever is typed; whether that is right is judged by reading the draft.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.dashboard.compose import edits
from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data

SHOWN = frozenset(
    {"image", "kind", "replicas", "command", "args", "env", "ports", "volumes", "resources", "after"}
)
PROBED = ("http", "tcp")


@dataclass(frozen=True)
class Row:
    """One line of a table in the form, with what is wrong with it."""

    cells: tuple[str, ...]
    problem: str = ""

    @property
    def tall(self) -> bool:
        """Whether a field of one line would lose something."""
        return any("\n" in cell or "\r" in cell for cell in self.cells)


@dataclass(frozen=True)
class Form:
    """One component as fields; ``wrong`` is keyed by field, ``unplaced`` is what belongs to none of them."""

    name: str
    values: Mapping[str, str]
    ports: tuple[Row, ...]
    env: tuple[Row, ...]
    volumes: tuple[Row, ...]
    way: Mapping[str, Any]
    wrong: Mapping[str, str]
    unplaced: tuple[Wrong, ...]
    elsewhere: tuple[str, ...]
    """Fields that only the YAML shows."""


def of(data: Data, name: str, wrong: Iterable[Wrong]) -> Form:
    """The form of a component that is there."""
    content: Data = data["components"][name]
    here = f"components[{name}]"
    told = {one.path: one.message for one in wrong}
    ready = content.get("probes", {}).get("ready", {})
    resources = content.get("resources", {})
    way = data.get("endpoints", {}).get(edits.way_of(data, name), {})
    values = {
        "image": content.get("image", ""),
        "kind": content.get("kind", "") or "deployment",
        "replicas": _text(content.get("replicas")),
        "command": shlex.join(content.get("command", [])),
        "args": shlex.join(content.get("args", [])),
        "cpu": resources.get("cpu", ""),
        "memory": resources.get("memory", ""),
        "ready": next((kind for kind in PROBED if ready.get(kind)), "own" if ready else ""),
        "ready-path": ready.get("http", ""),
        "ready-port": _text(ready.get("tcp") or ready.get("port")),
    }
    ports = [(one, _text(_number(given))) for one, given in content.get("ports", {}).items()]
    env = [(one, _shown(given)) for one, given in content.get("env", {}).items()]
    volumes = [(one, given["mount"], given["size"]) for one, given in content.get("volumes", {}).items()]
    form = Form(
        name, values, _rows(ports, told, f"{here}.ports"), _rows(env, told, f"{here}.env"),
        _rows(volumes, told, f"{here}.volumes"), way, {}, (), (),
    )  # fmt: skip
    return _judged(form, content, here, told, wrong)


def _judged(form: Form, content: Data, here: str, told: Mapping[str, str], wrong: Iterable[Wrong]) -> Form:
    """With what is wrong beside its field."""
    paths = {
        **{field: f"{here}.{field}" for field in ("image", "kind", "replicas", "command", "args")},
        **{field: f"{here}.resources.{field}" for field in ("cpu", "memory")},
        "name": here,
    }
    beside = {field: _first(told, path) for field, path in paths.items() if field != "name"}
    beside |= {"name": told.get(here, ""), "ready": _first(told, f"{here}.probes.ready")}
    shown = {*beside.values(), *(row.problem for row in (*form.ports, *form.env, *form.volumes))}
    unplaced = tuple(one for one in wrong if one.message not in shown)
    elsewhere = [key for key in content if key not in SHOWN and key != "probes"]
    elsewhere += [f"probes.{kind}" for kind in content.get("probes", {}) if kind != "ready"]
    return Form(
        form.name,
        form.values,
        form.ports,
        form.env,
        form.volumes,
        form.way,
        beside,
        unplaced,
        tuple(elsewhere),
    )


def _rows(rows: Sequence[tuple[str, ...]], told: Mapping[str, str], here: str) -> tuple[Row, ...]:
    return tuple(Row(cells, _first(told, f"{here}[{cells[0]}]")) for cells in rows)


def _first(told: Mapping[str, str], path: str) -> str:
    """What is wrong with a field, or with something in it."""
    return next(
        (words for one, words in told.items() if one == path or one.startswith((f"{path}.", f"{path}["))), ""
    )


def _number(given: Any) -> Any:
    return given["port"] if isinstance(given, dict) else given


def _shown(given: Any) -> str:
    """A secret's name stands as the reference that says the same."""
    return f"${{params.{given['secret']}}}" if isinstance(given, dict) else _text(given)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


# What was sent


def typed(content: Data, sent: QueryDict) -> tuple[Data, list[Wrong]]:
    """The component with what the form says; what the form does not show stays. A command that cannot be split is told
    and left as it was."""
    made = dict(content)
    problems: list[Wrong] = []
    made["image"] = sent.get("image", "").strip()
    _set(made, "replicas", _read(sent.get("replicas", "").strip()))
    kind = sent.get("kind", "")
    _set(made, "kind", kind if kind != "deployment" or content.get("kind") == kind else "")
    for field in ("command", "args"):
        text = _said(sent.get(field, ""))
        if text == _said(shlex.join(content.get(field, []))):
            continue
        try:
            _set(made, field, shlex.split(text))
        except ValueError as error:
            problems.append(Wrong(field, f"cannot be split into words: {error}"))
    _set(made, "ports", _ports(content.get("ports", {}), sent))
    _set(made, "env", _env(content.get("env", {}), sent))
    _set(made, "volumes", _volumes(content.get("volumes", {}), sent))
    resources = dict(content.get("resources", {}))
    for field in ("cpu", "memory"):
        _set(resources, field, sent.get(field, "").strip())
    _set(made, "resources", resources)
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


def _read(text: str) -> Any:
    """A number where one is typed."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def _ports(was: Mapping[str, Any], sent: QueryDict) -> Data:
    found: Data = {}
    for name, text in _lines(sent, "port-name", "port-number"):
        given = was.get(name)
        number = _read(text.strip() or "0")  # a port without a number is told as one that is wrong
        found[name] = {**given, "port": number} if isinstance(given, dict) else number
    return found


def _env(was: Mapping[str, Any], sent: QueryDict) -> Data:
    typed = {name: value for name, value in _lines(sent, "env-name", "env-value")}
    typed |= dotenv(sent.get("paste", ""))
    kept = {name: given for name, given in was.items() if _said(_shown(given)) == typed.get(name)}
    return {name: kept.get(name, text) for name, text in typed.items()}


def _volumes(was: Mapping[str, Any], sent: QueryDict) -> Data:
    rows = _lines(sent, "volume-name", "volume-mount", "volume-size")
    return {
        name: {**was.get(name, {}), "mount": mount.strip(), "size": size.strip() or "1Gi"}
        for name, mount, size in rows
    }


def _lines(sent: QueryDict, *columns: str) -> list[tuple[str, ...]]:
    """The rows of a table; one without a name is not there."""
    rows = zip(*(sent.getlist(column) for column in columns), strict=False)
    return [(name.strip(), *map(_said, cells)) for name, *cells in rows if name.strip()]


def _said(text: str) -> str:
    """Text as it is after a browser had it, which writes the ends of lines in its own way."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _ready(was: Mapping[str, Any], sent: QueryDict) -> Data:
    kind = sent.get("ready", "")
    if kind == "own":
        return dict(was)
    if not kind:
        return {}
    made = {key: value for key, value in was.items() if key not in {"http", "tcp", "exec", "port"}}
    port = _read(sent.get("ready-port", "").strip())
    if kind == "tcp":
        return {
            "tcp": port or next((name for name, _ in _lines(sent, "port-name", "port-number")), ""),
            **made,
        }
    return {"http": sent.get("ready-path", "").strip() or "/", **({"port": port} if port else {}), **made}
