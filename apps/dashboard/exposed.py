"""What is reachable from outside, as pages show it: each way in with who made it and whether anything answers there."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.catalog.kinds import APPLICATION
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.conditions import is_ready
from apps.cluster.exposure import NODE_PORT, Exposure, exposures
from apps.cluster.kinds import ENDPOINTS, INGRESS, INGRESS_CLASS, NODE, POD, SERVICE
from apps.cluster.registry import all_kinds
from apps.dashboard import access, look, paths, reading


@dataclass(frozen=True)
class Maker:
    """Whose it is, as far as that is known: an application, a controller, or the program that wrote it."""

    word: str
    name: str
    href: str = ""


@dataclass(frozen=True)
class Answer:
    """Whether pods answer; ``word`` is "nobody" where none does."""

    word: str
    look: look.Look


@dataclass(frozen=True)
class WayIn:
    """One port that the outside may come by. ``maker`` and ``answer`` are None where nobody asked for them."""

    exposure: Exposure
    href: str
    maker: Maker | None = None
    answer: Answer | None = None

    @property
    def address(self) -> str:
        """Empty where the page's own host answers: every node does for a node port, when this machine is one."""
        here = self.exposure.via == NODE_PORT and any(map(is_own, self.exposure.addresses))
        return "" if here else next(iter(self.exposure.addresses), "")

    @property
    def opens(self) -> bool:
        """Whether a browser may try it."""
        return self.exposure.protocol == "TCP" and bool(self.exposure.addresses)


def is_own(address: str) -> bool:
    """Whether this very machine has the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def plain(found: Iterable[Exposure]) -> list[WayIn]:
    """Just the ways in, each with the page of what opens it."""
    return [WayIn(each, _href(each)) for each in found]


def ways_in(who: Actor) -> list[WayIn]:
    """Everything about them; the number of queries does not grow with the cluster."""
    services: Sequence[types.Service] = reading.everything(who, SERVICE.key)
    pods = reading.pods_of(who)
    nodes, classes = (store.list(kind).objects for kind in (NODE, INGRESS_CLASS))  # whoever asks: as the API has it
    ingresses: Sequence[types.Ingress] = reading.everything(who, INGRESS.key)
    found = exposures(services, pods, nodes, ingresses, classes)
    behind = _behind(who)
    ready = {_place(pod): is_ready(pod.status.conditions) for pod in pods}
    made = {(obj.kind, *_place(obj)): obj for obj in (*services, *pods, *ingresses)}
    return [
        WayIn(
            each, _href(each), _maker(made.get((each.kind, each.namespace, each.name))), answer_of(each, behind, ready)
        )
        for each in found
    ]  # fmt: skip


def holds(way: WayIn, text: str) -> bool:
    """Whether a word stands anywhere in its row."""
    each, maker = way.exposure, way.maker
    told = (
        each.via, each.namespace, each.name, str(each.port), each.protocol, each.target, each.why, *each.addresses,
        *each.source_ranges, maker.name if maker else "",
    )  # fmt: skip
    return any(text in one.lower() for one in told)


def _href(each: Exposure) -> str:
    kind = next((kind for kind in all_kinds() if kind.name == each.kind), None)
    return paths.of_object(kind, each.namespace, each.name) if kind is not None else ""


def _place(obj: Any) -> tuple[str, str]:
    return obj.metadata.namespace, obj.metadata.name


def _behind(who: Actor) -> Mapping[tuple[str, str], tuple[int, int]]:
    """How many addresses stand behind each service, and how many of them are ready. Services without are left out."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    endpoints: Sequence[types.Endpoints] = reading.everything(who, ENDPOINTS.key)
    for each in endpoints:
        ready = {one.ip for subset in each.subsets for one in subset.addresses}
        late = {one.ip for subset in each.subsets for one in subset.not_ready_addresses}
        found[_place(each)] = len(ready), len(ready | late)
    return found


def answer_of(
    each: Exposure,
    behind: Mapping[tuple[str, str], tuple[int, int]],
    pods: Mapping[tuple[str, str], bool],
) -> Answer:
    if each.services:
        found = [behind.get((each.namespace, name), (0, 0)) for name in each.services]
        ready, total = (sum(counts) for counts in zip(*found, strict=True))
    else:
        ready, total = int(pods.get((each.namespace, each.name), False)), 1
    if not ready:
        return Answer("nobody", look.BAD)
    return Answer(f"{ready} of {total}", look.OK if ready == total else look.WARN)


def _maker(obj: Any) -> Maker | None:
    if obj is None:
        return None
    for ref in obj.metadata.owner_references:
        if ref.kind == APPLICATION.name:
            return Maker("application", ref.name, paths.of_application(obj.metadata.namespace, ref.name))
        if ref.controller:
            return Maker(ref.kind, ref.name, paths.referred(ref, obj.metadata.namespace))
    wrote = next((one.manager for one in obj.metadata.managed_fields if one.manager), "")
    return Maker("by", wrote) if wrote else None


def may_see(who: Actor) -> bool:
    return any(access.visible_at_all(who, kind) for kind in (SERVICE, POD, INGRESS))
