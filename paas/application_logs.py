"""An application's logs as one stream in a terminal, by time: of pods that are gone, that are there, that will be."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import chain

from apps.catalog.kinds import APPLICATION
from apps.catalog.render.metadata import COMPONENT, INSTANCE
from apps.cluster import store
from apps.cluster.errors import ApiError
from apps.cluster.kinds import POD
from apps.cluster.selectors import LabelSelector
from apps.cluster.watching import Scope
from apps.cluster.work import in_db
from apps.nodes import ended
from apps.nodes.following import Line, Source, follow

Say = Callable[[str], object]
TOGETHER = 0.2
"""Seconds for which new lines wait for older ones of other pods."""
MOST_WAITING = 10_000


def shown(line: Line) -> str:
    return f"{line.pod}{' (gone)' if line.gone else ''}: {line.text}"


def in_order(logs: Iterable[Iterable[Line]]) -> list[Line]:
    """One stream of several, by time. Pure."""
    return sorted(chain.from_iterable(logs), key=lambda line: line.at)


async def tell(say: Say, namespace: str, name: str, component: str, tail: int, *, following: bool) -> None:
    """The last ``tail`` lines of each container, gone and there, by time; when ``following`` then whatever comes."""
    labels = {INSTANCE: name, **({COMPONENT: component} if component else {})}
    scope = Scope(kind=POD, namespace=namespace, labels=LabelSelector.of(labels))
    rows = (await in_db(store.list, POD, namespace=namespace, labels=scope.labels)).rows
    sources = [
        Source(row.object, container.name, tail=tail)
        for row in rows
        if row.object.spec.node_name
        for container in row.object.spec.all_containers()
    ]
    kept, unheard = await ended.found(namespace, labels)
    for words in unheard:
        say(f"({words}; what was kept there is missing)")
    gone = await asyncio.gather(*(_gone(say, one, tail) for one in kept))
    for one, lines in zip(kept, gone, strict=True):  # a pod that goes just now may be in both lists
        for source in sources:
            if lines and source.is_of(one.log):
                source.last = lines[-1].at
    past = await asyncio.gather(*(_past(say, source) for source in sources))
    for line in in_order([*gone, *past]):
        say(shown(line))
    if not sources:
        say("(no pod is there)")
    if following:
        sys.stdout.flush()
        logging.getLogger("channels_redis").setLevel(logging.CRITICAL)  # without nudges the database is asked
        owner = Scope(kind=APPLICATION, namespace=namespace, name=name)
        teller = _Teller(say)
        telling = asyncio.create_task(teller.run())
        try:
            await follow(teller, scope, owner, lambda pod: True, known=sources, tail=tail)
            await teller.said.join()
        finally:
            telling.cancel()


class _Teller:
    """Says what it is told, lines that come close to each other by their times."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.said: asyncio.Queue[Line | str] = asyncio.Queue(MOST_WAITING)

    async def lines(self, lines: Sequence[Line]) -> None:
        for line in lines:
            await self.said.put(line)

    async def remark(self, pod: str, words: str) -> None:
        await self.said.put(f"({pod}: {words})")

    async def began(self, pods: Container[str]) -> None:
        """What went before was told before."""

    async def following(self, containers: int) -> None:
        """A terminal shows only what is written."""

    async def run(self) -> None:
        while True:
            told = [await self.said.get()]
            await asyncio.sleep(TOGETHER)
            while not self.said.empty():
                told.append(self.said.get_nowait())
            for line in in_order([[one for one in told if isinstance(one, Line)]]):
                self._say(shown(line))
            for remark in told:
                if isinstance(remark, str):
                    self._say(remark)
            sys.stdout.flush()
            for _ in told:
                self.said.task_done()


async def _gone(say: Say, one: ended.Kept, tail: int) -> list[Line]:
    try:
        text = await ended.read(one.node, one.log.namespace, one.log.id)
    except ApiError as refusal:
        say(f"({one.log.pod}: {refusal.message})")
        return []
    return [Line.read(line, one.log.pod, gone=True) for line in text.splitlines()[-tail:]]


async def _past(say: Say, source: Source) -> list[Line]:
    try:
        return [line async for lines in source.lines() for line in lines]
    except ApiError as refusal:
        say(f"({source.pod.metadata.name}: {refusal.message})")
        return []
