"""A node's agent describes its own node, and cannot make it another one or a more wanted one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.actors import Actor, node
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import NODE
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
AGENT, ROOT = node("n1"), Actor("root", frozenset({"system:masters"}))
TAINT = types.Taint(key="a", effect="NoSchedule")


def create(actor: Actor, name: str = "n1", **changes: Any) -> types.Node:
    made: types.Node = store.write(actor, lambda tx: tx.create(NODE, build(NODE, name=name, **changes)))
    return made


def change(actor: Actor, edit: Callable[[types.Node], None]) -> types.Node:
    def write(tx: Any) -> types.Node:
        found: types.Node = tx.get(NODE, "", "n1")
        edit(found)
        changed: types.Node = tx.update(NODE, found)
        return changed

    return store.write(actor, write)


def test_a_node_makes_itself_and_nobody_else() -> None:
    assert create(AGENT).spec.pod_cidr
    with pytest.raises(Forbidden, match="speaks for itself only"):
        create(AGENT, "n2")


def label(key: str) -> Callable[[types.Node], None]:
    return lambda found: found.metadata.labels.update({key: "x"})


@pytest.mark.parametrize(
    ("edit", "why"),
    [(label("team"), "label team"), (label("node-role.kubernetes.io/vault"), "label node-role"),
     (lambda found: found.spec.taints.append(TAINT), "may not add taints"),
     (lambda found: setattr(found.spec, "unschedulable", True), "open or close")],
)  # fmt: skip
def test_what_draws_pods_is_not_a_nodes_to_say(edit: Callable[[types.Node], None], why: str) -> None:
    create(AGENT)
    with pytest.raises(Forbidden, match=why):
        change(AGENT, edit)
    assert change(ROOT, edit)


def test_what_a_node_observes_is() -> None:
    create(ROOT, spec__taints=[TAINT])
    change(AGENT, label("kubernetes.io/arch"))
    assert change(AGENT, lambda found: found.spec.taints.clear()).spec.taints == []
