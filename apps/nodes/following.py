"""The lines of all containers of some pods, and of the pods that come later: none is lost, none is told twice.

A container is read on from the time of the newest line that was told of it: when it starts again, when its node's agent
was away. What nobody could read of a pod before it went, its node has kept. Of a container a node keeps the run that
ended last; how many more ended while nobody could read is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Container, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from django.db.utils import Error as DatabaseError

from apps.cluster import hub, types
from apps.cluster.errors import ApiError, BadRequest, Gone, NotFound
from apps.cluster.types.agent import EndedLog
from apps.cluster.watching import Event, Scope
from apps.cluster.work import in_db
from apps.nodes import door, ended

AGAIN = 1.0
"""Seconds until a container is asked for once more that has not begun, or whose node does not answer."""
SECOND = len("2026-05-01T12:00:00")
May = Callable[[types.Pod], bool]


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


class Hearer(Protocol):
    """Who is told. What takes long holds up the reading, and so the writing of nobody."""

    async def lines(self, lines: Sequence[Line]) -> None: ...

    async def remark(self, pod: str, words: str) -> None: ...

    async def began(self, pods: Container[str]) -> None:
        """The first look is over: all that these write is told, and of others that are there no more nothing."""

    async def following(self, containers: int) -> None:
        """How many are read now."""


@dataclass
class Source:
    """One container, and how far it was read. Of one that was never read only the last ``tail`` lines are wanted."""

    pod: types.Pod
    container: str
    last: str = ""
    tail: int | None = None

    async def lines(self, **asked: str) -> AsyncGenerator[list[Line], None]:
        """Those that are new, as they come. Raises ApiError when its node does not tell them, or no more."""
        meta, before, rest = self.pod.metadata, self.last, b""
        wanted = {"timestamps": "true", **self._where(), **asked}
        opened = door.logs(self.pod.spec.node_name, meta.namespace, meta.name, self.container, wanted)
        async with aclosing(opened) as chunks:
            async for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                if found := self._taken(whole, before):
                    yield found
        if found := self._taken([rest] if rest else [], before):
            yield found
        self.tail = None

    async def kept(self) -> list[Line]:
        """Those that its node has kept, once the pod is gone."""
        meta, before, found = self.pod.metadata, self.last, []
        logs, _ = await ended.found(meta.namespace, meta.labels, [self.pod.spec.node_name])
        for one in logs:
            if self.is_of(one.log):
                written = await ended.read(one.node, meta.namespace, one.log.id)
                found += self._taken(written.splitlines(), before, gone=True)
        return found if self.tail is None or before else found[-self.tail :]

    def is_of(self, log: EndedLog) -> bool:
        """Whether a node kept it of this container."""
        return log.container == self.container and log.pod_uid == self.pod.metadata.uid

    def _where(self) -> dict[str, str]:
        """From that second on: engines know no smaller part of one."""
        if self.last:
            return {"sinceTime": f"{self.last[:SECOND]}Z"}
        return {} if self.tail is None else {"tailLines": str(self.tail)}

    def _taken(self, lines: Iterable[bytes], before: str, *, gone: bool = False) -> list[Line]:
        read = (Line.read(line, self.pod.metadata.name, gone=gone) for line in lines)
        found = [line for line in read if line.at > before]
        self.last = max((self.last, *(line.at for line in found)))
        return found


async def follow(
    hear: Hearer, scope: Scope, owner: Scope, may: May, *, known: Iterable[Source] = (), tail: int
) -> None:
    """All that pods in ``scope`` write, until their ``owner`` and the last of them is gone.

    ``known`` says how far containers were read already; of others that are there now come the last ``tail`` lines.
    Of a pod that ``may`` not be read nothing is told.
    """
    crowd = _Crowd(hear, may, known, tail)
    try:
        while not await _followed(crowd, scope, owner):
            pass
    finally:
        await crowd.leave()


async def _followed(crowd: _Crowd, scope: Scope, owner: Scope) -> bool:
    """Whether it is over; False when everything is to be listed anew."""
    first, owned = True, False
    try:
        async with aclosing(hub.follow((scope, owner))) as batches:
            async for batch in batches:
                for event in batch.events:
                    if event.kind is owner.kind:
                        owned = event.type != "DELETED"
                    else:
                        await crowd.news(event)
                if first:
                    await crowd.looked({event.uid for event in batch.events})
                first = False
                if not owned and await crowd.over():
                    return True
    except Gone:
        return False
    except DatabaseError:
        await asyncio.sleep(AGAIN)
    return False


@dataclass
class _Watched:
    """A pod that is read, or was."""

    pod: types.Pod
    gone: bool = False
    readers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, pod: types.Pod, *, gone: bool) -> None:
        self.pod, self.gone = pod, gone
        news, self.news = self.news, asyncio.Event()
        news.set()

    def runs(self, container: str) -> int:
        """How often it was started again, as far as that is told."""
        told = (one.restart_count for one in self.pod.status.all_containers() if one.name == container)
        return next(told, 0)


class _Crowd:
    """All pods that are read, by their uids."""

    def __init__(self, hear: Hearer, may: May, known: Iterable[Source], tail: int) -> None:
        self._hear, self._may = hear, may
        self._tail: int | None = tail
        self._known = {(one.pod.metadata.uid, one.container): one for one in known}
        self._pods = {one.pod.metadata.uid: _Watched(one.pod) for one in self._known.values()}
        self._told = -1

    async def news(self, event: Event) -> None:
        pod: types.Pod = event.object
        watched = self._pods.setdefault(event.uid, _Watched(pod))
        watched.hear(pod, gone=event.type == "DELETED")
        if await self._allowed(watched):
            for container in pod.spec.all_containers():
                self._read(watched, container.name)
        await self._count()

    async def looked(self, present: Container[str]) -> None:
        """All that is there was told. What was known and is not, is gone; what comes now, is read whole."""
        for uid, watched in self._pods.items():
            if uid not in present and not watched.gone and await self._allowed(watched):
                watched.hear(watched.pod, gone=True)
                for _, container in [place for place in self._known if place[0] == uid]:
                    self._read(watched, container)
        if self._tail is not None:
            self._tail = None
            await self._hear.began(frozenset(self._pods))
        await self._count()

    async def over(self) -> bool:
        """Whether all that were there are gone; waits for their last words then."""
        if not all(watched.gone for watched in self._pods.values()):
            return False
        await asyncio.gather(*self._readers(), return_exceptions=True)
        return True

    async def leave(self) -> None:
        for reader in self._readers():
            reader.cancel()
        await asyncio.gather(*self._readers(), return_exceptions=True)

    async def _allowed(self, watched: _Watched) -> bool:
        """Whether it is to be read; if it may not be any more, nobody reads it from here on."""
        allowed: bool = await in_db(self._may, watched.pod)
        if not allowed:
            for reader in watched.readers.values():
                reader.cancel()
            watched.readers.clear()
            watched.gone = True
        return allowed and bool(watched.pod.spec.node_name)

    def _readers(self) -> list[asyncio.Task[None]]:
        return [reader for watched in self._pods.values() for reader in watched.readers.values()]

    async def _count(self) -> None:
        reading = [one for one in self._pods.values() if one.readers and not one.gone]
        told = sum(len(one.pod.spec.containers) for one in reading)
        if told != self._told:
            self._told = told
            await self._hear.following(told)

    def _read(self, watched: _Watched, container: str) -> None:
        if container not in watched.readers:
            place = watched.pod.metadata.uid, container
            later = self._tail is None and place not in self._known  # else what ran before is not asked for
            read = -1 if later else watched.runs(container) - 1
            source = self._known.setdefault(place, Source(watched.pod, container, tail=self._tail))
            watched.readers[container] = asyncio.create_task(self._told_of(watched, source, read))

    async def _told_of(self, watched: _Watched, source: Source, read: int) -> None:
        """From run to run of one container, until its pod is gone. Nothing is missing up to the run ``read``."""
        trouble = ""
        while not watched.gone:
            news, run = watched.news, watched.runs(source.container)
            try:
                if run > read + 1:  # there may have been short ones since
                    await self._missed(source, run - read - 1 - await self._read_previous(source))
                    read = run - 1
                await self._pass_on(source.lines(follow="true"))
                read = run
            except BadRequest:  # it has not begun, and its pod will say when it has
                await news.wait()
            except (ApiError, DatabaseError) as error:
                words = error.message if isinstance(error, ApiError) else "the database does not answer"
                unknown = isinstance(error, NotFound)  # its node has not heard of it yet, or no more
                if words != trouble and not unknown and not watched.gone:
                    await self._hear.remark(source.pod.metadata.name, words)
                trouble = words
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN):
                        await news.wait()
            else:
                trouble = ""
                while not watched.gone and watched.runs(source.container) == run:
                    await watched.news.wait()
        await self._missed(source, watched.runs(source.container) - read - 2)
        with suppress(ApiError, DatabaseError):
            await self._hear.lines(await source.kept())

    async def _read_previous(self, source: Source) -> bool:
        """Whether the node has the run that ended last; it keeps no other."""
        try:
            await self._pass_on(source.lines(previous="true"))
        except (BadRequest, NotFound):
            return False
        return True

    async def _missed(self, source: Source, runs: int) -> None:
        if runs > 0:
            which = f"{runs} runs" if runs > 1 else "one run"
            words = f"not all is shown of {which} of {source.container} that ended meanwhile"
            await self._hear.remark(source.pod.metadata.name, words)

    async def _pass_on(self, found: AsyncGenerator[list[Line], None]) -> None:
        async with aclosing(found) as several:
            async for lines in several:
                await self._hear.lines(lines)
