"""Which nodes and servers are there and how they are, as short lists for a person at a terminal."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime

from django.db import DatabaseError

from apps.cluster import store, types
from apps.cluster.kinds import NODE
from apps.nodes import program, servers

LOOK_SECONDS = 0.1
SAME = "same"


def roll_call(wanted: Collection[str], seconds: float) -> str:
    """Every node and its state, once all of ``wanted`` are Ready or the time is over.

    Reads the database: for a process of the serving account.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = {row.object.metadata.name: row.object for row in store.list(NODE).rows}
        ready = {name for name, node in found.items() if _state(node).startswith("Ready")}
        if ready.issuperset(wanted) or time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    states = {name: "not heard of yet" for name in wanted} | {
        name: _state(node) for name, node in found.items()
    }
    width = max(map(len, states), default=0)
    lines = [f"Found {len(found)} node{'' if len(found) == 1 else 's'}:"]
    for name, state in sorted(states.items()):
        address = _address(found[name]) if name in found else ""
        why = _why_not(found[name]) if name in found else ""
        lines.append(f"  {name:<{width}}  {state:<8}  {address}  {why}".rstrip())
    return "\n".join(lines)


def servers_call(wanted: Collection[str], seconds: float) -> str:
    """Where every living server is reached, once all of ``wanted`` (host:port) live or the time is over."""
    deadline = time.monotonic() + seconds
    while not {*wanted} <= {*(found := serving())}:
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    states = {place: f"Drover {version}" for place, version in found.items()}
    states = dict.fromkeys(wanted, "not heard of yet") | states
    head = f"Found {len(found)} server{'' if len(found) == 1 else 's'}:"
    return "\n".join([head, *(f"  {place}  {state}" for place, state in sorted(states.items()))])


def living() -> list[str]:
    """Where the servers are reached that were heard of lately."""
    return servers.living(datetime.now(UTC))


def serving() -> dict[str, str]:
    """The same with the version of each, for a program; "" in a database from before they said it."""
    try:
        return servers.versions(datetime.now(UTC))
    except DatabaseError:
        return dict.fromkeys(living(), "")


def present() -> dict[str, dict[str, str]]:
    """Every node's state and address by its name, for a program, and which agent it has: the one that a join line would
    bring from here now, or another."""
    nodes = {row.object.metadata.name: row.object for row in store.list(NODE).rows}
    ours = f"+{program.digest()}" if nodes else ""
    return {
        name: {
            "state": _state(node),
            "address": _address(node),
            "agent": SAME if _version(node).endswith(ours) else "another",
        }
        for name, node in nodes.items()
    }


def _state(node: types.Node) -> str:
    """In the words of ``kubectl get nodes``."""
    status = next(column for column in NODE.columns if column.name == "Status")
    return str(status.cell(node, types.now()))


def _version(node: types.Node) -> str:
    """Of its agent."""
    return node.status.node_info.kubelet_version if node.status.node_info else ""


def _why_not(node: types.Node) -> str:
    """What a node that is not Ready says of it."""
    said = (each for each in node.status.conditions if each.type == "Ready" and each.status != "True")
    return next((each.message for each in said), "")


def _address(node: types.Node) -> str:
    return next((each.address for each in node.status.addresses if each.type == "InternalIP"), "")
