"""The kind LimitRange: what each pod and container of a namespace gets when it says nothing, and may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from apps.cluster import names, quantities, types
from apps.cluster.errors import Forbidden, invalid
from apps.cluster.kinds import ages, meta, pod_amounts, pod_checks, refusals
from apps.cluster.kinds.pod_defaults import canonical_each, quality
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.kinds.volume_checks import amount_problems
from apps.cluster.registry import Kind, register
from apps.cluster.types import Problem

CONTAINER: Final = "Container"
POD: Final = "Pod"
TYPES: Final = (CONTAINER, POD)
AMOUNTS: Final = ("max", "min", "default", "default_request", "max_limit_request_ratio")
ORDER: Final = (("min", "default_request"), ("min", "default"), ("min", "max"), ("default_request", "default"),
                ("default_request", "max"), ("default", "max"))  # fmt: skip
"""What may not be more than what."""


def _default(limit_range: types.LimitRange) -> None:
    for item in limit_range.spec.limits:
        for field in AMOUNTS:
            setattr(item, field, canonical_each(getattr(item, field)))
        if item.type == CONTAINER:
            item.default = item.max | item.default
            item.default_request = item.min | item.default | item.default_request


def _problems(limit_range: types.LimitRange) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, item in enumerate(limit_range.spec.limits):
        path = f"spec.limits[{index}]"
        yield from refusals.one_of(f"{path}.type", item.type, TYPES)
        if item.type in seen:
            yield refusals.duplicate(f"{path}.type", item.type)
        seen.add(item.type)
        yield from _item_problems(item, path)


def _item_problems(item: types.LimitRangeItem, path: str) -> Iterator[Problem]:
    wrong: list[Problem] = []
    for field in AMOUNTS:
        at = f"{path}.{types.wire_name(field)}"
        for name, amount in getattr(item, field).items():
            if name not in pod_checks.RESOURCES:
                wrong.append(refusals.unsupported(f"{at}[{name}]", name, pod_checks.RESOURCES))
            else:
                wrong.extend(amount_problems(f"{at}[{name}]", amount))
        if item.type == POD and field.startswith("default") and getattr(item, field):
            wrong.append(refusals.forbidden(at, f"may not be specified when `type` is '{POD}'"))
    yield from wrong
    if not wrong:
        yield from _order_problems(item, path)


def _order_problems(item: types.LimitRangeItem, path: str) -> Iterator[Problem]:
    for less, more in ORDER:
        smaller, larger = getattr(item, less), getattr(item, more)
        for name in smaller.keys() & larger.keys():
            if quantities.exact(smaller[name]) > quantities.exact(larger[name]):
                low, high = types.wire_name(less), types.wire_name(more)
                why = f"{low} value {smaller[name]} is greater than {high} value {larger[name]}"
                yield refusals.invalid(f"{path}.{low}[{name}]", smaller[name], why)
    for name, ratio in item.max_limit_request_ratio.items():
        if quantities.exact(ratio) < quantities.NANO:
            at = f"{path}.maxLimitRequestRatio[{name}]"
            yield refusals.invalid(at, ratio, "must be greater than or equal to 1")


def within_ranges(tx: Transaction, old: types.Pod | None, new: types.Pod) -> None:
    """Fill in what a new pod's containers leave out, and refuse what is beyond the namespace's ranges."""
    if old is not None:
        return
    items = [item for found in tx.list(LIMIT_RANGE, new.metadata.namespace) for item in found.spec.limits]
    if not items:
        return
    _fill(new, items)
    reasons = [why for item in items for why in _excesses(item, new.spec)]
    if reasons:
        told = reasons[0] if len(reasons) == 1 else f"[{', '.join(reasons)}]"
        raise Forbidden(
            f'pods "{new.metadata.name}" is forbidden: {told}', kind="pods", name=new.metadata.name
        )


def _fill(pod: types.Pod, items: list[types.LimitRangeItem]) -> None:
    problems: list[Problem] = []
    for path, container in pod_amounts.every_container(pod.spec, "spec"):
        if "ephemeralContainers" in path:
            continue
        resources = container.resources
        for item in items:
            if item.type == CONTAINER:
                resources.limits = item.default | resources.limits
                resources.requests = item.default_request | resources.requests
        problems.extend(pod_checks.resource_problems(resources, f"{path}.resources"))
    if problems:  # what was said and what was filled in do not go together
        raise invalid("Pod", pod.metadata.name, problems)
    pod.status.qos_class = quality(pod.spec)


def _excesses(item: types.LimitRangeItem, spec: types.PodSpec) -> Iterator[str]:
    """Every bound of one item that a pod breaks, in the API's words."""
    if item.type == CONTAINER:
        for path, container in pod_amounts.every_container(spec, "spec"):
            if "ephemeralContainers" not in path:
                each = container.resources
                requests = {name: quantities.exact(amount) for name, amount in each.requests.items()}
                limits = {name: quantities.exact(amount) for name, amount in each.limits.items()}
                yield from _beyond(item, requests, limits)
    elif item.type == POD:
        sums = {
            field: {name: pod_amounts.total(spec, field, name) for name in pod_amounts.COMPUTE}
            for field in ("requests", "limits")
        }
        yield from _beyond(item, *({n: v for n, v in each.items() if v} for each in sums.values()))


def _beyond(item: types.LimitRangeItem, requests: dict[str, int], limits: dict[str, int]) -> Iterator[str]:
    asked = (("request", requests), ("limit", limits))
    for bound, word, needed in (("min", "minimum", "request"), ("max", "maximum", "limit")):
        for name, amount in getattr(item, bound).items():
            start = f"{word} {name} usage per {item.type} is {amount}"
            if name not in dict(asked)[needed]:
                yield f"{start}. No {needed} is specified"
            for field, amounts in asked:
                has, edge = amounts.get(name), quantities.exact(amount)
                if has is not None and (has < edge if bound == "min" else has > edge):
                    yield f"{start}, but {field} is {_text(has, amount)}"
    for name, ratio in item.max_limit_request_ratio.items():
        yield from _ratio(item, name, ratio, (requests.get(name, 0), limits.get(name, 0)))


def _ratio(
    item: types.LimitRangeItem, name: str, ratio: types.Quantity, amounts: tuple[int, int]
) -> Iterator[str]:
    request, limit = amounts
    start = f"{name} max limit to request ratio per {item.type} is {ratio}"
    if not request or not limit:
        yield f"{start}, but no request is specified or request is 0 or no limit is specified"
    elif limit * quantities.NANO > quantities.exact(ratio) * request:
        yield f"{start}, but provided ratio is {limit / request:.6f}"


def _text(nanos: int, like: types.Quantity) -> str:
    return str(quantities.Quantity(nanos, quantities.parse(like).form))


LIMIT_RANGE = register(
    Kind(
        name="LimitRange",
        plural="limitranges",
        short=("limits",),
        schema=types.LimitRange,
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(),
        columns=(ages.NAME, ages.CREATED_AT),
    )
)
