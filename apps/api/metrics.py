"""metrics.k8s.io: what nodes and pods use, from the agents' latest samples. Read only, and no stored objects."""

from collections import defaultdict
from typing import Any

from apps.accounts import policy
from apps.api import tables
from apps.api.accepts import Form, choose
from apps.api.messages import Answer, Request
from apps.api.paths import UNKNOWN, Resource
from apps.cluster import selectors, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound
from apps.cluster.kinds import NODE, POD
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored
from apps.nodes import samples

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
VERBS = ("get", "list")
# plural -> the kind of the objects measured, and what their measures are called
RESOURCES: dict[str, tuple[Kind, str]] = {"nodes": (NODE, "NodeMetrics"), "pods": (POD, "PodMetrics")}

HEADS = ("Name", "Cpu", "Memory", "Window")

Amounts = tuple[samples.Used, list[dict[str, Any]]]


def answer(actor: Actor, request: Request, target: Resource) -> Answer:
    """Raises NotFound for what was not measured lately."""
    if target.version != VERSION or target.plural not in RESOURCES or target.subresource:
        raise NotFound(UNKNOWN)
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    kind, name = RESOURCES[target.plural]
    if kind.namespaced is (target.namespace is None) and (target.name or target.namespace):
        raise NotFound(UNKNOWN)
    _require(actor, target)
    number, rows = _rows(actor, request, kind, target)
    measured = _nodes() if kind is NODE else _pods()
    items = [_item(name, row, measured[key]) for row in rows if (key := _key(kind, row)) in measured]
    if target.name and not items:
        raise NotFound(
            f'{name.lower()}.{GROUP} "{target.name}" not found', name=target.name, kind=target.plural, group=GROUP
        )
    if choose(request.accept).form is Form.TABLE:
        return Answer(200, tables.plain(HEADS, map(_cells, items), {"resourceVersion": str(number)}))
    if target.name:
        return Answer(200, types.encode(items[0]))
    listed = {
        "kind": f"{name}List", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {"resourceVersion": str(number)},
        "items": items,
    }  # fmt: skip
    return Answer(200, types.encode(listed))


def _cells(item: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """As kubectl prints it: a pod's containers together."""
    parts = [part["usage"] for part in item.get("containers", (item,))]
    cpu, memory = (sum(int(used[name].rstrip("nKi")) for used in parts) for name in ("cpu", "memory"))
    return [item["metadata"]["name"], f"{cpu}n", f"{memory}Ki", item["window"]], item["metadata"]


def _require(actor: Actor, target: Resource) -> None:
    verb = "get" if target.name else "list"
    decision = policy.authorize(actor, verb, GROUP, target.plural, "", target.namespace or "", target.name)
    if not decision.allowed:
        raise Forbidden(
            f"{target.plural}.{GROUP} is forbidden: {decision.reason}", kind=target.plural, group=GROUP
        )


def _rows(actor: Actor, request: Request, kind: Kind, target: Resource) -> tuple[int, list[Stored]]:
    """The objects asked for, as far as the actor may see them."""
    try:
        labels = selectors.parse_labels(request.query.get("labelSelector"))
        fields = selectors.parse_fields(request.query.get("fieldSelector"))
        if target.name:
            fields = selectors.parse_fields(f"metadata.name={target.name}")
    except ValueError as error:
        raise BadRequest(str(error)) from None
    page = store.list(
        kind, namespace=target.namespace, labels=labels, fields=fields, sight=policy.scope(actor, kind)
    )
    return page.number, [*page.rows]


def _key(kind: Kind, row: Stored) -> tuple[str, ...]:
    return (row.name,) if kind is NODE else (row.node, row.namespace, row.name)


def _nodes() -> dict[tuple[str, ...], Amounts]:
    return {
        (used.node,): (used, [{"usage": _usage(used.samples.cpu, used.samples.memory)}])
        for used in samples.latest(types.now())
    }


def _pods() -> dict[tuple[str, ...], Amounts]:
    """By node, namespace and name: a node speaks for its own pods only."""
    found: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    used_by: dict[tuple[str, ...], samples.Used] = {}
    for used in samples.latest(types.now()):
        for each in used.samples.containers:
            key = (used.node, each.namespace, each.pod)
            used_by[key] = used
            found[key].append({"name": each.name, "usage": _usage(each.cpu, each.memory)})
    return {key: (used_by[key], sorted(found[key], key=lambda one: str(one["name"]))) for key in found}


def _usage(cpu: int, memory: int) -> dict[str, str]:
    return {"cpu": f"{max(cpu, 0)}n", "memory": f"{max(memory, 0) // 1024}Ki"}


def _item(name: str, row: Stored, measured: Amounts) -> dict[str, Any]:
    used, parts = measured
    meta: dict[str, Any] = {"name": row.name, "creationTimestamp": types.now()}
    if row.namespace:
        meta["namespace"] = row.namespace
    if row.labels:
        meta["labels"] = row.labels
    amounts = parts[0] if name == "NodeMetrics" else {"containers": parts}
    return {
        "kind": name, "apiVersion": f"{GROUP}/{VERSION}", "metadata": meta,
        "timestamp": used.at.replace(microsecond=0), "window": f"{used.samples.window:g}s", **amounts,
    }  # fmt: skip
