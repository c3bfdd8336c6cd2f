"""What one node is told: its own object and pods, the configuration these use, every service, and the way to
every other node's pods. Pure but for one read.

Nothing here sends: events of the hub come in, frames come out. A pod never goes out before the secrets and config
maps it uses, and those no pod uses any more are taken back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db.models import Q

from apps.accounts import node_rules, scope
from apps.accounts.node_rules import Reference
from apps.cluster import store, types
from apps.cluster.hub import Batch
from apps.cluster.kinds import (
    CONFIG_MAP,
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
)
from apps.cluster.registry import by_key
from apps.cluster.rows import Stored, unseal_all
from apps.cluster.types import agent, now, ways
from apps.cluster.watching import Event, Scope
from apps.nodes.handed import Handed, Signed
from apps.nodes.peers import Peers

CONFIGURATION = (CONFIG_MAP, SECRET, PERSISTENT_VOLUME_CLAIM)
EDGE = (INGRESS_CLASS, INGRESS)
USERS = (INGRESS, POD)
"""What uses configuration."""
# The order in which whole kinds are sent: what a pod needs comes before the pod.
ORDER = (NODE, SERVICE, ENDPOINT_SLICE, *CONFIGURATION, *EDGE, PERSISTENT_VOLUME, POD)

LARGEST_FRAME = 256 * 1024
"""Characters of objects in one frame of the whole state, unless a single object is larger."""

Key = tuple[str, str, str]
"""Kind key, namespace and name."""


@dataclass(eq=False)
class Used:
    """The references of one kind that the node's pods, and on the edge Ingresses, hold now: a sight for the hub that
    moves with them."""

    kind: str
    pairs: set[tuple[str, str]] = field(default_factory=set)

    def q(self) -> Q:
        wanted = Q(pk__in=())
        for namespace, name in sorted(self.pairs):
            wanted |= Q(namespace=namespace, name=name)
        return wanted

    def holds(self, namespace: str, name: str, node: str = "") -> bool:
        return (namespace, name) in self.pairs


class Closure:
    """The state of one connection's stream."""

    def __init__(self, node: str, *, alone: bool = False) -> None:
        self.node = node
        self._alone = alone
        self._peers = Peers()
        self._used = {kind.key: Used(kind.key) for kind in CONFIGURATION}
        self._of: dict[Key, frozenset[Reference]] = {}
        self._edge = False
        self._labelled: set[str] = set()
        self._numbers: dict[Key, int] = {}
        self.told = 0  # the number up to which everything has been sent
        self._opened = False
        self._primed = False
        self.handed = Handed()

    def scopes(self) -> tuple[Scope, ...]:
        """What to follow. Pods come first: the first list must not be newer than any other."""
        return (
            Scope(kind=POD, node=self.node),
            Scope(kind=PERSISTENT_VOLUME, node=self.node),
            *(Scope(kind=kind, visible=partial(self._sight, kind.key)) for kind in CONFIGURATION),
            *(Scope(kind=kind, visible=self._edge_sight) for kind in EDGE),
            Scope(kind=NODE, name=self.node if self._alone else ""),
            Scope(kind=SERVICE),
            Scope(kind=ENDPOINT_SLICE),
        )

    def missing(self, batch: Batch) -> frozenset[Reference]:
        """What pods and Ingresses of this batch need and the node was not given yet. From here on their changes are
        followed."""
        listed = {_key(event) for event in batch.events if not self._opened}
        needed: set[Reference] = set()
        for event in batch.events:
            if event.kind in USERS and event.type != "DELETED":
                needed |= node_rules.references(event.object)
        fresh = {reference for reference in needed if reference not in self._numbers} - listed
        for kind, namespace, name in needed:
            self._used[kind].pairs.add((namespace, name))
        return frozenset(fresh)

    def unsigned(self, batch: Batch) -> list[types.Pod]:
        """The pods of this batch that mount tokens they were not given yet."""
        told = {event.object.metadata.uid: event.object for event in batch.events if _is_there(event)}
        return self.handed.fresh(told.values())

    def renewed(self, pods: Iterable[types.Pod], signed: Signed, now: datetime) -> list[agent.Message]:
        """Frames for pods that get their tokens later, or again; no pod waits for the log to move for these."""
        frames = [frame for pod in pods for frame in self._tokens(pod, signed, now)]
        return [*frames, agent.Synced(number=self.told)] if frames else []

    def frames(
        self, batch: Batch, fetched: Mapping[Reference, Stored | None], signed: Signed | None = None
    ) -> list[agent.Message]:
        """The frames for one batch; ``fetched`` answers ``missing`` and ``signed`` ``unsigned``.

        The first batch is the whole state.
        """
        signed = dict(signed or {})
        if not self._opened:
            self._opened = True
            return self._whole_state(batch, fetched, signed)
        frames: list[agent.Message] = []
        peers, own = self._parted(batch)
        for event in own:
            key = _key(event)
            if event.number <= self._numbers.get(key, 0) or not self._hands_out(event):
                continue  # the node has this state, or a later one, from a list; or is given none
            if event.kind in CONFIGURATION:
                self._numbers[key] = event.number
            frames += self._of_user(event, fetched, signed) if event.kind in USERS else [_changed(event)]
        frames += self._peers.moved(peers)
        self._trim(batch.number)
        if frames:
            frames.append(agent.Synced(number=batch.number))
        return frames

    def _of_user(
        self, event: Event, fetched: Mapping[Reference, Stored | None], signed: Signed
    ) -> list[agent.Message]:
        """What it needs goes first, and what nothing needs any more last."""
        before = self._of.get(_key(event), frozenset())
        frames = self._before_user(event, fetched)
        if _is_there(event):
            frames += self._tokens(event.object, signed, now())
        frames.append(_changed(event))
        if event.kind is POD and event.type == "DELETED":
            frames += self._forget_tokens(event)
        return frames + self._take_back(before, event.number)

    def _token(self, pod: types.Pod, signed: Signed, at: datetime) -> agent.PodTokens | None:
        """Said once, with the first event about the pod."""
        if pod.metadata.uid not in signed:
            return None
        tokens = signed.pop(pod.metadata.uid)
        self.handed.note(pod, tokens, at)
        return tokens

    def _tokens(self, pod: types.Pod, signed: Signed, at: datetime) -> list[agent.Message]:
        tokens = self._token(pod, signed, at)
        if tokens is None:
            return []
        return [agent.Changed(number=0, type="ADDED", kind=agent.TOKENS, object=agent.raw(tokens))]

    def _whole_state(
        self, batch: Batch, fetched: Mapping[Reference, Stored | None], signed: Signed
    ) -> list[agent.Message]:
        texts: dict[str, list[str]] = {kind.key: [] for kind in ORDER}
        peers, own = self._parted(batch)
        for event in own:
            if event.kind in USERS:
                self._of[_key(event)] = node_rules.references(event.object)
        for event in own:
            if self._hands_out(event):
                self._numbers[_key(event)] = event.number
                texts[event.kind.key].append(event.text)
        for reference, row in self._handed_out(fetched).items():
            self._numbers[reference] = row.number if row else batch.number
            if row is not None:
                texts[reference[0]].append(row.text)
        pods = [event.object for event in batch.events if _is_there(event)]
        tokens = [token for pod in pods if (token := self._token(pod, signed, now()))]
        frames: list[agent.Message] = []
        for kind in ORDER:
            if kind is POD:
                frames += _objects(agent.TOKENS, [types.encode(token).decode() for token in tokens])
            frames += _objects(kind.plural, texts[kind.key])
            if kind is NODE and not self._alone:
                frames += _objects(agent.PEERS, self._peers.all(peers))
        return [*frames, agent.Synced(number=batch.number)]

    @property
    def outdated(self) -> bool:
        """Whether the edge has moved to this node, or away from it: everything must be told anew."""
        edge = not self._labelled or self.node in self._labelled
        return not self._alone and self._opened and edge != self._edge

    def _parted(self, batch: Batch) -> tuple[list[Event], list[Event]]:
        """What is about other nodes, and what is the node's own business."""
        for event in batch.events:
            if event.kind is NODE:
                on_it = event.type != "DELETED" and ways.EDGE_LABEL in event.text and ways.on_edge(event.object)
                (self._labelled.add if on_it else self._labelled.discard)(event.name)
        peers = [event for event in batch.events if event.kind is NODE and event.name != self.node]
        return peers, [event for event in batch.events if event.kind is not NODE or event.name == self.node]

    def _before_user(self, event: Event, fetched: Mapping[Reference, Stored | None]) -> list[agent.Message]:
        if event.type == "DELETED":
            self._of.pop(_key(event), None)
            return []
        uses = node_rules.references(event.object)
        self._of[_key(event)] = uses
        frames: list[agent.Message] = []
        for reference, row in sorted(self._handed_out(fetched).items()):
            if reference not in uses or reference in self._numbers:
                continue
            self._numbers[reference] = row.number if row else event.number
            if row is not None:
                frames.append(
                    agent.Changed(
                        number=row.number, type="ADDED", kind=row.kind.plural, object=agent.raw(row.text)
                    )
                )
        return frames

    def _forget_tokens(self, event: Event) -> list[agent.Message]:
        if not self.handed.forget(event.uid):
            return []
        bare = json.dumps({"metadata": {"name": event.name, "namespace": event.namespace, "uid": event.uid}})
        return [agent.Changed(number=event.number, type="DELETED", kind=agent.TOKENS, object=agent.raw(bare))]

    def _take_back(self, uses: frozenset[Reference], number: int) -> list[agent.Message]:
        """What nothing uses any more."""
        if not uses:
            return []
        still = frozenset[Reference]().union(*self._of.values())
        frames: list[agent.Message] = []
        for kind, namespace, name in sorted(uses - still):
            self._used[kind].pairs.discard((namespace, name))
            self._numbers.pop((kind, namespace, name), None)
            bare = json.dumps({"metadata": {"name": name, "namespace": namespace}})
            frames.append(agent.Changed(number=number, type="DELETED", kind=kind, object=agent.raw(bare)))
        return frames

    def _trim(self, seen: int) -> None:
        """Once the log has passed the lists, order is enough; only configuration is ever fetched beside it."""
        if any(key[0] not in self._used for key in self._numbers):
            self._numbers = {
                key: number for key, number in self._numbers.items() if key[0] in self._used or number > seen
            }

    def _sight(self, kind: str) -> Used:
        self._prime()
        return self._used[kind]

    def _prime(self) -> None:
        """Called by the hub in a thread: the first time, the store says what the node uses."""
        if not self._primed:
            self._primed = True
            self._edge = not self._alone and node_rules.is_edge(self.node)
            for key, namespace, name in node_rules.references_of_node(self.node, on_edge=self._edge):
                self._used[key].pairs.add((namespace, name))

    def _edge_sight(self) -> scope.Scope:
        self._prime()
        return scope.EVERYTHING if self._edge else scope.NOTHING

    def _hands_out(self, source: Event | Stored) -> bool:
        """All but secrets that the node's pods do not use, and Ingresses may not."""
        if source.kind is not SECRET or node_rules.may_hand_out(source.object.type):
            return True
        reference = (SECRET.key, source.namespace, source.name)
        return any(reference in uses for key, uses in self._of.items() if key[0] == POD.key)

    def _handed_out(self, fetched: Mapping[Reference, Stored | None]) -> dict[Reference, Stored | None]:
        return {key: row for key, row in fetched.items() if row is None or self._hands_out(row)}


