"""What one node is told of the others: where each is reached and which addresses its pods have, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from apps.cluster import types
from apps.cluster.types import agent, ways
from apps.cluster.watching import Event


class Peers:
    """What one connection was told. A node that reports its state again, as it was, is no news to the others."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def all(self, events: Iterable[Event]) -> list[str]:
        """The whole state, as JSON."""
        texts = {event.name: _text(event.name, event.text) for event in events}
        self._told = {name: text for name, text in texts.items() if text}
        return list(self._told.values())

    def moved(self, events: Iterable[Event]) -> list[agent.Message]:
        """Frames for those whose way changed, in one, and for those that are gone."""
        fresh: dict[str, str] = {}
        gone: dict[str, int] = {}
        for event in events:
            text = "" if event.type == "DELETED" else _text(event.name, event.text)
            fresh.pop(event.name, None)
            gone.pop(event.name, None)
            if text and text != self._told.get(event.name):
                fresh[event.name] = text
            elif not text and event.name in self._told:
                gone[event.name] = event.number
        self._told.update(fresh)
        frames: list[agent.Message] = []
        if fresh:
            items = [agent.raw(text) for text in fresh.values()]
            frames.append(agent.Objects(kind=agent.PEERS, items=items, replace=False))
        for name, number in gone.items():
            del self._told[name]
            bare = agent.Peer(metadata=types.ObjectMeta(name=name))
            frames.append(
                agent.Changed(number=number, type="DELETED", kind=agent.PEERS, object=agent.raw(bare))
            )
        return frames


@lru_cache(maxsize=4096)
def _text(name: str, served: str) -> str:
    """A node as its peers see it; "" while nobody can go there. Found once for all connections of the process."""
    node = types.decode_lenient(types.Node, served)
    address = next((each.address for each in node.status.addresses if each.type == "InternalIP"), "")
    if not address or not node.spec.pod_cidr:
        return ""
    peer = agent.Peer(
        metadata=types.ObjectMeta(name=name), address=address, pod_cidr=node.spec.pod_cidr, edge=ways.on_edge(node)
    )
    return types.encode(peer).decode()
