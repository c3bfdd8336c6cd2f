"""An application's logs as one stream in a terminal, by time: of pods that are gone and of those that are there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from apps.cluster import types
from apps.cluster.errors import ApiError
from apps.nodes import door, ended

Say = Callable[[str], object]
SECOND = len("2026-05-01T12:00:00")


class Line(NamedTuple):
    """What was written, when, and by which pod; ``at`` as the engine writes it, so that text sorts as time does."""

    at: str
    pod: str
    text: str
    gone: bool = False

    @classmethod
    def read(cls, line: bytes, pod: str, *, gone: bool = False) -> Line:
        at, _, text = line.decode(errors="replace").partition(" ")
        return cls(at, pod, text, gone)

    def __str__(self) -> str:
        return f"{self.pod}{' (gone)' if self.gone else ''}: {self.text}"


@dataclass
class Source:
    """One container that is there; ``last`` is the time of the newest line that was read of it, None when its node
    would not tell."""

    pod: types.Pod
    container: str
    last: str | None = ""

    async def lines(self, **asked: str) -> AsyncIterator[Line]:
        """Its lines. Raises ApiError when its node does not tell them."""
        meta, rest = self.pod.metadata, b""
        wanted = {"timestamps": "true", **asked}
        opened = door.logs(self.pod.spec.node_name, meta.namespace, meta.name, self.container, wanted)
        async with aclosing(opened) as chunks:
            async for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield Line.read(line, meta.name)
        if rest:
            yield Line.read(rest, meta.name)


def in_order(logs: Iterable[Iterable[Line]]) -> list[Line]:
    """One stream of several, by time. Pure."""
    return sorted(chain.from_iterable(logs), key=lambda line: line.at)


async def tell(
    say: Say, namespace: str, labels: Mapping[str, str], pods: Iterable[types.Pod], tail: int, *, follow: bool
) -> None:
    """The last ``tail`` lines of each container, gone and there, by time; with ``follow`` then whatever comes.

    What is written once the past is read is told as it comes: nobody waits for a quiet container.
    """
    sources = [
        Source(pod, container.name)
        for pod in pods
        if pod.spec.node_name
        for container in pod.spec.all_containers()
    ]
    kept, unheard = await ended.found(namespace, labels)
    for words in unheard:
        say(f"({words}; what was kept there is missing)")
    past = await asyncio.gather(
        *(_gone(say, one, tail) for one in kept), *(_past(say, source, tail) for source in sources)
    )
    for line in in_order(past):
        say(str(line))
    if not sources:
        say("(no pod is there)")
    if follow:
        sys.stdout.flush()
        await asyncio.gather(
            *(_goes_on(say, source, source.last) for source in sources if source.last is not None)
        )


async def _gone(say: Say, one: ended.Kept, tail: int) -> list[Line]:
    try:
        text = await ended.read(one.node, one.log.namespace, one.log.id)
    except ApiError as refusal:
        say(f"({one.log.pod}: {refusal.message})")
        return []
    return [Line.read(line, one.log.pod, gone=True) for line in text.splitlines()[-tail:]]


async def _past(say: Say, source: Source, tail: int) -> list[Line]:
    try:
        found = [line async for line in source.lines(tailLines=str(tail))]
    except ApiError as refusal:
        say(f"({source.pod.metadata.name}: {refusal.message})")
        source.last = None
        return []
    source.last = found[-1].at if found else ""
    return found


async def _goes_on(say: Say, source: Source, last: str) -> None:
    """From where the past ended: asked for from that second on, of which what was told is passed over."""
    asked = {"follow": "true", **({"sinceTime": f"{last[:SECOND]}Z"} if last else {})}
    try:
        async for line in source.lines(**asked):
            if line.at > last:
                say(str(line))
                sys.stdout.flush()
    except ApiError as refusal:
        say(f"({source.pod.metadata.name}: {refusal.message})")
