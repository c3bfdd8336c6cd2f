"""Logs of pods that are gone: all nodes are asked at once; one that does not answer is not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from apps.cluster import store
from apps.cluster.errors import ApiError, NotFound
from apps.cluster.kinds import NODE
from apps.cluster.types.agent import EndedLog
from apps.cluster.work import in_db
from apps.nodes import door
from apps.nodes.streams import path_of

AT_ONCE = 32
PATIENCE = 3.0
TOLD = 4
"""Nodes that are named when many do not answer."""


@dataclass(frozen=True)
class Kept:
    """One container's, and where it is."""

    node: str
    log: EndedLog


async def found(
    namespace: str, labels: Mapping[str, str], nodes: Iterable[str] | None = None
) -> tuple[list[Kept], list[str]]:
    """What is kept of pods that had these labels, oldest first, and in words which nodes did not answer.

    Every node is asked unless some are named.
    """
    turn = asyncio.Semaphore(AT_ONCE)
    if nodes is None:
        nodes = [row.name for row in (await in_db(store.list, NODE)).rows]
    answers = await asyncio.gather(*(_of(node, namespace, labels, turn) for node in nodes))
    kept = [one for several, _ in answers for one in several]
    return sorted(kept, key=lambda one: one.log.ended_at), _few([words for _, words in answers if words])


def _few(words: list[str]) -> list[str]:
    """Not a line for each of a thousand nodes."""
    return [*words[:TOLD], f"{len(words) - TOLD} more nodes do not answer"] if len(words) > TOLD + 1 else words


async def read(node: str, namespace: str, id: str) -> bytes:
    """The lines of one, each after its time. Raises NotFound or Unavailable."""
    return await door.fetch(node, path_of("ended", namespace, id))


async def _of(
    node: str, namespace: str, labels: Mapping[str, str], turn: asyncio.Semaphore
) -> tuple[list[Kept], str]:
    asked = {"labels": ",".join(f"{key}={value}" for key, value in labels.items())}
    try:
        async with turn, asyncio.timeout(PATIENCE):
            answer = await door.fetch(node, path_of("ended", namespace), asked)
    except NotFound:
        return [], ""  # an older agent, which keeps none
    except ApiError as error:
        return [], error.message
    except TimeoutError:
        return [], f"node {node} does not answer"
    return [Kept(node, one) for one in msgspec.json.decode(answer, type=list[EndedLog])], ""
