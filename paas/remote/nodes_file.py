"""``nodes.yaml``: which machines there are to be. Strict: every mistake is named with its line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import msgspec

from apps.cluster import documents
from apps.cluster.kinds import NODE as NODE_KIND
from apps.cluster.types import Node, NodeSpec, ObjectMeta, Problem, Taint, problems
from apps.cluster.types.base import Wire
from paas.state import Refused

NODE, CONTROL_PLANE, BOTH = "node", "control-plane", "both"
ROLES = (NODE, CONTROL_PLANE, BOTH)
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]*[A-Za-z0-9])?")
USER = re.compile(r"[a-z_][a-z0-9_-]*")
LARGEST_PORT = 65535


class Access(Wire):
    """How a machine is reached; what is left out is taken from the file's ``ssh``, or left to ssh itself."""

    user: str = ""
    port: int = 0
    key: str = ""


class Ssh(Access):
    """For every machine; ``known_hosts`` is the file of host keys, ssh's own when left out."""

    known_hosts: str = ""


class Cidrs(Wire):
    pods: str = ""
    services: str = ""


class Entry(Wire):
    """One machine."""

    name: str
    address: str
    role: str = NODE
    user: str = ""
    port: int = 0
    key: str = ""
    labels: dict[str, str] = {}
    taints: list[Taint] = []


class NodesFile(Wire):
    nodes: list[Entry]
    ssh: Ssh = msgspec.field(default_factory=Ssh)
    cidrs: Cidrs = msgspec.field(default_factory=Cidrs)
    images: list[str] = []

    def access(self, entry: Entry) -> Access:
        """An entry's own words first."""
        common = self.ssh
        return Access(entry.user or common.user, entry.port or common.port, entry.key or common.key)


def read(path: Path) -> NodesFile:
    """Raises Refused with every mistake, a line each."""
    try:
        text = path.read_bytes()
        found = documents.read(text)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except documents.Unreadable as error:
        raise Refused(f"{path} {error}") from None
    if len(found) != 1:
        raise Refused(f"{path} must hold one document, not {len(found)}")
    wrong = [*_problems(found[0])]
    if wrong:
        lines = [f"{path}{documents.place(text, each.path)}: {each.path}: {each.message}" for each in wrong]
        raise Refused("\n".join(lines))
    return msgspec.convert(found[0], NodesFile)


def _problems(data: Any) -> Iterator[Problem]:
    if shape := problems(NodesFile, data):
        yield from shape
        return
    file = msgspec.convert(data, NodesFile)
    if not file.nodes:
        yield Problem("nodes", "Required value: name at least one machine")
    for field in ("pods", "services"):
        yield from _network_problems(f"cidrs.{field}", getattr(file.cidrs, field))
    if _overlap(file.cidrs):
        yield _invalid("cidrs.services", file.cidrs.services, f"overlaps cidrs.pods, {file.cidrs.pods}")
    yield from _access_problems("ssh", file.ssh)
    for index, image in enumerate(file.images):
        if not image or any(letter.isspace() or letter == "," for letter in image):
            yield _invalid(f"images[{index}]", image, "must be the name of an image, such as redis:7.2.5")
    for index, entry in enumerate(file.nodes):
        yield from _entry_problems(f"nodes[{index}]", entry, file.nodes[:index])


def _entry_problems(path: str, entry: Entry, before: list[Entry]) -> Iterator[Problem]:
    node = Node(metadata=ObjectMeta(name=entry.name, labels=entry.labels), spec=NodeSpec(taints=entry.taints))
    for problem in NODE_KIND.validate(node):
        yield Problem(f"{path}.{problem.path.partition('.')[2]}", problem.message)
    if not HOST.fullmatch(entry.address):
        yield _invalid(f"{path}.address", entry.address, "must be a host name or an address")
    if entry.role not in ROLES:
        yield _invalid(f"{path}.role", entry.role, f"must be one of {', '.join(ROLES)}")
    yield from _access_problems(path, Access(entry.user, entry.port, entry.key))
    for other in before:
        if other.name == entry.name:
            yield _invalid(f"{path}.name", entry.name, "stands twice")
        if (other.address, other.port or 22) == (entry.address, entry.port or 22):
            yield _invalid(f"{path}.address", entry.address, f"is {other.name}'s already")


def _access_problems(path: str, access: Access) -> Iterator[Problem]:
    if access.user and not USER.fullmatch(access.user):
        yield _invalid(f"{path}.user", access.user, "must be the name of an account")
    if not 0 <= access.port <= LARGEST_PORT:
        yield _invalid(f"{path}.port", access.port, f"must be between 1 and {LARGEST_PORT}")
    if access.key and not Path(access.key).expanduser().is_file():
        yield _invalid(f"{path}.key", access.key, "there is no such file")


def _network_problems(path: str, text: str) -> Iterator[Problem]:
    try:
        sound = not text or ("/" in text and str(IPv4Network(text)) == text)
    except ValueError:
        sound = False
    if not sound:
        yield _invalid(path, text, "must be an IPv4 network, such as 10.64.0.0/10")


def _overlap(cidrs: Cidrs) -> bool:
    try:
        pods, services = IPv4Network(cidrs.pods), IPv4Network(cidrs.services)
    except ValueError:
        return False
    return pods.overlaps(services)


def _invalid(path: str, value: object, why: str) -> Problem:
    return Problem(path, f'Invalid value: "{value}": {why}')