def fetch(references: Iterable[Reference]) -> dict[Reference, Stored | None]:
    """Read the objects; None for those that are not there (they follow once someone makes them)."""
    found = {
        (key, namespace, name): store.find(by_key(key), namespace, name)
        for key, namespace, name in references
    }
    unseal_all(row for row in found.values() if row is not None)
    return found


def own(events: Sequence[Event], node: str) -> Event | None:
    """The newest event about the node itself."""
    return next((event for event in reversed(events) if event.kind is NODE and event.name == node), None)


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in frames of a bearable size; one empty frame for none."""
    part: list[str] = []
    size = 0
    for text in texts:
        if part and size + len(text) > LARGEST_FRAME:
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    yield part


def _is_there(event: Event) -> bool:
    return event.kind is POD and event.type != "DELETED"


def _key(event: Event) -> Key:
    return (event.kind.key, event.namespace, event.name)


def _objects(kind: str, texts: Sequence[str]) -> list[agent.Message]:
    return [
        agent.Objects(kind=kind, items=[agent.raw(text) for text in part], replace=place == 0)
        for place, part in enumerate(_parts(texts))
    ]


def _changed(event: Event) -> agent.Changed:
    return agent.Changed(
        number=event.number, type=event.type, kind=event.kind.plural, object=agent.raw(event.text)
    )
